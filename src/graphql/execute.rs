//! Executing a plan: breadth first, all calls of a level at once, without a timer.
//!
//! First everything is decided that needs no answer: variables, arguments, conditions, cost,
//! what the caller may not read. Then level by level: the fields that wait for a call are
//! gathered, identical calls are made once, calls for many parents become one where the schema
//! says how, and the answers are completed. What they hold in turn makes the next level.

mod batch;
mod deliver;
mod fill;
mod gather;

mod level;
mod send;

use std::{borrow::Cow, time::Duration};

use bytes::Bytes;
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::{
    authorize::{self, Denials},
    call::Fetch,
    coerce, cost,
    errors::{ErrorCode, GraphqlError},
    outcome::{Ask, Outcome, ResponseCache, Timings},
    plan::{FieldIndex, OperationKind, Plan, SetId, Verdict},
    read_before::ReadBefore,
    report,
    schema::Schema,
};
use crate::config::graphql::GraphqlLimitsConfig;
use level::Run;

/// Whoever answers `__schema` and `__type`.
#[async_trait::async_trait]
pub(super) trait Introspect: Send + Sync {
    /// The value of the only field of an operation, as JSON.
    ///
    /// # Errors
    /// What keeps it from being answered.
    async fn introspect(
        &self,
        introspection: &super::plan::Introspection,
        variables: Option<&Map<String, Value>>,
    ) -> Result<Bytes, GraphqlError>;
}

/// The arguments of a field for one request.
#[derive(Debug)]
pub(super) enum FieldArguments<'a> {
    /// It takes none.
    None,
    /// Coerced.
    Some(Cow<'a, Map<String, Value>>),
    /// A variable is not what they need. The error is that of the field.
    Invalid(GraphqlError),
}

impl FieldArguments<'_> {
    pub(super) fn get(&self) -> Option<&Map<String, Value>> {
        match self {
            Self::Some(arguments) => Some(arguments),
            Self::None | Self::Invalid(_) => None,
        }
    }
}

/// What is known of a request before its first call.
pub(super) struct Context<'a> {
    pub(super) schema: &'a Schema,
    pub(super) plan: &'a Plan,
    pub(super) limits: &'a GraphqlLimitsConfig,
    pub(super) ask: &'a Ask<'a>,
    /// Why fields may not be read; `None`: all may.
    pub(super) denials: Option<Denials>,
    /// By field of the plan.
    arguments: Vec<FieldArguments<'a>>,
    /// By set of the plan, if it has conditions: the fields that are included.
    included: Vec<Included>,
    /// Whether a field is not looked at at all: see [`Context::blocked`].
    has_blocked: bool,
    /// Arguments of fields that take none.
    pub(super) none: Map<String, Value>,
}

/// The fields of a set that are included.
#[derive(Debug)]
enum Included {
    /// All of them.
    All,
    /// These.
    Some(Box<[FieldIndex]>),
    /// It cannot be said: a variable is null.
    Undecided,
}

impl<'a> Context<'a> {
    /// Decides what can be decided without an answer.
    ///
    /// # Errors
    /// Errors of the whole request: nothing is executed.
    pub(super) fn new(
        schema: &'a Schema,
        limits: &'a GraphqlLimitsConfig,
        plan: &'a Plan,
        ask: &'a Ask<'a>,
    ) -> Result<Self, Vec<GraphqlError>> {
        if plan.has_introspection() && !ask.introspection {
            let message = "Introspection is not available.";
            return Err(vec![GraphqlError::new(ErrorCode::IntrospectionDisabled, message)]);
        }
        let variables = coerce::variables(schema, &plan.variables, ask.variables)?;
        let resolve = |field: &'a super::plan::Field| match &field.arguments {
            None => FieldArguments::None,
            Some(arguments) => match arguments.resolve(&variables) {
                Ok(arguments) => FieldArguments::Some(arguments),
                Err(error) => FieldArguments::Invalid(error),
            },
        };
        let arguments: Vec<_> = plan.fields.iter().map(resolve).collect();
        let denials = Denials::decide(schema, plan, &arguments, &ask.caller);
        let included = included(plan, &variables);
        let is_invalid = |arguments: &FieldArguments<'_>| matches!(arguments, FieldArguments::Invalid(_));
        let has_blocked = denials.is_some() || arguments.iter().any(is_invalid);
        let context =
            Self { schema, plan, limits, ask, denials, arguments, included, has_blocked, none: Map::new() };
        if !context.is_decided(SetId::ROOT) {
            let message = "A condition depends on a variable that is null.";
            return Err(vec![GraphqlError::new(ErrorCode::BadUserInput, message)]);
        }
        Ok(context)
    }

    /// The fields of an object.
    pub(super) fn fields(&self, set: SetId) -> &[FieldIndex] {
        match self.included.get(set.index()) {
            Some(Included::Some(fields)) => fields,
            Some(Included::Undecided) => &[],
            Some(Included::All) | None => &self.plan.set(set).fields,
        }
    }

    /// Whether it can be said which fields an object has.
    pub(super) fn is_decided(&self, set: SetId) -> bool {
        !matches!(self.included.get(set.index()), Some(Included::Undecided))
    }

    /// The arguments of a field, if it takes any.
    pub(super) fn arguments(&self, index: FieldIndex) -> Option<&Map<String, Value>> {
        self.arguments[index.index()].get()
    }

    /// Why a field is not looked at.
    #[inline]
    pub(super) fn blocked(&self, index: FieldIndex) -> Option<GraphqlError> {
        if self.has_blocked { self.why_blocked(index) } else { None }
    }

    fn why_blocked(&self, index: FieldIndex) -> Option<GraphqlError> {
        if let Some(denials) = &self.denials
            && let Some(code) = denials.field(index.index())
        {
            return Some(authorize::error(code));
        }
        match &self.arguments[index.index()] {
            FieldArguments::Invalid(error) => Some(error.clone()),
            FieldArguments::None | FieldArguments::Some(_) => None,
        }
    }
}

/// The fields of each set that are included; empty if the plan has no conditions.
fn included(plan: &Plan, variables: &Map<String, Value>) -> Vec<Included> {
    if plan.conditions.len() <= 1 {
        return Vec::new();
    }
    let verdicts: Vec<_> = plan.conditions.iter().map(|condition| condition.verdict(variables)).collect();
    let of_set = |set: &super::plan::Set| {
        if !set.is_conditional {
            return Included::All;
        }
        let mut fields: Vec<FieldIndex> = Vec::with_capacity(set.fields.len());
        for pick in &set.picks {
            match verdicts[pick.when.index()] {
                Verdict::Met if !fields.contains(&pick.field) => fields.push(pick.field),
                Verdict::Met | Verdict::Unmet => {}
                Verdict::Invalid => return Included::Undecided,
            }
        }
        Included::Some(fields.into())
    };
    plan.sets.iter().map(of_set).collect()
}

/// Executes a plan.
pub(super) async fn execute(
    schema: &Schema,
    limits: &GraphqlLimitsConfig,
    plan: &Plan,
    ask: &Ask<'_>,
    fetch: &dyn Fetch,
    introspect: &dyn Introspect,
    read_before: &ReadBefore,
) -> Outcome {
    let begun = Instant::now();
    let context = match Context::new(schema, limits, plan, ask) {
        Ok(context) => context,
        Err(errors) => return refused(&errors, 0, begun.elapsed()),
    };
    let cost = match cost::cost(&context) {
        Ok(cost) if cost > limits.cost => {
            return refused(&[too_dear(cost, limits.cost)], cost, begun.elapsed());
        }
        Ok(cost) => cost,
        Err(error) => return refused(&[error], 0, begun.elapsed()),
    };
    let admitted = begun.elapsed();
    let mut run = Run::new(&context, read_before, begun);
    match plan.kind {
        OperationKind::Query => run.query(fetch, introspect).await,
        OperationKind::Mutation => run.mutation(fetch, introspect).await,
    }
    run.finish(cost, Timings { admit: admitted, execute: begun.elapsed().saturating_sub(admitted) })
}

/// The outcome of a request that is not executed.
pub(super) fn refused(errors: &[GraphqlError], cost: u64, admit: Duration) -> Outcome {
    Outcome {
        body: report::refusal(errors),
        errors: errors.iter().map(|error| error.code).collect(),
        started: false,
        cache: ResponseCache { no_store: true, ..ResponseCache::default() },
        calls: Vec::new(),
        invalidated: Vec::new(),
        cost,
        timings: Timings { admit, execute: Duration::ZERO },
    }
}

fn too_dear(cost: u64, max: u64) -> GraphqlError {
    let message = format!("The operation costs {cost}; at most {max} is allowed.");
    GraphqlError::new(ErrorCode::CostExceeded, message).with("cost", cost).with("max", max)
}

#[cfg(test)]
mod tests;
