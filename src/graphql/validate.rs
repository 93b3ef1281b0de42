//! Whether a document fits the schema, what the schema looks like from outside, and its text.
//!
//! The only place that knows async-graphql's schemas. The library's rules are kept but for those
//! on values, positions of variables and fields that share a key: they miss cases and refuse
//! others wrongly, so `values` and `overlap` stand in for them.

mod outside;
mod overlap;
mod values;

use async_graphql::{
    Request, Response, ServerError, Value, Variables,
    dynamic::Schema as Outside,
    extensions::{Extension, ExtensionContext, ExtensionFactory, NextExecute},
    parser::types::{DocumentOperations, ExecutableDocument},
};
use async_trait::async_trait;
use futures::FutureExt;
use serde_json::Map;

use super::{
    coerce::position,
    errors::{ErrorCode, GraphqlError},
    schema::Schema,
};
use crate::config::finding::Problem;

/// The schema as the library sees it.
pub(super) struct Validator {
    /// Applies rules, and executes nothing.
    rules: Outside,
    /// Answers introspection, of documents that passed the rules.
    introspection: Outside,
}

/// The deepest nesting that the library looks at. `precheck` has bounded it before.
const DEPTH_MAX: usize = 512;

impl Validator {
    /// # Errors
    /// What the library has against the schema, which ours has let pass.
    pub fn new(schema: &Schema, suggestions: bool) -> Result<Self, Problem> {
        let failed = |error: async_graphql::dynamic::SchemaError| Problem::new("", error.to_string());
        let rules = outside::build(schema).limit_recursive_depth(DEPTH_MAX).extension(NoExecution);
        let rules = if suggestions { rules } else { rules.disable_suggestions() };
        let introspection = outside::build(schema)
            .limit_recursive_depth(DEPTH_MAX)
            .validation_mode(async_graphql::ValidationMode::Fast);
        Ok(Self {
            rules: rules.finish().map_err(failed)?,
            introspection: introspection.finish().map_err(failed)?,
        })
    }

    /// The schema as text, without the gateway's directives.
    pub fn sdl(&self) -> String {
        self.rules.sdl()
    }

    /// Everything that is wrong with a document, in the order of its text.
    pub fn errors(&self, schema: &Schema, document: &ExecutableDocument, max: usize) -> Vec<GraphqlError> {
        let mut errors = values::check(schema, document);
        // The library does not survive a variable of an unknown type.
        if errors.iter().all(|error| !values::is_unknown_type(error)) {
            let has_values = !errors.is_empty();
            errors
                .extend(self.rules(document).into_iter().filter(|error| is_kept(&error.message, has_values)));
        }
        if errors.is_empty() {
            errors = overlap::check(schema, document);
        }
        errors.sort_by(|a, b| (&a.locations, &a.message).cmp(&(&b.locations, &b.message)));
        errors.dedup();
        errors.truncate(max);
        errors
    }

    fn rules(&self, document: &ExecutableDocument) -> Vec<GraphqlError> {
        let mut request = Request::new("");
        if let DocumentOperations::Multiple(operations) = &document.operations
            && let Some(name) = operations.keys().next()
        {
            request = request.operation_name(name.as_str());
        }
        request.set_parsed_query(document.clone());
        // Nothing in it waits.
        match self.rules.execute(request).now_or_never() {
            Some(response) => response.errors.into_iter().map(of_server_error).collect(),
            None => vec![GraphqlError::new(ErrorCode::Internal, "validation did not end")],
        }
    }

    /// Executes an operation that asks for nothing but `__schema` and `__type`.
    ///
    /// # Errors
    /// What is wrong with its variables.
    pub fn introspect(
        &self,
        document: &ExecutableDocument,
        variables: Option<&Map<String, serde_json::Value>>,
    ) -> Result<Value, GraphqlError> {
        let mut request = Request::new("");
        request.set_parsed_query(document.clone());
        if let Some(variables) = variables {
            request = request.variables(Variables::from_json(serde_json::Value::Object(variables.clone())));
        }
        let response = self.introspection.execute(request).now_or_never();
        match response {
            None => Err(GraphqlError::new(ErrorCode::Internal, "introspection did not end")),
            Some(Response { data, errors, .. }) => match errors.into_iter().next() {
                None => Ok(data),
                Some(error) => Err(GraphqlError { code: ErrorCode::BadUserInput, ..of_server_error(error) }),
            },
        }
    }
}

/// Whether an error of the library is of a rule that ours do not judge instead.
fn is_kept(message: &str, has_values: bool) -> bool {
    let is_position =
        message.starts_with("Variable \"") && message.contains(" used in position expecting type ");
    let is_overlap = message.starts_with("Fields \"") && message.contains(" conflict because ");
    let is_missing = message.contains(" argument \"") && message.ends_with(" is required but not provided");
    let is_value = message.starts_with("Invalid value for argument ")
        || message.starts_with("Invalid default value for argument: ");
    !(is_position || is_overlap || is_missing || is_value && has_values)
}

fn of_server_error(error: ServerError) -> GraphqlError {
    let mut message = error.message;
    if !message.ends_with(['.', '?']) {
        message.push('.');
    }
    let found = GraphqlError::new(ErrorCode::ValidationFailed, message);
    error.locations.into_iter().fold(found, |error, at| error.at(position(at)))
}

/// Ends a request once its document is validated.
struct NoExecution;

impl ExtensionFactory for NoExecution {
    fn create(&self) -> std::sync::Arc<dyn Extension> {
        std::sync::Arc::new(NoExecution)
    }
}

#[async_trait]
impl Extension for NoExecution {
    async fn execute(&self, _: &ExtensionContext<'_>, _: Option<&str>, _: NextExecute<'_>) -> Response {
        Response::new(Value::Null)
    }
}
