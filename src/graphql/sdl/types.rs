//! Types and their fields, all but defaults, rules and calls.

use std::collections::HashMap;

use async_graphql::{Name, Positioned};
use async_graphql_value::ConstValue;

use super::{
    Report,
    collect::{Body, Draft, Drafts},
};
use crate::graphql::{
    coerce::position,
    directives::{self, Applied, Location, one},
    schema::{
        AbstractDef, CustomScalar, Discriminator, FieldId, InputDef, ObjectDef, Position, ScalarKind, Schema,
        TypeDef, TypeId, TypeKind,
    },
};

/// The types, with what is left to be compiled once all are known.
pub(super) struct Built<'a> {
    pub schema: Schema,
    /// The directives of object types that rules are made of.
    pub type_rules: Vec<(TypeId, Vec<Applied<'a>>)>,
    /// The directives of fields that rules and calls are made of.
    pub fields: Vec<(TypeId, FieldId, Vec<Applied<'a>>)>,
    /// The fields with `@rest`, well formed or not.
    pub called: Vec<(TypeId, FieldId)>,
    pub defaults: Vec<Default<'a>>,
    /// Object types with `@wire`.
    pub wires: Vec<(TypeId, Position, &'a str)>,
}

/// A default that is still a literal.
pub(super) struct Default<'a> {
    pub owner: TypeId,
    /// The field whose argument it is; `None` for the field of an input type.
    pub field: Option<FieldId>,
    /// The argument, or the field of the input type.
    pub input: usize,
    pub literal: &'a Positioned<ConstValue>,
}

pub(super) const BUILT_IN: [(&str, ScalarKind); 5] = [
    ("Int", ScalarKind::Int),
    ("Float", ScalarKind::Float),
    ("String", ScalarKind::String),
    ("Boolean", ScalarKind::Boolean),
    ("ID", ScalarKind::Id),
];

pub(super) fn build<'a>(drafts: &Drafts<'a>, report: &mut Report) -> Built<'a> {
    let mut types: Vec<TypeDef> = Vec::with_capacity(BUILT_IN.len() + drafts.types.len());
    let mut by_name = HashMap::new();
    let names = BUILT_IN.iter().map(|(name, _)| *name).chain(drafts.types.iter().map(|draft| draft.name));
    for (index, name) in names.enumerate() {
        by_name.entry(Box::from(name)).or_insert(TypeId(u32::try_from(index).unwrap_or(u32::MAX)));
    }
    for (name, kind) in BUILT_IN {
        let at = Position { line: 1, column: 1 };
        let kind = TypeKind::Scalar(kind);
        types.push(TypeDef { name: name.into(), description: None, kind, specified_by: None, at });
    }
    let mut builder = Builder {
        by_name: &by_name,
        drafts,
        report,
        defaults: Vec::new(),
        fields: Vec::new(),
        called: Vec::new(),
    };
    let (mut type_rules, mut wires) = (Vec::new(), Vec::new());
    for draft in &drafts.types {
        let id = TypeId(u32::try_from(types.len()).unwrap_or(u32::MAX));
        if BUILT_IN.iter().any(|(name, _)| *name == draft.name) {
            builder.report.add(draft.at, format!("`{}` is built in", draft.name));
        }
        builder.name(draft.name, draft.at);
        let applied =
            directives::read(draft.directives.iter().copied(), draft.body.location(), builder.report);
        if let Some(wire) = one(&applied, "wire") {
            wires.push((id, wire.at, wire.text("value").unwrap_or_default()));
        }
        let kind = builder.kind(id, draft, &applied);
        let specified_by = one(&applied, "specifiedBy").and_then(|applied| applied.text("url"));
        types.push(TypeDef {
            name: draft.name.into(),
            description: draft.description.map(Box::from),
            kind,
            specified_by: specified_by.map(Box::from),
            at: draft.at,
        });
        type_rules.push((id, applied));
    }
    let (defaults, fields, called) = (builder.defaults, builder.fields, builder.called);
    let (query, mutation) = roots(drafts, &types, &by_name, report);
    let schema = Schema { types, query, mutation, sources: Vec::new(), by_name };
    let mut built = Built { schema, type_rules, fields, called, defaults, wires };
    possible_types(&mut built, report);
    built
}

impl Body<'_> {
    fn location(&self) -> Location {
        match self {
            Self::Scalar => Location::Scalar,
            Self::Object { .. } => Location::Object,
            Self::Interface { .. } => Location::Interface,
            Self::Union(_) => Location::Union,
            Self::Enum(_) => Location::Enum,
            Self::Input(_) => Location::Input,
        }
    }
}

fn roots(
    drafts: &Drafts<'_>,
    types: &[TypeDef],
    by_name: &HashMap<Box<str>, TypeId>,
    report: &mut Report,
) -> (TypeId, Option<TypeId>) {
    let mut root = |given: Option<&Positioned<Name>>, name: &str| {
        let (name, at) = given.map_or((name, Position { line: 1, column: 1 }), |given| {
            (given.node.as_str(), position(given.pos))
        });
        match by_name.get(name) {
            Some(id) if matches!(types[id.index()].kind, TypeKind::Object(_)) => Some(*id),
            Some(_) => {
                report.add(at, format!("`{name}` is no object type, so it cannot be a root"));
                None
            }
            None if given.is_some() => {
                report.unknown(
                    at,
                    format!("unknown type `{name}`"),
                    name,
                    by_name.keys().map(|name| &**name),
                );
                None
            }
            None => None,
        }
    };
    let before = root(drafts.query, "Query");
    // Without `schema { … }`, the root of mutations is known by its name.
    let mutation = match (drafts.mutation, drafts.query) {
        (None, Some(_)) => None,
        (given, _) => root(given, "Mutation"),
    };
    let query = before.unwrap_or_else(|| {
        if report.len() == 0 {
            report.hint(
                Position { line: 1, column: 1 },
                "there is no type of queries",
                "define `type Query { … }`",
            );
        }
        TypeId(0)
    });
    (query, mutation)
}

/// Which objects an interface may be, and what sources call them.
fn possible_types(built: &mut Built<'_>, report: &mut Report) {
    let objects: Vec<(TypeId, Vec<TypeId>)> = ids(&built.schema)
        .filter_map(|id| built.schema.object(id).map(|object| (id, object.interfaces.clone())))
        .collect();
    let names: Vec<Box<str>> = built.schema.types.iter().map(|def| def.name.clone()).collect();
    let mut named = Vec::new();
    for (index, def) in built.schema.types.iter_mut().enumerate() {
        let id = TypeId(u32::try_from(index).unwrap_or(u32::MAX));
        let (TypeKind::Interface(group) | TypeKind::Union(group)) = &mut def.kind else { continue };
        let fulfil = objects.iter().filter(|(_, interfaces)| interfaces.contains(&id));
        group.possible.extend(fulfil.map(|(object, _)| *object));
        for object in &group.possible {
            named.push(*object);
            let wire = built.wires.iter().find(|(id, ..)| id == object).map(|(_, _, wire)| Box::from(*wire));
            let wire = wire.unwrap_or_else(|| names[object.index()].clone());
            if group.discriminator.values.iter().any(|(known, _)| *known == wire) {
                report.add(def.at, format!("two types of `{}` are both `{wire}` in answers", def.name));
            }
            group.discriminator.values.push((wire, *object));
        }
    }
    for (id, at, _) in built.wires.iter().filter(|(id, ..)| !named.contains(id)) {
        let name = &names[id.index()];
        report.add(*at, format!("`@wire` has no effect: `{name}` is part of no interface or union"));
    }
}

/// The ids of all types.
pub(super) fn ids(schema: &Schema) -> impl Iterator<Item = TypeId> + use<> {
    (0..u32::try_from(schema.types.len()).unwrap_or(u32::MAX)).map(TypeId)
}

pub(super) struct Builder<'b, 'a> {
    pub(super) by_name: &'b HashMap<Box<str>, TypeId>,
    pub(super) drafts: &'b Drafts<'a>,
    pub(super) report: &'b mut Report,
    pub(super) defaults: Vec<Default<'a>>,
    pub(super) fields: Vec<(TypeId, FieldId, Vec<Applied<'a>>)>,
    pub(super) called: Vec<(TypeId, FieldId)>,
}

impl<'a> Builder<'_, 'a> {
    pub(super) fn name(&mut self, name: &str, at: Position) {
        if name.starts_with("__") {
            self.report.add(at, format!("`{name}`: names that start with `__` are GraphQL's own"));
        }
    }

    fn kind(&mut self, id: TypeId, draft: &Draft<'a>, applied: &[Applied<'a>]) -> TypeKind {
        let member = one(applied, "discriminate").and_then(|applied| applied.text("field"));
        let discriminator =
            Discriminator { member: member.unwrap_or("__typename").into(), values: Vec::new() };
        match &draft.body {
            Body::Scalar => TypeKind::Scalar(ScalarKind::Custom(match draft.name {
                "DateTime" => CustomScalar::DateTime,
                "Date" => CustomScalar::Date,
                _ => CustomScalar::Any,
            })),
            Body::Object { implements, fields } => TypeKind::Object(ObjectDef {
                fields: self.output_fields(id, draft, fields, Location::Field),
                interfaces: self.interfaces(implements),
                auth: None,
                cache: None,
            }),
            Body::Interface { implements, fields } => TypeKind::Interface(AbstractDef {
                fields: self.output_fields(id, draft, fields, Location::InterfaceField),
                interfaces: self.interfaces(implements),
                possible: Vec::new(),
                discriminator,
            }),
            Body::Union(members) => {
                let possible = self.members(draft, members);
                TypeKind::Union(AbstractDef {
                    fields: Vec::new(),
                    interfaces: Vec::new(),
                    possible,
                    discriminator,
                })
            }
            Body::Enum(values) => TypeKind::Enum(self.values(draft, values)),
            Body::Input(fields) => {
                let fields = self.inputs(id, None, fields.iter().copied(), Location::InputField);
                if fields.is_empty() {
                    self.report.add(draft.at, format!("`{}` has no fields", draft.name));
                }
                TypeKind::Input(InputDef { fields, one_of: one(applied, "oneOf").is_some() })
            }
        }
    }
}
