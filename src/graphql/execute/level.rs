//! Level by level.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use tokio::time::Instant;

use super::{Context, Introspect, gather::Identity};
use crate::graphql::{
    caching::Allowed,
    call::{CallRecord, Fetch},
    complete::{Completer, Errors, Failed, Found, Way},
    errors::GraphqlError,
    failure::Refusal,
    json::{Hint, Json, NodeId},
    outcome::{Outcome, Timings},
    plan::{Field, FieldIndex, Origin, SetId},
    read_before::ReadBefore,
    report::{self, Report},
    response::{Content, SlotId, SlotStep, Tree},
};

/// A request on its way.
pub(super) struct Run<'a> {
    pub(super) cx: &'a Context<'a>,
    pub(super) read_before: &'a ReadBefore,
    pub(super) begun: Instant,
    pub(super) tree: Tree,
    /// The text of all parts of the response that are final.
    pub(super) text: Vec<u8>,
    pub(super) errors: Errors,
    pub(super) hints: Vec<Hint>,
    /// Fields that wait for a call.
    pub(super) wants: Vec<Want>,
    /// What calls came to, by their place.
    pub(super) answers: Vec<Answered>,
    /// Calls that another one may be identical with.
    pub(super) known: HashMap<Identity, CallId, ahash::RandomState>,
    pub(super) records: Vec<CallRecord>,
    pub(super) allowed: Allowed,
    pub(super) invalidated: Vec<String>,
    /// Bytes of answers that are left.
    pub(super) bytes_left: usize,
}

/// A field that waits for a call.
#[derive(Clone, Debug)]
pub(super) struct Want {
    pub(super) slot: SlotId,
    pub(super) field: FieldIndex,
    /// The object that has the field; `None` at the root.
    pub(super) parent: Option<(Arc<Json>, NodeId)>,
}

/// A call of this request, by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CallId(pub(super) usize);

/// What a call came to.
#[derive(Clone, Debug)]
pub(super) enum Answered {
    /// It is under way.
    Pending,
    /// A JSON body.
    Json(Arc<Json>),
    /// There is nothing there: 204, or an empty body.
    Nothing,
    /// No answer, or one that is an error.
    Refused(Arc<Refusal>),
}

impl<'a> Run<'a> {
    pub(super) fn new(cx: &'a Context<'a>, read_before: &'a ReadBefore, begun: Instant) -> Self {
        Self {
            cx,
            read_before,
            begun,
            tree: Tree::new(),
            text: Vec::with_capacity(1024),
            errors: Errors::new(cx.limits.errors),
            hints: vec![Hint::default(); cx.plan.fields.len()],
            wants: Vec::new(),
            answers: Vec::new(),
            known: HashMap::default(),
            records: Vec::new(),
            allowed: Allowed::default(),
            invalidated: Vec::new(),
            bytes_left: usize::try_from(cx.limits.answers.0).unwrap_or(usize::MAX),
        }
    }

    /// All root fields at once.
    pub(super) async fn query(&mut self, fetch: &dyn Fetch, introspect: &dyn Introspect) {
        let first = self.begin_root();
        for (place, index) in self.cx.fields(SetId::ROOT).iter().enumerate() {
            self.root_field(first.offset(place), *index, introspect).await;
        }
        self.levels(fetch).await;
    }

    /// Root fields one after the other, each with all that is below it (October 2021,
    /// section 6.2.2). What was read before a change is not taken for what is after it.
    pub(super) async fn mutation(&mut self, fetch: &dyn Fetch, introspect: &dyn Introspect) {
        let first = self.begin_root();
        for (place, index) in self.cx.fields(SetId::ROOT).iter().enumerate() {
            self.known.clear();
            self.root_field(first.offset(place), *index, introspect).await;
            self.levels(fetch).await;
            if self.tree.content(SlotId::ROOT) == Content::Null {
                break;
            }
        }
    }

    fn begin_root(&mut self) -> SlotId {
        let cx = self.cx;
        let step = |index: &FieldIndex| (SlotStep::Field(*index), !cx.plan.field(*index).shape.non_null);
        let first = self.tree.grow(SlotId::ROOT, cx.fields(SetId::ROOT).iter().map(step));
        self.tree.set(SlotId::ROOT, Content::Object(SetId::ROOT, first));
        first
    }

    async fn root_field(&mut self, slot: SlotId, index: FieldIndex, introspect: &dyn Introspect) {
        let cx = self.cx;
        let field = cx.plan.field(index);
        if let Some(error) = cx.blocked(index) {
            return self.fail(slot, field, error);
        }
        match field.origin {
            Origin::Typename => self.typename(slot, SetId::ROOT),
            Origin::Introspection(place) => {
                match introspect.introspect(&cx.plan.introspections[place], cx.ask.variables).await {
                    Ok(text) => self.put(slot, &text),
                    Err(error) => self.fail(slot, field, error),
                }
            }
            Origin::Rest(_) => self.wants.push(Want { slot, field: index, parent: None }),
            // The root has no JSON to take a member from.
            Origin::Member(_) => self.found(slot, field, None, Found::Null),
        }
    }

    async fn levels(&mut self, fetch: &dyn Fetch) {
        while !self.wants.is_empty() {
            let wants = std::mem::take(&mut self.wants);
            let mut level = self.gather(wants);
            self.send(std::mem::take(&mut level.calls), fetch).await;
            self.deliver(level);
        }
    }

    /// Puts a finished text into a part.
    fn put(&mut self, slot: SlotId, text: &[u8]) {
        let start = self.text.len();
        self.text.extend_from_slice(text);
        self.tree.set(slot, Content::Text(start, self.text.len()));
    }

    pub(super) fn typename(&mut self, slot: SlotId, set: SetId) {
        let name = &self.cx.schema.get(self.cx.plan.set(set).ty).name;
        let text = format!("\"{name}\"");
        self.put(slot, text.as_bytes());
    }

    /// Completes what was found for a field that waited.
    pub(super) fn found(&mut self, slot: SlotId, field: &Field, json: Option<&Arc<Json>>, found: Found<'_>) {
        if !self.tree.is_alive(slot) {
            return;
        }
        let empty;
        let json = match json {
            Some(json) => json,
            None => {
                empty = Arc::new(Json::null());
                &empty
            }
        };
        if let Err(failed) = self.fill(slot, &field.shape, found, field, json) {
            self.settle(slot, *failed);
        }
    }

    /// A field that waited has an error.
    pub(super) fn fail(&mut self, slot: SlotId, field: &Field, error: GraphqlError) {
        if !self.tree.is_alive(slot) {
            return;
        }
        let mut error = error;
        if error.locations.is_empty() {
            error.locations.push(field.at);
        }
        self.tree.path(self.cx.plan, slot, &mut error.path);
        self.settle(slot, Failed { error, slot });
    }

    /// Makes the nearest part null that may be: the one with the error, or one above it.
    fn settle(&mut self, slot: SlotId, failed: Failed) {
        let mut at = slot;
        while !self.tree.is_nullable(at) {
            at = self.tree.parent(at);
        }
        self.tree.set(at, Content::Null);
        self.errors.absorb_under(&self.tree, at, failed);
    }

    /// Completes values of one answer in one part of the response.
    pub(super) fn completer<'w>(&'w mut self, slot: SlotId, json: &'w Json) -> Completer<'w> {
        Completer {
            cx: self.cx,
            json,
            tree: &self.tree,
            slot,
            out: &mut self.text,
            errors: &mut self.errors,
            hints: &mut self.hints,
        }
    }

    /// Writes the response.
    pub(super) fn finish(self, cost: u64, timings: Timings) -> Outcome {
        let cx = self.cx;
        let report = Report {
            cx,
            tree: &self.tree,
            text: &self.text,
            errors: &self.errors,
            cost,
            calls: &self.records,
        };
        let body: Bytes = report::response(&report);
        Outcome {
            body,
            errors: self.errors.iter().map(|error| error.code).collect(),
            started: true,
            cache: self.allowed.cap(cx.plan.hint, cx.plan.kind, !self.errors.is_empty()),
            calls: self.records,
            invalidated: self.invalidated,
            cost,
            timings,
        }
    }
}

/// The way to the part itself.
pub(super) const HERE: Way<'static> = Way::START;
