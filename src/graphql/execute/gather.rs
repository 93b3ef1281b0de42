//! From the fields of a level that wait to its calls.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};
use serde_json::{Map, Value};

use super::level::{Answered, CallId, Run, Want};
use crate::graphql::{
    call::Call,
    errors::{ErrorCode, GraphqlError},
    failure::Refusal,
    json::{Json, NodeId},
    plan::FieldIndex,
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
    /// In the order of the fields, so that of several errors the first counts.
    pub(super) deliveries: Vec<Delivery>,
    pub(super) groups: Vec<Group>,
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

/// A field that waited, and where its value comes from.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) want: Want,
    pub(super) origin: Origin,
}

/// Where the value of a field that waited comes from.
#[derive(Clone, Debug)]
pub(super) enum Origin {
    /// Nowhere: a value that the call needs is null.
    Nothing,
    /// The call cannot be made.
    Failed(GraphqlError),
    /// The answer of a call.
    Call(CallId),
    /// The elements of a group's answers with this key, by their places.
    Share(usize, usize),
}

/// One field of many parents, whose calls become few.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) field: FieldIndex,
    /// The keys of the parents, each once, in the order of the parents.
    keys: Vec<Key>,
    /// The places of the keys.
    pub(super) places: HashMap<String, usize, ahash::RandomState>,
    /// Where the elements of each so many keys come from.
    origins: Vec<Origin>,
    /// How many keys a call takes.
    pub(super) max: usize,
}

/// A key of parents.
#[derive(Debug)]
struct Key {
    text: String,
    /// The first parent that has it.
    parent: Option<(Arc<Json>, NodeId)>,
    /// How many have it.
    count: usize,
}

impl Group {
    fn new(field: FieldIndex, max: usize) -> Self {
        Self { field, keys: Vec::new(), places: HashMap::default(), origins: Vec::new(), max: max.max(1) }
    }

    /// Where the elements of a key come from.
    pub(super) fn origin(&self, key: usize) -> &Origin {
        self.origins.get(key / self.max).unwrap_or(&Origin::Nothing)
    }

    /// How many keys there are.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    fn place(&mut self, text: String, want: &Want) -> usize {
        let next = self.keys.len();
        match self.places.get(&text) {
            Some(place) => {
                self.keys[*place].count += 1;
                *place
            }
            None => {
                self.places.insert(text.clone(), next);
                self.keys.push(Key { text, parent: want.parent.clone(), count: 1 });
                next
            }
        }
    }
}

/// A call as the schema says it, without what depends on the time.
#[derive(Clone)]
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
        for want in wants {
            let Some(rest) = cx.plan.field(want.field).rest(cx.schema) else { continue };
            if !self.tree.is_alive(want.slot) {
                continue;
            }
            let origin = match &rest.batch {
                Some(batch) if want.parent.is_some() => self.join(&want, batch, &mut level),
                _ => self.single(&want, rest, &mut level),
            };
            level.deliveries.push(Delivery { want, origin });
        }
        let mut groups = std::mem::take(&mut level.groups);
        for group in &mut groups {
            if let Some(rest) = cx.plan.field(group.field).rest(cx.schema)
                && let Some(batch) = &rest.batch
            {
                self.batch(group, rest, batch, &mut level);
            }
        }
        level.groups = groups;
        level
    }

    fn single(&mut self, want: &Want, rest: &Rest, level: &mut Level) -> Origin {
        match self.draft(want.field, rest, want.parent.as_ref()) {
            Ok(Some(draft)) => Origin::Call(self.call(want.field, rest, draft, 1, level)),
            Ok(None) => Origin::Nothing,
            Err(unfit) => Origin::Failed(misplaced(unfit)),
        }
    }

    /// Adds a parent to the group of its field.
    fn join(&self, want: &Want, batch: &Batch, level: &mut Level) -> Origin {
        let known = level.groups.iter().position(|group| group.field == want.field);
        let group = known.unwrap_or_else(|| {
            level.groups.push(Group::new(want.field, batch.max));
            level.groups.len() - 1
        });
        match batch.value.text(&self.scope(want.field, want.parent.as_ref())) {
            Ok(Some(text)) => Origin::Share(group, level.groups[group].place(text, want)),
            Ok(None) => Origin::Nothing,
            Err(unfit) => Origin::Failed(misplaced(unfit)),
        }
    }

    /// The calls of a group.
    fn batch(&mut self, group: &mut Group, rest: &Rest, batch: &Batch, level: &mut Level) {
        let index = group.field;
        let draft = match self.draft(index, rest, None) {
            Ok(Some(draft)) => draft,
            Ok(None) => return,
            Err(unfit) => {
                let parts = group.keys.len().div_ceil(group.max);
                group.origins = vec![Origin::Failed(misplaced(unfit)); parts];
                return;
            }
        };
        for keys in group.keys.chunks(group.max) {
            let Draft { mut target, fields, mut body } = draft.clone();
            batch.extend(&mut target, keys.iter().map(|key| Cow::Borrowed(&*key.text)));
            if batch.style == BatchStyle::Body {
                let mut members = match body.take() {
                    Some(Value::Object(members)) => members,
                    _ => Map::new(),
                };
                let keys = keys.iter().map(|key| self.body_key(index, batch, key)).collect();
                members.insert(batch.param.to_string(), keys);
                body = Some(Value::Object(members));
            }
            let parents = keys.iter().map(|key| key.count).sum();
            let call = self.call(index, rest, Draft { target, fields, body }, parents, level);
            group.origins.push(Origin::Call(call));
        }
    }

    /// A key as it stands in a body: a number remains one.
    fn body_key(&self, index: FieldIndex, batch: &Batch, key: &Key) -> Value {
        let value = batch.value.value(&self.scope(index, key.parent.as_ref())).ok().flatten();
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
    fn call(
        &mut self,
        index: FieldIndex,
        rest: &Rest,
        draft: Draft,
        parents: usize,
        level: &mut Level,
    ) -> CallId {
        let cx = self.cx;
        let Draft { target, fields, body } = draft;
        let target = target.into_string();
        let may_share = rest.method == Method::GET && body.is_none();
        let identity = may_share.then(|| Identity {
            source: rest.source,
            target: target.clone(),
            fields: fields.clone(),
        });
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
