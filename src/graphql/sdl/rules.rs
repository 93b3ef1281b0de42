//! What the schema says of fields besides their values: `@auth`, `@cacheControl`, `@listSize`.

use std::time::Duration;

use async_graphql_value::ConstValue;

use super::{Report, types::Built};
use crate::graphql::{
    directives::{Applied, one},
    schema::{
        AuthRule, CacheHint, CacheScope, FieldDef, FieldId, InputValue, ListSize, Owner, ScalarKind, Schema,
        TypeId, TypeKind,
    },
    template::{Place, Reads, Template},
};

/// What was compiled beside the schema that it reads.
#[derive(Default)]
pub(super) struct Rules {
    types: Vec<(TypeId, Option<AuthRule>, Option<CacheHint>)>,
    fields: Vec<(TypeId, FieldId, FieldRules)>,
}

struct FieldRules {
    auth: Option<AuthRule>,
    cache: Option<CacheHint>,
    list_size: Option<ListSize>,
}

impl Rules {
    pub fn apply(self, schema: &mut Schema) {
        for (id, auth, cache) in self.types {
            if let TypeKind::Object(def) = &mut schema.types[id.index()].kind {
                (def.auth, def.cache) = (auth, cache);
            }
        }
        for (id, field, rules) in self.fields {
            let def: &mut FieldDef = match &mut schema.types[id.index()].kind {
                TypeKind::Object(def) => &mut def.fields[field.index()],
                TypeKind::Interface(def) => &mut def.fields[field.index()],
                _ => continue,
            };
            (def.auth, def.cache, def.list_size) = (rules.auth, rules.cache, rules.list_size);
        }
    }
}

pub(super) fn compile(built: &Built<'_>, report: &mut Report) -> Rules {
    let schema = &built.schema;
    let mut rules = Rules::default();
    for (id, applied) in &built.type_rules {
        let auth = one(applied, "auth").map(|directive| auth(directive, schema, &[], report));
        let cache = one(applied, "cacheControl").map(|directive| cache(directive, report));
        rules.types.push((*id, auth, cache));
    }
    for (id, field, applied) in &built.fields {
        let def = schema.field(*id, *field);
        let found = FieldRules {
            auth: one(applied, "auth").map(|directive| auth(directive, schema, &def.args, report)),
            cache: one(applied, "cacheControl").map(|directive| cache(directive, report)),
            list_size: one(applied, "listSize")
                .and_then(|directive| list_size(directive, def, schema, report)),
        };
        rules.fields.push((*id, *field, found));
    }
    rules
}

fn auth(directive: &Applied<'_>, schema: &Schema, args: &[InputValue], report: &mut Report) -> AuthRule {
    let mut words = |name: &str| -> Box<[Box<str>]> {
        let texts = directive.texts(name);
        if directive.get(name).is_some() && texts.is_empty() {
            report.hint(
                directive.place(name),
                format!("`{name}` is empty"),
                "leave it out: any caller who is known",
            );
        }
        if texts.iter().any(|text| text.is_empty() || text.contains(char::is_whitespace)) {
            report.add(directive.place(name), format!("`{name}` has a name that is empty or has spaces"));
        }
        texts.into_iter().map(Box::from).collect()
    };
    let (scopes, roles) = (words("scopes"), words("roles"));
    let text = |name: &str| match directive.members("owner").find(|(known, _)| *known == name) {
        Some((_, ConstValue::String(text))) => Some(text.as_str()),
        _ => None,
    };
    let owner = directive.get("owner").and_then(|(at, _)| {
        // It is decided before any call: there is no parent yet.
        let parent = Err("`@auth` is decided before any call, when no parent is known");
        let reads = Reads { schema, args, parent, claims: false, called: &[] };
        let Some(is) = text("is") else {
            report.add(at, "`is` of `owner` has to be a text such as `{args.id}`");
            return None;
        };
        let is = Template::compile(is, Place::Text, &reads).map_err(|found| report.all(at, found)).ok()?;
        Some(Owner { claim: text("claim").unwrap_or("sub").into(), is })
    });
    AuthRule { scopes, roles, owner }
}

fn cache(directive: &Applied<'_>, report: &mut Report) -> CacheHint {
    let inherit = directive.flag("inheritMaxAge");
    let max_age =
        directive.int("maxAge").and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs);
    if inherit && max_age.is_some() {
        report.add(directive.at, "`maxAge` and `inheritMaxAge` contradict each other");
    }
    let scope = directive.word("scope").map(|word| match word {
        "PRIVATE" => CacheScope::Private,
        _ => CacheScope::Public,
    });
    if max_age.is_none() && scope.is_none() && !inherit {
        report.add(directive.at, "`@cacheControl` says nothing");
    }
    CacheHint { max_age, scope, inherit }
}

fn list_size(
    directive: &Applied<'_>,
    def: &FieldDef,
    schema: &Schema,
    report: &mut Report,
) -> Option<ListSize> {
    if !def.ty.is_list() {
        report.add(directive.at, format!("`{}` is no list", def.name));
        return None;
    }
    let number = |name: &str| directive.int(name).and_then(|number| u32::try_from(number).ok());
    let slicing = directive.text("slicing").and_then(|name| {
        let at = directive.place("slicing");
        let Some(index) = def.args.iter().position(|arg| *arg.name == *name) else {
            let known = def.args.iter().map(|arg| &*arg.name);
            report.unknown(at, format!("`{}` has no argument `{name}`", def.name), name, known);
            return None;
        };
        let ty = &def.args[index].ty;
        if ty.is_list() || !matches!(schema.get(ty.named()).kind, TypeKind::Scalar(ScalarKind::Int)) {
            report.add(at, format!("`{name}` is `{}`, not `Int`", schema.display(ty)));
        }
        Some(index)
    });
    let (assumed, max) = (number("assumed"), number("max"));
    if max.is_some() && directive.text("slicing").is_none() {
        report.add(directive.place("max"), "`max` has no effect without `slicing`");
    }
    if let (Some(assumed), Some(max)) = (assumed, max)
        && assumed > max
    {
        report.add(directive.place("assumed"), "`assumed` is larger than `max`");
    }
    if let (Some(max), Some(slicing)) = (max, slicing)
        && let Some(default) = def.args[slicing].default.as_ref().and_then(serde_json::Value::as_u64)
        && default > u64::from(max)
    {
        report.add(directive.place("max"), format!("the default of `{}` is larger", def.args[slicing].name));
    }
    Some(ListSize { slicing, assumed, max })
}
