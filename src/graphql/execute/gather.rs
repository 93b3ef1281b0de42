//! From the fields of a level that wait to its calls.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};
use serde_json::{Map, Value};

use super::level::{Answered, CallId, Run, Want};
use crate::graphql::{
    call::Call,
    complete::Found,
    errors::{ErrorCode, GraphqlError},
    failure::Refusal,
    json::{Json, NodeId},
    plan::{Field, FieldIndex},
    schema::{Batch, BatchStyle, Rest, SourceId},
    template::{Scope, Target, Unfit},
};

/// What makes calls identical, besides the caller, who is the same for all of an operation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Identity {
    source: SourceId,
    target: String,
    fields: Vec<(HeaderName, HeaderValue)>,
}

/// The calls of a level, and who waits for which.
#[derive(Debug, Default)]
pub(super) struct Level {
    pub(super) calls: Vec<Pending>,
    pub(super) deliveries: Vec<Delivery>,
}

/// A call that is about to be made.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) id: CallId,
    pub(super) call: Call,
    /// How many parents it is for.
    pub(super) parents: usize,
    /// What it makes void if it succeeds.
    pub(super) invalidates: Vec<String>,
}

/// Fields that wait for a call.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) call: CallId,
    pub(super) field: FieldIndex,
    pub(super) to: Recipients,
}

#[derive(Debug)]
pub(super) enum Recipients {
    /// The answer is the value of one.
    One(Want),
    /// Elements of the answer go to parents by their keys.
    Keys(Vec<Key>),
}

/// A parent's key, and the fields of the parents that have it.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) text: String,
    pub(super) wants: Vec<Want>,
}

/// A call as the schema says it, without what depends on the time.
struct Draft {
    target: Target,
    fields: Vec<(HeaderName, HeaderValue)>,
    body: Option<Value>,
}

impl<'a> Run<'a> {
    /// The calls that fields of a level wait for.
    pub(super) fn gather(&mut self, wants: Vec<Want>) -> Level {
        let cx = self.cx;
        let mut level = Level::default();
        let mut batches: Vec<(FieldIndex, Vec<Want>)> = Vec::new();
        for want in wants {
            let Some(rest) = cx.plan.field(want.field).rest(cx.schema) else { continue };
            if !self.tree.is_alive(want.slot) {
                continue;
            }
            if rest.batch.is_none() || want.parent.is_none() {
                self.single(want, rest, &mut level);
                continue;
            }
            match batches.iter_mut().find(|(field, _)| *field == want.field) {
                Some((_, wants)) => wants.push(want),
                None => batches.push((want.field, vec![want])),
            }
        }
        for (index, wants) in batches {
            let field = cx.plan.field(index);
            if let Some(rest) = field.rest(cx.schema)
                && let Some(batch) = &rest.batch
            {
                self.batch(index, field, rest, batch, wants, &mut level);
            }
        }
        level
    }

    fn single(&mut self, want: Want, rest: &Rest, level: &mut Level) {
        let field = self.cx.plan.field(want.field);
        match self.draft(want.field, rest, want.parent.as_ref()) {
            Ok(Some(draft)) => {
                let call = self.call(want.field, rest, draft, 1, level);
                level.deliveries.push(Delivery { call, field: want.field, to: Recipients::One(want) });
            }
            Ok(None) => self.found(want.slot, field, None, Found::Null),
            Err(unfit) => self.fail(want.slot, field, misplaced(unfit)),
        }
    }

    fn batch(
        &mut self,
        index: FieldIndex,
        field: &Field,
        rest: &Rest,
        batch: &Batch,
        wants: Vec<Want>,
        level: &mut Level,
    ) {
        let draft = match self.draft(index, rest, None) {
            Ok(Some(draft)) => draft,
            Ok(None) => return wants.iter().for_each(|want| self.found(want.slot, field, None, Found::Null)),
            Err(unfit) => return wants.iter().for_each(|want| self.fail(want.slot, field, misplaced(unfit))),
        };
        let mut keys = self.keys(index, field, batch, wants);
        while !keys.is_empty() {
            let rest_of_keys = keys.split_off(batch.max.min(keys.len()));
            let part = std::mem::replace(&mut keys, rest_of_keys);
            let mut draft = Draft { target: draft.target.clone(), fields: draft.fields.clone(), body: draft.body.clone() };
            batch.extend(&mut draft.target, part.iter().map(|key| Cow::Borrowed(&*key.text)));
            if batch.style == BatchStyle::Body {
                let mut members = match draft.body.take() {
                    Some(Value::Object(members)) => members,
                    _ => Map::new(),
                };
                let keys = part.iter().map(|key| self.body_key(index, batch, key)).collect();
                members.insert(batch.param.to_string(), keys);
                draft.body = Some(Value::Object(members));
            }
            let parents = part.iter().map(|key| key.wants.len()).sum();
            let call = self.call(index, rest, draft, parents, level);
            level.deliveries.push(Delivery { call, field: index, to: Recipients::Keys(part) });
        }
    }

    /// The keys of parents, each once, in the order of the parents.
    fn keys(&mut self, index: FieldIndex, field: &Field, batch: &Batch, wants: Vec<Want>) -> Vec<Key> {
        let mut keys: Vec<Key> = Vec::with_capacity(wants.len());
        let mut places: HashMap<String, usize, ahash::RandomState> = HashMap::default();
        for want in wants {
            let text = match batch.value.text(&self.scope(index, want.parent.as_ref())) {
                Ok(Some(text)) => text,
                Ok(None) => {
                    self.nothing(&want, field);
                    continue;
                }
                Err(unfit) => {
                    self.fail(want.slot, field, misplaced(unfit));
                    continue;
                }
            };
            match places.get(&text) {
                Some(place) => keys[*place].wants.push(want),
                None => {
                    places.insert(text.clone(), keys.len());
                    keys.push(Key { text, wants: vec![want] });
                }
            }
        }
        keys
    }

    /// A key as it stands in a body: a number remains one.
    fn body_key(&self, index: FieldIndex, batch: &Batch, key: &Key) -> Value {
        let parent = key.wants.first().and_then(|want| want.parent.as_ref());
        let value = batch.value.value(&self.scope(index, parent)).ok().flatten();
        value.map_or_else(|| Value::from(&*key.text), Cow::into_owned)
    }

    fn scope<'s>(&self, index: FieldIndex, parent: Option<&'s (Arc<Json>, NodeId)>) -> Scope<'s>
    where
        'a: 's,
    {
        let cx = self.cx;
        Scope {
            schema: cx.schema,
            args: cx.arguments(index).unwrap_or(&cx.none),
            parent: parent.map(|(json, at)| (&**json, *at)),
            claims: cx.ask.caller.claims,
        }
    }

    fn draft(
        &self,
        index: FieldIndex,
        rest: &Rest,
        parent: Option<&(Arc<Json>, NodeId)>,
    ) -> Result<Option<Draft>, Unfit> {
        let (scope, source) = (self.scope(index, parent), self.cx.schema.source(rest.source));
        let Some(target) = rest.target(source, &scope)? else { return Ok(None) };
        let fields = rest.fields(source, &scope)?;
        let body = rest.body.as_ref().map(|body| body.render(&scope)).transpose()?.flatten();
        Ok(Some(Draft { target, fields, body }))
    }

    /// The call for a draft: an identical one of this operation, or a new one.
    fn call(&mut self, index: FieldIndex, rest: &Rest, draft: Draft, parents: usize, level: &mut Level) -> CallId {
        let cx = self.cx;
        let Draft { target, fields, body } = draft;
        let target = target.into_string();
        let may_share = rest.method == Method::GET && body.is_none();
        let identity =
            may_share.then(|| Identity { source: rest.source, target: target.clone(), fields: fields.clone() });
        if let Some(known) = identity.as_ref().and_then(|identity| self.known.get(identity)).copied() {
            if let Some(pending) = level.calls.iter_mut().find(|pending| pending.id == known) {
                pending.parents += parents;
            }
            return known;
        }
        let id = CallId(self.answers.len());
        if let Some(identity) = identity {
            self.known.insert(identity, id);
        }
        if self.answers.len() >= cx.limits.calls {
            self.answers.push(Answered::Refused(Arc::new(Refusal::too_many(cx.limits.calls))));
            return id;
        }
        self.answers.push(Answered::Pending);
        let source = cx.schema.source(rest.source);
        let call = Call {
            source: rest.source,
            service: Arc::clone(&source.name),
            method: rest.method.clone(),
            target,
            headers: fields,
            body: body.map(|body| Bytes::from(body.to_string())),
            answer_max: usize::try_from(cx.limits.answer.0).unwrap_or(usize::MAX),
            deadline: cx.ask.deadline,
            field: Arc::clone(&cx.plan.field(index).path),
        };
        let invalidates = self.invalidates(index, rest);
        level.calls.push(Pending { id, call, parents, invalidates });
        id
    }

    /// What a call makes void if it succeeds.
    fn invalidates(&self, index: FieldIndex, rest: &Rest) -> Vec<String> {
        let (scope, source) = (self.scope(index, None), self.cx.schema.source(rest.source));
        let paths = rest.invalidates.iter().filter_map(|template| template.path(&scope).ok().flatten());
        paths.map(|path| source.within(&path)).collect()
    }
}

/// A value that cannot be where the schema puts it.
fn misplaced(unfit: Unfit) -> GraphqlError {
    GraphqlError::new(ErrorCode::BadUserInput, format!("The call cannot be made: {unfit}."))
}
