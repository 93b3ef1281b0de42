//! A document: parsing it, and finding the operation that is meant.

use async_graphql::{
    Name, Positioned,
    parser::{
        Error as ParseError, parse_query,
        types::{DocumentOperations, ExecutableDocument, OperationDefinition, OperationType},
    },
};

use super::{
    coerce::position,
    errors::{ErrorCode, GraphqlError},
    schema::{Schema, TypeId},
};

/// Parses a document that was scanned before.
pub(super) fn parse(text: &str) -> Result<ExecutableDocument, GraphqlError> {
    parse_query(text).map_err(|error| {
        let code = match &error {
            ParseError::Syntax { .. } => ErrorCode::ParseFailed,
            ParseError::MissingOperation => ErrorCode::OperationNotFound,
            ParseError::RecursionLimitExceeded => ErrorCode::QueryTooComplex,
            _ => ErrorCode::ValidationFailed,
        };
        let refusal = GraphqlError::new(code, message(&error));
        error.positions().fold(refusal, |error, at| error.at(position(at)))
    })
}

fn message(error: &ParseError) -> String {
    match error {
        ParseError::Syntax { message, .. } => {
            let what = message.rsplit("= ").next().unwrap_or(message).trim();
            format!("Syntax Error: {}.", what.replace('_', " "))
        }
        ParseError::MultipleOperations { .. } => {
            "This anonymous operation must be the only defined operation.".to_owned()
        }
        ParseError::OperationDuplicated { operation, .. } => {
            format!("There can be only one operation named \"{operation}\".")
        }
        ParseError::FragmentDuplicated { fragment, .. } => {
            format!("There can be only one fragment named \"{fragment}\".")
        }
        ParseError::MissingOperation => "The document has no operation.".to_owned(),
        ParseError::RecursionLimitExceeded => "The document is nested too deep.".to_owned(),
        other => other.to_string(),
    }
}

/// An operation of a document.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operation<'d> {
    pub name: Option<&'d Name>,
    pub definition: &'d Positioned<OperationDefinition>,
}

/// The operation that a request means (October 2021, section 6.1, `GetOperation`).
pub(super) fn select<'d>(
    document: &'d ExecutableDocument,
    name: Option<&str>,
) -> Result<Operation<'d>, GraphqlError> {
    let not_found = |message: String| Err(GraphqlError::new(ErrorCode::OperationNotFound, message));
    match (&document.operations, name) {
        (DocumentOperations::Single(definition), None) => Ok(Operation { name: None, definition }),
        (DocumentOperations::Multiple(operations), None) if operations.len() == 1 => {
            let mut operations = operations.iter();
            match operations.next() {
                Some((name, definition)) => Ok(Operation { name: Some(name), definition }),
                None => not_found("The document has no operation.".to_owned()),
            }
        }
        (DocumentOperations::Multiple(_), None) => {
            not_found("Must provide operation name if query contains multiple operations.".to_owned())
        }
        (DocumentOperations::Multiple(operations), Some(wanted)) => match operations.get_key_value(wanted) {
            Some((name, definition)) => Ok(Operation { name: Some(name), definition }),
            None => not_found(unknown(wanted)),
        },
        (DocumentOperations::Single(_), Some(wanted)) => not_found(unknown(wanted)),
    }
}

fn unknown(name: &str) -> String {
    let shown: String = name.chars().take(60).collect();
    format!("Unknown operation named \"{shown}\".")
}

/// Whether the schema has a root for what an operation does.
pub(super) fn is_served(schema: &Schema, operation: &Operation<'_>) -> Result<(), GraphqlError> {
    let what = match operation.definition.node.ty {
        OperationType::Query => return Ok(()),
        OperationType::Mutation if schema.mutation.is_some() => return Ok(()),
        OperationType::Mutation => "mutation",
        OperationType::Subscription => "subscription",
    };
    let message = format!("Schema is not configured to execute {what} operation.");
    Err(GraphqlError::new(ErrorCode::ValidationFailed, message).at(position(operation.definition.pos)))
}

/// The type that an operation selects from.
pub(super) fn root(schema: &Schema, operation: &Operation<'_>) -> Option<TypeId> {
    match operation.definition.node.ty {
        OperationType::Query => Some(schema.query),
        OperationType::Mutation => schema.mutation,
        OperationType::Subscription => None,
    }
}
