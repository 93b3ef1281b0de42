//! Who may read what, decided on the plan before any call is made.
//!
//! A rule reads arguments and the caller, never an answer. So a field that is denied makes no
//! call, and tells nothing about what it would have found.

use serde_json::{Map, Value};

use super::{
    errors::{ErrorCode, GraphqlError},
    execute::FieldArguments,
    outcome::Caller,
    plan::{Field, Plan, ShapeKind},
    schema::{AuthRule, FieldDef, Owner, Schema, TypeId, TypeKind},
    template::{Scope, scalar},
};

/// Whether a field, or the type of its value, asks who the caller is.
pub(super) fn has_rule(schema: &Schema, def: &FieldDef) -> bool {
    let has_rule = |id: &TypeId| schema.object(*id).is_some_and(|object| object.auth.is_some());
    def.auth.is_some()
        || match &schema.get(def.ty.named()).kind {
            TypeKind::Interface(named) | TypeKind::Union(named) => named.possible.iter().any(has_rule),
            _ => has_rule(&def.ty.named()),
        }
}

/// What a caller may not read of a plan.
#[derive(Debug)]
pub(super) struct Denials {
    /// By field of the plan.
    fields: Vec<Option<ErrorCode>>,
    /// By set of the plan: objects that may turn up where an interface is asked for.
    sets: Vec<Option<ErrorCode>>,
}

impl Denials {
    /// Decides about every field of a plan. `None`: nothing is denied.
    pub(super) fn decide(
        schema: &Schema,
        plan: &Plan,
        arguments: &[FieldArguments<'_>],
        caller: &Caller<'_>,
    ) -> Option<Denials> {
        if !plan.has_rules {
            return None;
        }
        let none = Map::new();
        let judge = |rule: Option<&AuthRule>, args: &Map<String, Value>| denial(schema, rule?, args, caller);
        let rule_of = |id| schema.object(id).and_then(|object| object.auth.as_ref());
        let field = |(field, args): (&Field, &FieldArguments<'_>)| {
            let args = args.get().unwrap_or(&none);
            let of_type = match &field.shape.innermost().kind {
                ShapeKind::Object(set) => rule_of(plan.set(*set).ty),
                _ => None,
            };
            let def = field.def(schema)?;
            judge(def.auth.as_ref(), args).or_else(|| judge(of_type, args))
        };
        let fields: Vec<_> = plan.fields.iter().zip(arguments).map(field).collect();
        let sets: Vec<_> = plan.sets.iter().map(|set| judge(rule_of(set.ty), &none)).collect();
        let is_empty = fields.iter().chain(&sets).all(Option::is_none);
        (!is_empty).then_some(Denials { fields, sets })
    }

    /// Why a field is denied.
    pub(super) fn field(&self, index: usize) -> Option<ErrorCode> {
        self.fields[index]
    }

    /// Why an object that turned up is denied.
    pub(super) fn set(&self, index: usize) -> Option<ErrorCode> {
        self.sets[index]
    }
}

/// The error of a denied field. It does not say what would have been enough.
pub(super) fn error(code: ErrorCode) -> GraphqlError {
    GraphqlError::new(
        code,
        match code {
            ErrorCode::Unauthenticated => "This needs a caller who is known.",
            _ => "The caller may not read this.",
        },
    )
}

fn denial(
    schema: &Schema,
    rule: &AuthRule,
    args: &Map<String, Value>,
    caller: &Caller<'_>,
) -> Option<ErrorCode> {
    if !caller.is_authenticated {
        return Some(ErrorCode::Unauthenticated);
    }
    let names_something = !rule.scopes.is_empty() || !rule.roles.is_empty();
    let is_owner = rule.owner.as_ref().map(|owner| is_owner(schema, owner, args, caller));
    let is_granted = match is_owner {
        Some(true) => true,
        Some(false) if !names_something => false,
        _ => {
            rule.scopes.iter().all(|scope| caller.scopes.contains(scope))
                && (rule.roles.is_empty() || rule.roles.iter().any(|role| caller.roles.contains(role)))
        }
    };
    (!is_granted).then_some(ErrorCode::Forbidden)
}

fn is_owner(schema: &Schema, owner: &Owner, args: &Map<String, Value>, caller: &Caller<'_>) -> bool {
    let mut steps = owner.claim.split('.');
    let first = steps.next().and_then(|name| caller.claims.get(name));
    let claim = steps.fold(first, |value, name| value?.get(name)).and_then(scalar);
    let scope = Scope { schema, args, parent: None, claims: caller.claims };
    match (claim, owner.is.text(&scope)) {
        (Some(claim), Ok(Some(is))) => claim == is,
        _ => false,
    }
}
