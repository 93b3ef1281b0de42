//! How a response may be reused: what the schema says of the fields in it, capped by what the
//! services say of their answers.

use std::time::Duration;

use super::{
    call::Reuse,
    outcome::ResponseCache,
    plan::{Field, OperationKind, Origin, Plan, SetId},
    schema::{CacheHint, CacheScope, Schema},
};

/// What the schema says about reusing a response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hint {
    /// How long. Zero: not at all.
    pub max_age: Duration,
    /// Whether it depends on the caller.
    pub is_private: bool,
}

/// The smallest lifetime of all fields of a plan, those included that a condition may leave
/// out; private if one of them is.
pub(super) fn hint(schema: &Schema, plan: &Plan) -> Hint {
    let mut walk = Walk { schema, plan, smallest: None, is_private: plan.has_rules, seen: Vec::new() };
    walk.set(SetId::ROOT, None);
    let max_age = match plan.kind {
        OperationKind::Query => walk.smallest.unwrap_or_default(),
        OperationKind::Mutation => Duration::ZERO,
    };
    Hint { max_age, is_private: walk.is_private }
}

struct Walk<'a> {
    schema: &'a Schema,
    plan: &'a Plan,
    smallest: Option<Duration>,
    is_private: bool,
    /// Sets with the lifetime around them.
    seen: Vec<(SetId, Option<Duration>)>,
}

impl Walk<'_> {
    fn set(&mut self, id: SetId, around: Option<Duration>) {
        if self.seen.contains(&(id, around)) {
            return;
        }
        self.seen.push((id, around));
        let plan = self.plan;
        for pick in &plan.set(id).picks {
            self.field(plan.field(pick.field), around);
        }
    }

    fn field(&mut self, field: &Field, around: Option<Duration>) {
        if let Origin::Introspection(_) = field.origin {
            // What may be seen of the schema depends on the caller.
            self.smallest = Some(Duration::ZERO);
            self.is_private = true;
        }
        let Some(def) = field.def(self.schema) else { return };
        let none = CacheHint::default();
        let own = def.cache.as_ref().unwrap_or(&none);
        let object = self.schema.object(def.ty.named());
        let of_type = object.and_then(|object| object.cache.as_ref()).unwrap_or(&none);
        let is_private = |hint: &CacheHint| hint.scope == Some(CacheScope::Private);
        self.is_private |= is_private(own) || (own.scope.is_none() && is_private(of_type));
        self.is_private |=
            field.rest(self.schema).is_some_and(|rest| rest.reads_claims(self.schema.source(rest.source)));

        let begins = matches!(field.origin, Origin::Rest(_)) || self.schema.is_composite(def.ty.named());
        let inherits = own.inherit || (own.max_age.is_none() && of_type.inherit);
        let max_age = match own.max_age.or(of_type.max_age) {
            Some(max_age) if !inherits => Some(max_age),
            _ if inherits || !begins => around,
            _ => Some(Duration::ZERO),
        };
        if let Some(max_age) = max_age {
            self.smallest = Some(self.smallest.map_or(max_age, |smallest| smallest.min(max_age)));
        }
        for set in field.shape.sets() {
            self.set(set, max_age);
        }
    }
}

/// What all answers of an operation allow.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Allowed {
    fresh_for: Option<Duration>,
    is_private: bool,
    no_store: bool,
}

impl Allowed {
    /// Takes an answer into account.
    pub(super) fn add(&mut self, reuse: Reuse) {
        self.fresh_for = match (self.fresh_for, reuse.fresh_for) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        self.is_private |= reuse.is_private;
        self.no_store |= reuse.no_store;
    }

    /// What becomes of a response. An answer of which nobody said how long it is fresh does not
    /// shorten what the schema says.
    pub(super) fn cap(&self, hint: Hint, kind: OperationKind, has_errors: bool) -> ResponseCache {
        let no_store = has_errors || self.no_store || kind == OperationKind::Mutation;
        let fresh_for = self.fresh_for.unwrap_or(Duration::MAX);
        ResponseCache {
            max_age: if no_store { Duration::ZERO } else { hint.max_age.min(fresh_for) },
            is_private: hint.is_private || self.is_private,
            no_store,
        }
    }
}
