//! What types consist of: fields, arguments, values, members.

use async_graphql::{
    Name, Positioned,
    parser::types::{BaseType, EnumValueDefinition, FieldDefinition, InputValueDefinition, Type},
};

use super::{
    collect::{Body, Draft},
    types::{BUILT_IN, Builder, Default},
};
use crate::graphql::{
    coerce::position,
    directives::{self, Applied, Location, one},
    schema::{EnumDef, EnumValue, FieldDef, FieldId, InputValue, Position, Resolve, TypeId, TypeRef},
};

impl<'a> Builder<'_, 'a> {
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

    pub(super) fn interfaces(&mut self, implements: &[&Positioned<Name>]) -> Vec<TypeId> {
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

    pub(super) fn members(&mut self, draft: &Draft<'_>, members: &[&Positioned<Name>]) -> Vec<TypeId> {
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

    pub(super) fn values(
        &mut self,
        draft: &Draft<'_>,
        values: &[&'a Positioned<EnumValueDefinition>],
    ) -> EnumDef {
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

    pub(super) fn output_fields(
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
            if field.directives.iter().any(|directive| directive.node.name.node == "rest") {
                self.called.push((owner, id));
            }
            self.fields.push((owner, id, applied));
        }
        defs
    }

    pub(super) fn inputs(
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
                self.defaults.push(Default { owner, field, input: defs.len(), literal });
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
