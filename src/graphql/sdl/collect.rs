//! Definitions and their extensions, put together.

use std::collections::HashMap;

use async_graphql::{
    Name, Positioned,
    parser::types::{
        ConstDirective, EnumValueDefinition, FieldDefinition, InputValueDefinition, SchemaDefinition,
        ServiceDocument, TypeDefinition, TypeKind, TypeSystemDefinition,
    },
};

use super::Report;
use crate::graphql::{coerce::position, directives, schema::Position};

/// The definitions of a schema file.
#[derive(Default)]
pub(super) struct Drafts<'a> {
    pub types: Vec<Draft<'a>>,
    pub schema_directives: Vec<&'a Positioned<ConstDirective>>,
    pub query: Option<&'a Positioned<Name>>,
    pub mutation: Option<&'a Positioned<Name>>,
}

/// A type with all its extensions.
pub(super) struct Draft<'a> {
    pub name: &'a str,
    pub at: Position,
    pub description: Option<&'a str>,
    pub directives: Vec<&'a Positioned<ConstDirective>>,
    pub body: Body<'a>,
}

/// What a type consists of.
pub(super) enum Body<'a> {
    Scalar,
    Object { implements: Vec<&'a Positioned<Name>>, fields: Vec<&'a Positioned<FieldDefinition>> },
    Interface { implements: Vec<&'a Positioned<Name>>, fields: Vec<&'a Positioned<FieldDefinition>> },
    Union(Vec<&'a Positioned<Name>>),
    Enum(Vec<&'a Positioned<EnumValueDefinition>>),
    Input(Vec<&'a Positioned<InputValueDefinition>>),
}

pub(super) fn collect<'a>(document: &'a ServiceDocument, report: &mut Report) -> Drafts<'a> {
    let mut drafts = Drafts::default();
    let mut by_name: HashMap<&str, usize> = HashMap::new();
    let mut extensions = Vec::new();
    let mut has_schema = false;
    for definition in &document.definitions {
        match definition {
            TypeSystemDefinition::Schema(schema) => {
                if !schema.node.extend && std::mem::replace(&mut has_schema, true) {
                    report.add(position(schema.pos), "a second `schema`");
                }
                roots(&schema.node, &mut drafts, report);
            }
            TypeSystemDefinition::Type(ty) if ty.node.extend => extensions.push(ty),
            TypeSystemDefinition::Type(ty) => {
                let (name, at) = (ty.node.name.node.as_str(), position(ty.node.name.pos));
                if let Some(first) = by_name.get(name) {
                    let first = drafts.types[*first].at;
                    let message = format!("`{name}` is defined twice");
                    report.hint(at, message, format!("it was defined at {first}; `extend` adds to it"));
                    continue;
                }
                by_name.insert(name, drafts.types.len());
                drafts.types.push(draft(&ty.node, at));
            }
            // Definitions of the gateway's own directives help editors. They mean what they mean.
            TypeSystemDefinition::Directive(directive) => {
                let name = directive.node.name.node.as_str();
                if !directives::is_known(name) {
                    let at = position(directive.pos);
                    let message = format!("`@{name}` would have no effect: directives cannot be defined");
                    report.unknown(at, message, name, directives::names());
                }
            }
        }
    }
    for extension in extensions {
        let (name, at) = (extension.node.name.node.as_str(), position(extension.node.name.pos));
        match by_name.get(name) {
            Some(index) => extend(&mut drafts.types[*index], &extension.node, at, report),
            None => {
                report.unknown(at, format!("there is no `{name}` to extend"), name, by_name.keys().copied())
            }
        }
    }
    drafts
}

fn roots<'a>(schema: &'a SchemaDefinition, drafts: &mut Drafts<'a>, report: &mut Report) {
    drafts.schema_directives.extend(&schema.directives);
    for (root, found) in [(&mut drafts.query, &schema.query), (&mut drafts.mutation, &schema.mutation)] {
        if let Some(found) = found
            && let Some(first) = root.replace(found)
        {
            report.add(position(found.pos), format!("the root is `{}` already", first.node));
        }
    }
    if let Some(subscription) = &schema.subscription {
        report.add(position(subscription.pos), "subscriptions are not served");
    }
}

fn draft(ty: &TypeDefinition, at: Position) -> Draft<'_> {
    let body = match &ty.kind {
        TypeKind::Scalar => Body::Scalar,
        TypeKind::Object(object) => Body::Object {
            implements: object.implements.iter().collect(),
            fields: object.fields.iter().collect(),
        },
        TypeKind::Interface(interface) => Body::Interface {
            implements: interface.implements.iter().collect(),
            fields: interface.fields.iter().collect(),
        },
        TypeKind::Union(union) => Body::Union(union.members.iter().collect()),
        TypeKind::Enum(values) => Body::Enum(values.values.iter().collect()),
        TypeKind::InputObject(input) => Body::Input(input.fields.iter().collect()),
    };
    Draft {
        name: ty.name.node.as_str(),
        at,
        description: ty.description.as_ref().map(|text| text.node.as_str()),
        directives: ty.directives.iter().collect(),
        body,
    }
}

fn extend<'a>(draft: &mut Draft<'a>, ty: &'a TypeDefinition, at: Position, report: &mut Report) {
    draft.directives.extend(&ty.directives);
    match (&mut draft.body, &ty.kind) {
        (Body::Scalar, TypeKind::Scalar) => {}
        (Body::Object { implements, fields }, TypeKind::Object(more)) => {
            implements.extend(&more.implements);
            fields.extend(&more.fields);
        }
        (Body::Interface { implements, fields }, TypeKind::Interface(more)) => {
            implements.extend(&more.implements);
            fields.extend(&more.fields);
        }
        (Body::Union(members), TypeKind::Union(more)) => members.extend(&more.members),
        (Body::Enum(values), TypeKind::Enum(more)) => values.extend(&more.values),
        (Body::Input(fields), TypeKind::InputObject(more)) => fields.extend(&more.fields),
        _ => report.add(at, format!("`{}` is of another kind than what extends it", draft.name)),
    }
}
