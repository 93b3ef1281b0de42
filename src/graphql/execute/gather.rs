//! From the fields of a level that wait to its calls.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};
use serde_json::Value;

use super::{
    batch::Group,
    level::{Answered, CallId, Run, Want},
};
use crate::graphql::{
    call::Call,
    errors::{ErrorCode, GraphqlError},
    failure::Refusal,
    json::{Json, NodeId},
    plan::FieldIndex,
    schema::{Rest, SourceId},
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

/// A call as the schema says it, without what depends on the time.
#[derive(Clone)]
pub(super) struct Draft {
    pub(super) target: Target,
    pub(super) fields: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Option<Value>,
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

    pub(super) fn scope<'s>(&self, index: FieldIndex, parent: Option<&'s (Arc<Json>, NodeId)>) -> Scope<'s>
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

    pub(super) fn draft(
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
    pub(super) fn call(
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
pub(super) fn misplaced(unfit: Unfit) -> GraphqlError {
    GraphqlError::new(ErrorCode::BadUserInput, format!("The call cannot be made: {unfit}."))
}
