//! What an operation would ask for, and what it would cost.

use std::time::Duration;

use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::{
    auth::Identity,
    graphql::{Ask, GraphqlError, Prepared},
    phases,
    runtime::graphql::Graphql,
};

/// An operation that a made-up request brings.
pub struct Operation {
    /// Its document.
    pub document: String,
    /// Which operation of it.
    pub name: Option<String>,
    /// Its variables.
    pub variables: Option<Map<String, Value>>,
}

impl Operation {
    /// Reads an operation from the words of a command line.
    ///
    /// # Errors
    /// A sentence saying what is wrong.
    pub fn parse(document: String, name: Option<String>, variables: Option<&str>) -> Result<Self, String> {
        let variables = match variables.map(serde_json::from_str::<Value>).transpose() {
            Ok(None) => None,
            Ok(Some(Value::Object(members))) => Some(members),
            Ok(Some(_)) => return Err("the variables must be a JSON object".to_owned()),
            Err(error) => return Err(format!("the variables are not JSON: {error}")),
        };
        Ok(Self { document, name, variables })
    }
}

/// The plan of an operation, a line for each thing; nothing is called.
pub(super) fn lines(graphql: &Graphql, operation: &Operation, identity: Option<&Identity>) -> Vec<String> {
    let plan = match graphql.engine.prepare(&operation.document, operation.name.as_deref()) {
        Prepared::Plan(plan) => plan,
        Prepared::Refused(errors) => return refused(&errors),
    };
    let roles = identity.map_or(&[][..], Identity::roles);
    let ask = Ask {
        variables: operation.variables.as_ref(),
        caller: phases::graphql::caller(identity),
        deadline: Instant::now() + Duration::from_secs(1),
        introspection: graphql.config.introspection.allows(roles),
        trace: false,
    };
    match graphql.engine.explain(&plan, &ask) {
        Ok(text) => text.lines().map(str::to_owned).collect(),
        Err(errors) => refused(&errors),
    }
}

fn refused(errors: &[GraphqlError]) -> Vec<String> {
    let line = |error: &GraphqlError| {
        let at = error.locations.first().map(|at| format!("{at}: ")).unwrap_or_default();
        format!("refused: {at}{} ({})", error.message, error.code.as_str())
    };
    errors.iter().map(line).collect()
}
