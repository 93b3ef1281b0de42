//! What only the whole schema shows (October 2021, section 3, "Type Validation").

use std::collections::HashSet;

use super::{Report, types::ids};
use crate::graphql::schema::{FieldDef, Schema, TypeId, TypeKind, TypeRef};

/// What must hold before anything follows references between types.
pub(super) fn before_calls(schema: &Schema, report: &mut Report) {
    for id in ids(schema) {
        let interfaces = interfaces(schema, id);
        for interface in interfaces {
            fulfils(schema, id, *interface, report);
        }
        if let TypeKind::Input(def) = &schema.get(id).kind {
            for field in def.fields.iter().filter(|_| def.one_of) {
                if field.ty.is_non_null() || field.default.is_some() {
                    report.add(
                        field.at,
                        format!("`{}`: a field of a `@oneOf` type is nullable, without default", field.name),
                    );
                }
            }
        }
    }
    input_cycles(schema, report);
}

fn interfaces(schema: &Schema, id: TypeId) -> &[TypeId] {
    match &schema.get(id).kind {
        TypeKind::Object(def) => &def.interfaces,
        TypeKind::Interface(def) => &def.interfaces,
        _ => &[],
    }
}

/// Whether a type has all that an interface promises.
fn fulfils(schema: &Schema, id: TypeId, interface: TypeId, report: &mut Report) {
    let (def, promised) = (schema.get(id), schema.get(interface));
    if id == interface {
        report.add(def.at, format!("`{}` implements itself", def.name));
        return;
    }
    for inherited in interfaces(schema, interface) {
        if *inherited != id && !interfaces(schema, id).contains(inherited) {
            let name = &schema.get(*inherited).name;
            let message =
                format!("`{}` has to implement `{name}` too, as `{}` does", def.name, promised.name);
            report.add(def.at, message);
        }
    }
    for wanted in schema.fields(interface) {
        let path = format!("{}.{}", promised.name, wanted.name);
        let Some(field) = schema.fields(id).iter().find(|field| field.name == wanted.name) else {
            let known = schema.fields(id).iter().map(|field| &*field.name);
            let message = format!("`{}` lacks the field `{path}` of its interface", def.name);
            report.unknown(def.at, message, &wanted.name, known);
            continue;
        };
        if !is_subtype(schema, &field.ty, &wanted.ty) {
            let (is, should) = (schema.display(&field.ty), schema.display(&wanted.ty));
            report.add(field.at, format!("`{}` is `{is}`, but `{path}` is `{should}`", field.name));
        }
        arguments(schema, field, wanted, &path, report);
    }
}

fn arguments(schema: &Schema, field: &FieldDef, wanted: &FieldDef, path: &str, report: &mut Report) {
    for arg in &wanted.args {
        match field.args.iter().find(|found| found.name == arg.name) {
            None => report
                .add(field.at, format!("`{}` lacks the argument `{}` of `{path}`", field.name, arg.name)),
            Some(found) if found.ty != arg.ty => {
                let (is, should) = (schema.display(&found.ty), schema.display(&arg.ty));
                report.add(found.at, format!("`{}` is `{is}`, but `{should}` in `{path}`", arg.name));
            }
            Some(_) => {}
        }
    }
    for arg in field.args.iter().filter(|arg| wanted.args.iter().all(|known| known.name != arg.name)) {
        if arg.is_required() {
            report.add(arg.at, format!("`{}` is required, but `{path}` does not have it", arg.name));
        }
    }
}

fn is_subtype(schema: &Schema, ty: &TypeRef, of: &TypeRef) -> bool {
    match (ty, of) {
        (_, _) if of.is_non_null() && !ty.is_non_null() => false,
        (TypeRef::List(item, _), TypeRef::List(of, _)) => is_subtype(schema, item, of),
        (TypeRef::Named(id, _), TypeRef::Named(of, _)) => {
            id == of || schema.is_possible(*of, *id) || interfaces(schema, *id).contains(of)
        }
        _ => false,
    }
}

/// An input type that needs itself can never be given.
fn input_cycles(schema: &Schema, report: &mut Report) {
    let mut done = HashSet::new();
    for id in ids(schema) {
        walk(schema, id, &mut Vec::new(), &mut done, report);
    }
}

fn walk(
    schema: &Schema,
    id: TypeId,
    path: &mut Vec<TypeId>,
    done: &mut HashSet<TypeId>,
    report: &mut Report,
) {
    let TypeKind::Input(def) = &schema.get(id).kind else { return };
    if let Some(start) = path.iter().position(|seen| *seen == id) {
        let names: Vec<&str> = path[start..].iter().map(|id| &*schema.get(*id).name).collect();
        let message = format!("`{}` needs itself without end", names.join("` → `"));
        report.hint(schema.get(id).at, message, "make one of the fields on the way nullable, or a list");
        return;
    }
    if !done.insert(id) {
        return;
    }
    path.push(id);
    for field in &def.fields {
        if let TypeRef::Named(inner, true) = field.ty {
            // A type on the path is met again although it is done.
            if path.contains(&inner) {
                done.remove(&inner);
            }
            walk(schema, inner, path, done, report);
            done.insert(inner);
        }
    }
    path.pop();
}

/// What must hold of the complete schema.
pub(super) fn after_calls(schema: &Schema, report: &mut Report) {
    let roots = [Some(schema.query), schema.mutation];
    let mut seen = HashSet::new();
    for id in roots.into_iter().flatten() {
        reach(schema, id, &mut seen);
    }
    for id in ids(schema).skip(5).filter(|id| !seen.contains(id)) {
        let def = schema.get(id);
        report.warn(def.at, format!("no query can reach `{}`", def.name), "remove it, or use it in a field");
    }
    for id in ids(schema) {
        let def = schema.get(id);
        if let TypeKind::Interface(interface) = &def.kind
            && interface.possible.is_empty()
            && seen.contains(&id)
        {
            report.add(def.at, format!("no object type implements `{}`", def.name));
        }
    }
}

fn reach(schema: &Schema, id: TypeId, seen: &mut HashSet<TypeId>) {
    let mut open = vec![id];
    while let Some(id) = open.pop() {
        if !seen.insert(id) {
            continue;
        }
        match &schema.get(id).kind {
            TypeKind::Object(def) => open.extend(&def.interfaces),
            TypeKind::Interface(def) | TypeKind::Union(def) => {
                open.extend(def.interfaces.iter().chain(&def.possible))
            }
            TypeKind::Input(def) => open.extend(def.fields.iter().map(|field| field.ty.named())),
            TypeKind::Scalar(_) | TypeKind::Enum(_) => {}
        }
        for field in schema.fields(id) {
            open.push(field.ty.named());
            open.extend(field.args.iter().map(|arg| arg.ty.named()));
        }
    }
}
