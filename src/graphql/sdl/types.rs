//! Types and their fields, all but defaults, rules and calls.

use std::collections::HashMap;

use async_graphql::{
    Name, Positioned,
    parser::types::{BaseType, EnumValueDefinition, FieldDefinition, InputValueDefinition, Type},
};
use async_graphql_value::ConstValue;

use super::{
    Report,
    collect::{Body, Draft, Drafts},
};
use crate::graphql::{
    coerce::position,
    directives::{self, Applied, Location, one},
    schema::{
        AbstractDef, CustomScalar, Discriminator, EnumDef, EnumValue, FieldDef, FieldId, InputDef,
        InputValue, ObjectDef, Position, Resolve, ScalarKind, Schema, TypeDef, TypeId, TypeKind, TypeRef,
    },
};

/// The types, with what is left to be compiled once all are known.
pub(super) struct Built<'a> {
    pub schema: Schema,
    /// The directives of object types that rules are made of.
    pub type_rules: Vec<(TypeId, Vec<Applied<'a>>)>,
    /// The directives of fields that rules and calls are made of.
    pub fields: Vec<(TypeId, FieldId, Vec<Applied<'a>>)>,
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

const BUILT_IN: [(&str, ScalarKind); 5] = [
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
    let mut builder = Builder { by_name: &by_name, drafts, report, out: Vec::new(), fields: Vec::new() };
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
    let (defaults, fields) = (builder.out, builder.fields);
    let (query, mutation) = roots(drafts, &types, &by_name, report);
    let schema = Schema { types, query, mutation, sources: Vec::new(), by_name };
    let mut built = Built { schema, type_rules, fields, defaults, wires };
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

struct Builder<'b, 'a> {
    by_name: &'b HashMap<Box<str>, TypeId>,
    drafts: &'b Drafts<'a>,
    report: &'b mut Report,
    out: Vec<Default<'a>>,
    fields: Vec<(TypeId, FieldId, Vec<Applied<'a>>)>,
}

impl<'a> Builder<'_, 'a> {
    fn name(&mut self, name: &str, at: Position) {
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

    /// The type with a name, if it is what `fits` says.
    fn find(
        &mut self,
        name: &str,
        at: Position,
        expected: &str,
        fits: fn(&Body<'_>) -> bool,
    ) -> Option<TypeId> {
        let Some(id) = self.by_name.get(name) else {
            let known = self.by_name.keys().map(|name| &**name);
            self.report.unknown(at, format!("unknown type `{name}`"), name, known);
            return None;
        };
        let draft = id.index().checked_sub(BUILT_IN.len()).and_then(|index| self.drafts.types.get(index));
        if !draft.map_or_else(|| fits(&Body::Scalar), |draft| fits(&draft.body)) {
            self.report.add(at, format!("`{name}` is no {expected}"));
            return None;
        }
        Some(*id)
    }

    fn type_ref(&mut self, ty: &Type, at: Position, is_input: bool) -> Option<TypeRef> {
        match &ty.base {
            BaseType::List(item) => {
                Some(TypeRef::List(Box::new(self.type_ref(item, at, is_input)?), !ty.nullable))
            }
            BaseType::Named(name) => {
                let id = if is_input {
                    let fits =
                        |body: &Body<'_>| matches!(body, Body::Scalar | Body::Enum(_) | Body::Input(_));
                    self.find(name, at, "input type: arguments take scalars, enums and `input` types", fits)
                } else {
                    let fits = |body: &Body<'_>| !matches!(body, Body::Input(_));
                    self.find(name, at, "type that a field can have: `input` types are for arguments", fits)
                };
                Some(TypeRef::Named(id?, !ty.nullable))
            }
        }
    }

    fn interfaces(&mut self, implements: &[&Positioned<Name>]) -> Vec<TypeId> {
        let mut interfaces = Vec::new();
        for name in implements {
            let fits = |body: &Body<'_>| matches!(body, Body::Interface { .. });
            let at = position(name.pos);
            if let Some(id) = self.find(&name.node, at, "interface", fits) {
                if interfaces.contains(&id) {
                    self.report.add(at, format!("`{}` is named twice", name.node));
                } else {
                    interfaces.push(id);
                }
            }
        }
        interfaces
    }

    fn members(&mut self, draft: &Draft<'_>, members: &[&Positioned<Name>]) -> Vec<TypeId> {
        let mut possible = Vec::new();
        for name in members {
            let fits = |body: &Body<'_>| matches!(body, Body::Object { .. });
            let at = position(name.pos);
            if let Some(id) = self.find(&name.node, at, "object type, so no part of a union", fits) {
                if possible.contains(&id) {
                    self.report.add(at, format!("`{}` is named twice", name.node));
                } else {
                    possible.push(id);
                }
            }
        }
        if members.is_empty() {
            self.report.add(draft.at, format!("`{}` has no types", draft.name));
        }
        possible
    }

    fn values(&mut self, draft: &Draft<'_>, values: &[&'a Positioned<EnumValueDefinition>]) -> EnumDef {
        let mut def = EnumDef { values: Vec::with_capacity(values.len()) };
        for value in values {
            let (name, at) = (value.node.value.node.as_str(), position(value.node.value.pos));
            self.name(name, at);
            let applied = directives::read(&value.node.directives, Location::EnumValue, self.report);
            let wire = one(&applied, "wire").and_then(|applied| applied.text("value")).unwrap_or(name);
            if def.by_name(name).is_some() {
                self.report.add(at, format!("`{name}` is defined twice"));
            } else if def.by_wire(wire).is_some() {
                self.report.add(at, format!("`{wire}` is what sources write for another value already"));
            }
            def.values.push(EnumValue {
                name: name.into(),
                wire: wire.into(),
                description: value.node.description.as_ref().map(|text| text.node.as_str().into()),
                deprecated: deprecated(&applied),
            });
        }
        if values.is_empty() {
            self.report.add(draft.at, format!("`{}` has no values", draft.name));
        }
        def
    }

    fn output_fields(
        &mut self,
        owner: TypeId,
        draft: &Draft<'_>,
        fields: &[&'a Positioned<FieldDefinition>],
        location: Location,
    ) -> Vec<FieldDef> {
        let mut defs: Vec<FieldDef> = Vec::with_capacity(fields.len());
        if fields.is_empty() {
            self.report.add(draft.at, format!("`{}` has no fields", draft.name));
        }
        for field in fields.iter().map(|field| &field.node) {
            let (name, at) = (field.name.node.as_str(), position(field.name.pos));
            self.name(name, at);
            if defs.iter().any(|def| *def.name == *name) {
                self.report.add(at, format!("`{}.{name}` is defined twice", draft.name));
                continue;
            }
            let id = FieldId(u32::try_from(defs.len()).unwrap_or(u32::MAX));
            let applied = directives::read(&field.directives, location, self.report);
            let args = self.inputs(owner, Some(id), &field.arguments, Location::Argument);
            // A stand-in, for what else there is to find.
            let ty = self.type_ref(&field.ty.node, position(field.ty.pos), false);
            let path = one(&applied, "from").and_then(|applied| applied.text("path"));
            let resolve = Resolve::Member(path.unwrap_or(name).split('.').map(Box::from).collect());
            if let Some(from) = one(&applied, "from")
                && path.is_some_and(|path| path.split('.').any(str::is_empty))
            {
                self.report.add(from.at, "the path has an empty name");
            }
            defs.push(FieldDef {
                name: name.into(),
                description: field.description.as_ref().map(|text| text.node.as_str().into()),
                ty: ty.unwrap_or(TypeRef::Named(TypeId(2), false)),
                args,
                resolve,
                auth: None,
                cache: None,
                cost: one(&applied, "cost")
                    .and_then(|cost| cost.int("weight"))
                    .and_then(|cost| cost.try_into().ok()),
                list_size: None,
                deprecated: deprecated(&applied),
                at,
            });
            self.fields.push((owner, id, applied));
        }
        defs
    }

    fn inputs(
        &mut self,
        owner: TypeId,
        field: Option<FieldId>,
        inputs: impl IntoIterator<Item = &'a Positioned<InputValueDefinition>>,
        location: Location,
    ) -> Vec<InputValue> {
        let mut defs: Vec<InputValue> = Vec::new();
        for input in inputs.into_iter().map(|input| &input.node) {
            let (name, at) = (input.name.node.as_str(), position(input.name.pos));
            self.name(name, at);
            if defs.iter().any(|def| *def.name == *name) {
                self.report.add(at, format!("`{name}` is defined twice"));
                continue;
            }
            let applied = directives::read(&input.directives, location, self.report);
            let Some(ty) = self.type_ref(&input.ty.node, position(input.ty.pos), true) else { continue };
            if let Some(literal) = &input.default_value {
                self.out.push(Default { owner, field, input: defs.len(), literal });
            }
            let deprecated = deprecated(&applied);
            if deprecated.is_some() && ty.is_non_null() && input.default_value.is_none() {
                self.report.add(at, format!("`{name}` is required, so it cannot be deprecated"));
            }
            defs.push(InputValue {
                name: name.into(),
                description: input.description.as_ref().map(|text| text.node.as_str().into()),
                ty,
                default: None,
                deprecated,
                at,
            });
        }
        defs
    }
}

fn deprecated(applied: &[Applied<'_>]) -> Option<Box<str>> {
    let deprecated = one(applied, "deprecated")?;
    Some(deprecated.text("reason").unwrap_or("No longer supported").into())
}
