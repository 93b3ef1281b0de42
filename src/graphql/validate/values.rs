//! Values where a document has them, and variables where it uses them (October 2021, sections
//! 5.4.2.1, 5.6 and 5.8.5).

use std::collections::{HashMap, HashSet};

use async_graphql::{
    Positioned,
    parser::types::{Directive, ExecutableDocument, Selection, SelectionSet, VariableDefinition},
};

use crate::graphql::{
    coerce::{self, Arguments, Usage, position, type_ref},
    document::Operation,
    errors::{ErrorCode, GraphqlError},
    schema::{InputValue, Position, Schema, TypeId, TypeKind, TypeRef},
};

/// All that is wrong with values and variables.
pub(super) fn check(schema: &Schema, document: &ExecutableDocument) -> Vec<GraphqlError> {
    let mut walk = Walk { schema, errors: Vec::new(), scope: Scope::default(), condition: condition(schema) };
    let mut fragments = HashMap::with_capacity(document.fragments.len());
    for (name, fragment) in &document.fragments {
        let on = schema.find(&fragment.node.type_condition.node.on.node);
        walk.directives(&fragment.node.directives);
        walk.set(on, &fragment.node.selection_set.node);
        fragments.insert(name.as_str(), std::mem::take(&mut walk.scope));
    }
    for (name, definition) in document.operations.iter() {
        let operation = Operation { name, definition };
        let root = crate::graphql::document::root(schema, &operation);
        walk.directives(&definition.node.directives);
        walk.set(root, &definition.node.selection_set.node);
        let scope = std::mem::take(&mut walk.scope);
        walk.variables(&definition.node.variable_definitions, scope, &fragments);
    }
    walk.errors
}

const UNKNOWN_TYPE: &str = "Unknown type \"";

/// Whether an error says that a variable has an unknown type.
pub(super) fn is_unknown_type(error: &GraphqlError) -> bool {
    error.message.starts_with(UNKNOWN_TYPE)
}

/// What an operation or a fragment uses.
#[derive(Default)]
struct Scope<'d> {
    usages: Vec<Usage>,
    spreads: Vec<&'d str>,
}

struct Walk<'a, 'd> {
    schema: &'a Schema,
    errors: Vec<GraphqlError>,
    scope: Scope<'d>,
    /// The argument of `@skip` and `@include`.
    condition: [InputValue; 1],
}

/// `if: Boolean!`.
fn condition(schema: &Schema) -> [InputValue; 1] {
    [named("if", "Boolean", schema)]
}

fn named(name: &str, ty: &str, schema: &Schema) -> InputValue {
    InputValue {
        name: name.into(),
        description: None,
        // The built-in scalars are always there.
        ty: TypeRef::Named(schema.find(ty).unwrap_or(schema.query), true),
        default: None,
        deprecated: None,
        at: Position::default(),
    }
}

impl<'d> Walk<'_, 'd> {
    /// `parent` is unknown below introspection and below what other rules refuse.
    fn set(&mut self, parent: Option<TypeId>, set: &'d SelectionSet) {
        for item in &set.items {
            self.directives(item.node.directives());
            match &item.node {
                Selection::Field(field) => {
                    let below = self.field(parent, field);
                    self.set(below, &field.node.selection_set.node);
                }
                Selection::InlineFragment(fragment) => {
                    let on = match &fragment.node.type_condition {
                        Some(on) => self.schema.find(&on.node.on.node),
                        None => parent,
                    };
                    self.set(on, &fragment.node.selection_set.node);
                }
                Selection::FragmentSpread(spread) => self.scope.spreads.push(&spread.node.fragment_name.node),
            }
        }
    }

    /// Checks the arguments of a field; its type, if it is known.
    fn field(
        &mut self,
        parent: Option<TypeId>,
        field: &'d Positioned<async_graphql::parser::types::Field>,
    ) -> Option<TypeId> {
        let name = field.node.name.node.as_str();
        if name == "__type" && parent == Some(self.schema.query) {
            let definitions = [named("name", "String", self.schema)];
            self.arguments(&definitions, &field.node.arguments, position(field.pos));
            return None;
        }
        let parent = parent?;
        let def = self.schema.field(parent, self.schema.find_field(parent, name)?);
        self.arguments(&def.args, &field.node.arguments, position(field.pos));
        Some(def.ty.named())
    }

    fn directives(&mut self, directives: &'d [Positioned<Directive>]) {
        for directive in directives {
            if matches!(directive.node.name.node.as_str(), "skip" | "include") {
                let definitions = self.condition.clone();
                self.arguments(&definitions, &directive.node.arguments, position(directive.pos));
            }
        }
    }

    fn arguments(
        &mut self,
        definitions: &[InputValue],
        given: &[(Positioned<async_graphql::Name>, Positioned<async_graphql_value::Value>)],
        at: Position,
    ) {
        match Arguments::compile(self.schema, definitions, given, at) {
            Ok((_, usages)) => self.scope.usages.extend(usages),
            Err(errors) => self.errors.extend(errors),
        }
    }

    fn variables(
        &mut self,
        definitions: &[Positioned<VariableDefinition>],
        scope: Scope<'d>,
        fragments: &HashMap<&'d str, Scope<'d>>,
    ) {
        let mut types: HashMap<&str, (TypeRef, bool, Position)> = HashMap::with_capacity(definitions.len());
        for definition in definitions {
            let (def, at) = (&definition.node, position(definition.pos));
            let Some(ty) = type_ref(self.schema, &def.var_type.node) else {
                let name = innermost(&def.var_type.node);
                let message = format!("{UNKNOWN_TYPE}{name}\".");
                let at = position(def.var_type.pos);
                self.errors.push(GraphqlError::new(ErrorCode::ValidationFailed, message).at(at));
                continue;
            };
            let kind = &self.schema.get(ty.named()).kind;
            let is_input = matches!(kind, TypeKind::Scalar(_) | TypeKind::Enum(_) | TypeKind::Input(_));
            if let Some(default) = def.default_value.as_ref().filter(|_| is_input)
                && let Err(messages) = coerce::constant(self.schema, &ty, &default.node.clone().into_value())
            {
                let at = position(default.pos);
                let errors = messages
                    .into_iter()
                    .map(|text| GraphqlError::new(ErrorCode::ValidationFailed, text).at(at));
                self.errors.extend(errors);
            }
            let has_default = def
                .default_value
                .as_ref()
                .is_some_and(|default| !matches!(default.node, async_graphql_value::ConstValue::Null));
            types.insert(def.name.node.as_str(), (ty, has_default, at));
        }
        let mut seen = HashSet::new();
        let mut open: Vec<&Scope<'d>> = vec![&scope];
        while let Some(scope) = open.pop() {
            for usage in &scope.usages {
                if let (Some((ty, has_default, at)), Some(expected)) = (types.get(&*usage.name), &usage.ty)
                    && !is_allowed(ty, *has_default, expected, usage.has_default)
                {
                    let (is, should) = (self.schema.display(ty), self.schema.display(expected));
                    let name = &usage.name;
                    let message = format!(
                        "Variable \"${name}\" of type \"{is}\" used in position expecting type \"{should}\"."
                    );
                    let error = GraphqlError::new(ErrorCode::ValidationFailed, message);
                    self.errors.push(error.at(*at).at(usage.at));
                }
            }
            for spread in &scope.spreads {
                if seen.insert(*spread) {
                    open.extend(fragments.get(spread));
                }
            }
        }
    }
}

fn innermost(ty: &async_graphql::parser::types::Type) -> &str {
    match &ty.base {
        async_graphql::parser::types::BaseType::Named(name) => name.as_str(),
        async_graphql::parser::types::BaseType::List(item) => innermost(item),
    }
}

/// `IsVariableUsageAllowed` of section 5.8.5.
fn is_allowed(ty: &TypeRef, has_default: bool, expected: &TypeRef, place_has_default: bool) -> bool {
    if expected.is_non_null() && !ty.is_non_null() {
        return (has_default || place_has_default) && is_compatible(ty, &nullable(expected));
    }
    is_compatible(ty, expected)
}

fn nullable(ty: &TypeRef) -> TypeRef {
    match ty {
        TypeRef::Named(id, _) => TypeRef::Named(*id, false),
        TypeRef::List(item, _) => TypeRef::List(item.clone(), false),
    }
}

/// `AreTypesCompatible` of section 5.8.5.
fn is_compatible(ty: &TypeRef, expected: &TypeRef) -> bool {
    match (ty, expected) {
        _ if expected.is_non_null() && !ty.is_non_null() => false,
        (TypeRef::List(item, _), TypeRef::List(expected, _)) => is_compatible(item, expected),
        (TypeRef::Named(id, _), TypeRef::Named(expected, _)) => id == expected,
        _ => false,
    }
}
