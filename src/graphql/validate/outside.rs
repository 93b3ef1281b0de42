//! The model in the library's types, without the gateway's directives.

use async_graphql::{
    Name, Value as Constant,
    dynamic::{
        Enum, EnumItem, Field, FieldFuture, InputObject, InputValue as OutsideInput, Interface,
        InterfaceField, Object, Scalar, Schema as Outside, SchemaBuilder, TypeRef as OutsideRef, Union,
    },
};
use serde_json::Value;

use crate::graphql::schema::{
    EnumDef, FieldDef, InputValue, ScalarKind, Schema, TypeDef, TypeId, TypeKind, TypeRef,
};

/// Sets what is only said if there is something to say.
macro_rules! with {
    ($target:expr, $method:ident, $value:expr) => {
        match $value {
            Some(value) => $target.$method(value),
            None => $target,
        }
    };
}

pub(super) fn build(schema: &Schema) -> SchemaBuilder {
    let mutation = schema.mutation.map(|id| &*schema.get(id).name);
    let builder = Outside::build(&schema.get(schema.query).name, mutation, None);
    schema.types.iter().fold(builder, |builder, def| register(schema, def, builder))
}

fn register(schema: &Schema, def: &TypeDef, builder: SchemaBuilder) -> SchemaBuilder {
    let name = || def.name.to_string();
    let names = |ids: &[TypeId]| ids.iter().map(|id| schema.get(*id).name.to_string()).collect::<Vec<_>>();
    match &def.kind {
        TypeKind::Scalar(ScalarKind::Custom(_)) => {
            let scalar = with!(Scalar::new(name()), description, def.description.as_deref());
            builder.register(with!(scalar, specified_by_url, def.specified_by.as_deref()))
        }
        // The library brings them.
        TypeKind::Scalar(_) => builder,
        TypeKind::Enum(values) => {
            builder.register(items(with!(Enum::new(name()), description, def.description.as_deref()), values))
        }
        TypeKind::Input(input) => {
            let object = with!(InputObject::new(name()), description, def.description.as_deref());
            let object = if input.one_of { object.oneof() } else { object };
            builder.register(
                input.fields.iter().fold(object, |object, field| object.field(argument(schema, field))),
            )
        }
        TypeKind::Object(object) => {
            let outside = with!(Object::new(name()), description, def.description.as_deref());
            let outside =
                object.fields.iter().fold(outside, |outside, def| outside.field(field(schema, def)));
            builder.register(names(&object.interfaces).into_iter().fold(outside, Object::implement))
        }
        TypeKind::Interface(interface) => {
            let outside = with!(Interface::new(name()), description, def.description.as_deref());
            let outside = interface
                .fields
                .iter()
                .fold(outside, |outside, def| outside.field(interface_field(schema, def)));
            builder.register(names(&interface.interfaces).into_iter().fold(outside, Interface::implement))
        }
        TypeKind::Union(union) => {
            let outside = with!(Union::new(name()), description, def.description.as_deref());
            builder.register(names(&union.possible).into_iter().fold(outside, Union::possible_type))
        }
    }
}

fn items(outside: Enum, def: &EnumDef) -> Enum {
    def.values.iter().fold(outside, |outside, value| {
        let item = with!(EnumItem::new(&*value.name), description, value.description.as_deref());
        outside.item(with!(item, deprecation, value.deprecated.as_deref().map(Some)))
    })
}

fn field(schema: &Schema, def: &FieldDef) -> Field {
    // Nothing is ever executed but introspection.
    let outside = Field::new(&*def.name, type_ref(schema, &def.ty), |_| FieldFuture::from_value(None));
    let outside = with!(outside, description, def.description.as_deref());
    let outside = with!(outside, deprecation, def.deprecated.as_deref().map(Some));
    def.args.iter().fold(outside, |outside, arg| outside.argument(argument(schema, arg)))
}

fn interface_field(schema: &Schema, def: &FieldDef) -> InterfaceField {
    let outside = InterfaceField::new(&*def.name, type_ref(schema, &def.ty));
    let outside = with!(outside, description, def.description.as_deref());
    let outside = with!(outside, deprecation, def.deprecated.as_deref().map(Some));
    def.args.iter().fold(outside, |outside, arg| outside.argument(argument(schema, arg)))
}

fn argument(schema: &Schema, def: &InputValue) -> OutsideInput {
    let outside = OutsideInput::new(&*def.name, type_ref(schema, &def.ty));
    let outside = with!(outside, description, def.description.as_deref());
    let outside = with!(outside, deprecation, def.deprecated.as_deref().map(Some));
    with!(outside, default_value, def.default.as_ref().map(|value| constant(schema, &def.ty, value)))
}

fn type_ref(schema: &Schema, ty: &TypeRef) -> OutsideRef {
    let nullable = match ty {
        TypeRef::Named(id, _) => OutsideRef::named(&*schema.get(*id).name),
        TypeRef::List(item, _) => OutsideRef::List(Box::new(type_ref(schema, item))),
    };
    if ty.is_non_null() { OutsideRef::NonNull(Box::new(nullable)) } else { nullable }
}

/// A default as a literal: enum values are names.
fn constant(schema: &Schema, ty: &TypeRef, value: &Value) -> Constant {
    match (value, ty) {
        (Value::Array(items), TypeRef::List(item, _)) => {
            Constant::List(items.iter().map(|value| constant(schema, item, value)).collect())
        }
        (Value::String(text), TypeRef::Named(id, _)) if matches!(schema.get(*id).kind, TypeKind::Enum(_)) => {
            Constant::Enum(Name::new(text))
        }
        (Value::Object(members), TypeRef::Named(id, _)) => match &schema.get(*id).kind {
            TypeKind::Input(def) => {
                let members = members.iter().map(|(name, value)| {
                    let field = def.fields.iter().find(|field| *field.name == **name);
                    let value = field.map(|field| constant(schema, &field.ty, value));
                    (Name::new(name), value.unwrap_or_default())
                });
                Constant::Object(members.collect())
            }
            _ => Constant::from_json(value.clone()).unwrap_or_default(),
        },
        _ => Constant::from_json(value.clone()).unwrap_or_default(),
    }
}
