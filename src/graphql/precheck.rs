//! How large a document becomes once its fragments are put where they are spread, found without
//! putting them there.
//!
//! Each fragment is measured once and remembered. A kilobyte of fragments that spread each other
//! twice stands for millions of selections; validation by the library would walk them all, its
//! own limits notwithstanding. So nothing walks a document before it passed here.

use std::collections::HashMap;

use async_graphql::{
    Name, Positioned,
    parser::types::{ExecutableDocument, FragmentDefinition, Selection, SelectionSet},
};

use super::{
    coerce::position,
    errors::{ErrorCode, GraphqlError},
    scan::{self, Bounds, Fault},
};
use crate::config::graphql::GraphqlLimitsConfig;

/// Levels of a document besides those of fields: input objects, lists, fragments.
const NESTING_EXTRA: usize = 24;

/// All operations and fragments of a document may be this many times as large as one.
const TOTAL_FACTOR: usize = 5;

/// Checks the text of a document before it is parsed.
///
/// # Errors
/// A document that is too large, malformed in a way that shows at once, or has a name twice in
/// an input object, which parsing would hide.
pub(super) fn text(text: &str, limits: &GraphqlLimitsConfig) -> Result<(), Vec<GraphqlError>> {
    let max = usize::try_from(limits.query.get()).unwrap_or(usize::MAX);
    if text.len() > max {
        return Err(vec![too_large("query", max, &format!("The document is larger than {max} bytes."))]);
    }
    match scan::scan(text, &Bounds { tokens: limits.tokens, nesting: nesting_max(limits) }) {
        Ok(scanned) if scanned.repeated.is_empty() => Ok(()),
        Ok(scanned) => Err(scanned
            .repeated
            .into_iter()
            .take(limits.errors)
            .map(|twice| {
                let message = format!("There can be only one input field named \"{}\".", twice.name);
                GraphqlError::new(ErrorCode::ValidationFailed, message).at(twice.at)
            })
            .collect()),
        Err(fault) => Err(vec![of_fault(fault, limits)]),
    }
}

/// Brackets within each other, and selection sets with those of fragments in them.
fn nesting_max(limits: &GraphqlLimitsConfig) -> usize {
    limits.depth.max(limits.introspection_depth).saturating_add(NESTING_EXTRA)
}

fn of_fault(fault: Fault, limits: &GraphqlLimitsConfig) -> GraphqlError {
    let Fault { at, message, bound } = fault;
    match bound {
        Some("tokens") => too_large("tokens", limits.tokens, &format!("The document has {message}.")).at(at),
        Some(_) => too_large("depth", limits.depth, &format!("The document is {message}.")).at(at),
        None => {
            let message = message.replacen("syntax error", "Syntax Error", 1);
            GraphqlError::new(ErrorCode::ParseFailed, format!("{message}.")).at(at)
        }
    }
}

fn too_large(limit: &str, max: usize, message: &str) -> GraphqlError {
    GraphqlError::new(ErrorCode::QueryTooComplex, message).with("limit", limit).with("max", max)
}

/// The size of a selection set with its fragments in it.
#[derive(Clone, Copy, Debug, Default)]
struct Size {
    selections: usize,
    /// Levels of fields.
    depth: usize,
    /// Levels of fields below `__schema` and `__type`, those included.
    introspection_depth: usize,
    aliases: usize,
    directives: usize,
    /// Fields that are not within another.
    root_fields: usize,
    /// Levels of selection sets, those of fragments too. Whoever walks the document needs as
    /// much stack.
    nesting: usize,
}

impl Size {
    fn add(&mut self, other: Size) {
        self.selections = self.selections.saturating_add(other.selections);
        self.depth = self.depth.max(other.depth);
        self.introspection_depth = self.introspection_depth.max(other.introspection_depth);
        self.aliases = self.aliases.saturating_add(other.aliases);
        self.directives = self.directives.saturating_add(other.directives);
        self.root_fields = self.root_fields.saturating_add(other.root_fields);
        self.nesting = self.nesting.max(other.nesting);
    }
}

/// Checks the size of a document.
///
/// # Errors
/// The first limit that an operation or a fragment exceeds, or a cycle of fragments.
pub(super) fn document(
    document: &ExecutableDocument,
    limits: &GraphqlLimitsConfig,
) -> Result<(), GraphqlError> {
    let mut measure =
        Measure { document, known: HashMap::with_capacity(document.fragments.len()), path: Vec::new() };
    let mut total = 0_usize;
    for (name, fragment) in &document.fragments {
        let size = measure.fragment(name, fragment)?;
        check(size, limits, fragment)?;
        total = total.saturating_add(size.selections);
    }
    for (_, operation) in document.operations.iter() {
        let mut size = measure.set(&operation.node.selection_set.node)?;
        size.directives = size.directives.saturating_add(operation.node.directives.len());
        check(size, limits, operation)?;
        if size.root_fields > limits.root_fields {
            let message = format!("The operation has more than {} root fields.", limits.root_fields);
            return Err(too_large("root_fields", limits.root_fields, &message).at(position(operation.pos)));
        }
        total = total.saturating_add(size.selections);
    }
    let max = limits.selections.saturating_mul(TOTAL_FACTOR);
    if total > max {
        let message = format!("All operations and fragments together make more than {max} selections.");
        return Err(too_large("selections", max, &message));
    }
    Ok(())
}

fn check<T>(size: Size, limits: &GraphqlLimitsConfig, place: &Positioned<T>) -> Result<(), GraphqlError> {
    let bounds = [
        ("selections", size.selections, limits.selections, "selects more than {} fields and fragments"),
        ("depth", size.depth, limits.depth, "is more than {} levels deep"),
        (
            "introspection_depth",
            size.introspection_depth,
            limits.introspection_depth,
            "looks more than {} levels deep into the schema",
        ),
        ("depth", size.nesting, nesting_max(limits), "nests fields and fragments more than {} levels deep"),
        ("aliases", size.aliases, limits.aliases, "has more than {} aliases"),
        ("directives", size.directives, limits.directives, "has more than {} directives"),
    ];
    match bounds.into_iter().find(|(_, is, max, _)| is > max) {
        None => Ok(()),
        Some((limit, _, max, message)) => {
            let message = format!("The document {}.", message.replace("{}", &max.to_string()));
            Err(too_large(limit, max, &message).at(position(place.pos)))
        }
    }
}

struct Measure<'d> {
    document: &'d ExecutableDocument,
    known: HashMap<&'d str, Size>,
    /// The fragments that are being measured.
    path: Vec<&'d str>,
}

impl<'d> Measure<'d> {
    fn fragment(
        &mut self,
        name: &'d Name,
        fragment: &'d Positioned<FragmentDefinition>,
    ) -> Result<Size, GraphqlError> {
        if let Some(size) = self.known.get(name.as_str()) {
            return Ok(*size);
        }
        if self.path.contains(&name.as_str()) {
            let message = format!("Cannot spread fragment \"{name}\" within itself.");
            return Err(GraphqlError::new(ErrorCode::ValidationFailed, message).at(position(fragment.pos)));
        }
        self.path.push(name);
        let mut size = self.set(&fragment.node.selection_set.node)?;
        size.directives = size.directives.saturating_add(fragment.node.directives.len());
        self.path.pop();
        self.known.insert(name, size);
        Ok(size)
    }

    fn set(&mut self, set: &'d SelectionSet) -> Result<Size, GraphqlError> {
        let mut size = Size::default();
        for item in &set.items {
            let mut inner = match &item.node {
                Selection::Field(field) => {
                    let below = self.set(&field.node.selection_set.node)?;
                    let mut inner = below;
                    if matches!(field.node.name.node.as_str(), "__schema" | "__type") {
                        // What is below is counted by the limit of its own.
                        inner.introspection_depth = below.depth.saturating_add(1);
                        inner.depth = 1;
                    } else {
                        inner.depth = below.depth.saturating_add(1);
                    }
                    inner.aliases = below.aliases.saturating_add(usize::from(field.node.alias.is_some()));
                    inner.root_fields = 1;
                    inner
                }
                Selection::InlineFragment(fragment) => self.set(&fragment.node.selection_set.node)?,
                Selection::FragmentSpread(spread) => {
                    match self.document.fragments.get_key_value(&spread.node.fragment_name.node) {
                        Some((name, fragment)) => self.fragment(name, fragment)?,
                        // Validation says so.
                        None => Size::default(),
                    }
                }
            };
            inner.nesting = inner.nesting.saturating_add(1);
            inner.selections = inner.selections.saturating_add(1);
            inner.directives = inner.directives.saturating_add(item.node.directives().len());
            size.add(inner);
        }
        Ok(size)
    }
}
