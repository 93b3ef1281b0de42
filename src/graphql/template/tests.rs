use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::graphql::{
    json::Json,
    schema::{InputValue, TypeId},
    sdl::tests::schema,
};

/// The arguments of `Query.patients`: `limit`, `offset` and `filter`.
fn args(schema: &Schema) -> &[InputValue] {
    let query = schema.query;
    &schema.field(query, schema.find_field(query, "patients").unwrap()).args
}

fn compile(schema: &Schema, text: &str, place: Place) -> Result<Template, Vec<String>> {
    let visit: TypeId = schema.find("Visit").unwrap();
    let reads = Reads { schema, args: args(schema), parent: Ok(visit), claims: true, called: &[] };
    let messages =
        |problems: Vec<crate::config::finding::Problem>| problems.into_iter().map(|p| p.message).collect();
    Template::compile(text, place, &reads).map_err(messages)
}

/// Renders with arguments, parent and claims.
fn with<T>(schema: &Schema, given: &Value, render: impl FnOnce(&Scope<'_>) -> T) -> T {
    let empty = Map::new();
    let map = |name: &str| given[name].as_object().unwrap_or(&empty);
    let json = Json::read(given["parent"].to_string().into()).unwrap();
    let parent = Some((&json, NodeId::ROOT));
    render(&Scope { schema, args: map("args"), parent, claims: map("claims") })
}

fn path(text: &str, given: &Value) -> Result<Option<String>, Unfit> {
    let schema = schema();
    let template = compile(&schema, text, Place::Path).unwrap();
    with(&schema, given, |scope| template.path(scope))
}

#[test]
fn values_are_encoded_for_a_path() {
    let given = |id: Value| json!({ "parent": { "patientId": id } });
    assert_eq!(
        path("/p/{parent.patientId}/x", &given(json!("a b/ü?#%"))),
        Ok(Some("/p/a%20b%2F%C3%BC%3F%23%25/x".into()))
    );
    assert_eq!(path("/p/{parent.patientId}", &given(json!(7))), Ok(Some("/p/7".into())));
    assert_eq!(path("/p/{parent.patientId}", &given(Value::Null)), Ok(None));
    assert_eq!(path("/p/{parent.patientId}", &json!({ "parent": {} })), Ok(None));
    assert_eq!(path("/p/{parent.patientId}", &given(json!(""))), Err(Unfit::EmptySegment));
    assert_eq!(path("/p/{parent.patientId}", &given(json!(".."))), Err(Unfit::DotSegment));
    assert_eq!(path("/p/.{parent.patientId}/x", &given(json!("."))), Err(Unfit::DotSegment));
    assert_eq!(path("/p/{parent.patientId}", &given(json!(["a"]))), Err(Unfit::NotScalar));
    assert_eq!(path("", &given(json!(1))), Ok(Some(String::new())));
}

#[test]
fn enums_are_written_as_sources_write_them() {
    let schema = schema();
    let given = json!({ "args": { "filter": { "status": "BOOKED", "tags": ["a", "b&c", null] } } });
    let mut target = Target::new("/x".into());
    for name in ["filter.status", "filter.tags", "limit"] {
        let template = compile(&schema, &format!("{{args.{name}}}"), Place::Parameter).unwrap();
        with(&schema, &given, |scope| template.parameter(name, scope, &mut target)).unwrap();
    }
    assert_eq!(target.as_str(), "/x?filter.status=booked&filter.tags=a&filter.tags=b%26c");
    let whole = compile(&schema, "{args.filter}", Place::Json).unwrap();
    let value = with(&schema, &given, |scope| whole.value(scope).unwrap().unwrap().into_owned());
    assert_eq!(value, json!({ "status": "booked", "tags": ["a", "b&c", null] }));
}

#[test]
fn a_body_keeps_kinds_and_leaves_out_what_is_missing() {
    let schema = schema();
    let template = |text: &str| BodyTemplate::Template(compile(&schema, text, Place::Json).unwrap());
    let body = BodyTemplate::Object(vec![
        ("limit".into(), template("{args.limit}")),
        ("none".into(), template("{args.offset}")),
        ("null".into(), template("{args.filter}")),
        ("text".into(), template("no. {args.limit}")),
        (
            "list".into(),
            BodyTemplate::List(vec![BodyTemplate::Constant(json!(true)), template("{args.offset}")]),
        ),
    ]);
    let given = json!({ "args": { "limit": 5, "filter": null } });
    let rendered = with(&schema, &given, |scope| body.render(scope)).unwrap();
    assert_eq!(rendered, Some(json!({ "limit": 5, "null": null, "text": "no. 5", "list": [true, null] })));
}

#[test]
fn a_field_takes_no_line_breaks() {
    let schema = schema();
    let template = compile(&schema, "t {claims.tenant}", Place::Text).unwrap();
    let field = |tenant: &str| {
        with(&schema, &json!({ "claims": { "tenant": tenant } }), |scope| template.field(scope))
    };
    assert_eq!(field("a").unwrap().unwrap(), "t a");
    assert_eq!(field("a\r\nX: y"), Err(Unfit::NotFieldValue));
}

#[test]
fn names_must_exist_and_fit() {
    let schema = schema();
    for (text, place, message) in [
        ("{args.lmit}", Place::Text, "unknown argument `lmit`"),
        ("{args.filter.nope}", Place::Text, "unknown field `nope`"),
        ("{args.filter}", Place::Text, "which is no text"),
        ("x{args.filter}", Place::Json, "which is no text"),
        ("x{args.filter.tags}", Place::Parameter, "which is no text"),
        ("{args.limit.x}", Place::Text, "unknown field `x`"),
        ("{parent.nope}", Place::Text, "`Visit` has no field `nope`"),
        ("{env.HOME}", Place::Text, "what a template cannot see"),
        ("{args}", Place::Text, "does not say which value"),
        ("{args.}", Place::Text, "does not say which value"),
        ("{", Place::Text, "without its counterpart"),
        ("a/b", Place::Path, "does not start with a slash"),
        ("/a/../b", Place::Path, "a dot segment"),
        ("/a//b", Place::Path, "an empty"),
        ("/a#b", Place::Path, "which no path has"),
    ] {
        let messages = compile(&schema, text, place).unwrap_err();
        assert!(messages[0].contains(message), "{text}: {messages:?}");
    }
}

proptest! {
    /// Whatever a value is, it stays within its segment.
    #[test]
    fn a_value_never_leaves_its_segment(value in "\\PC*") {
        if let Ok(Some(path)) = path("/p/{parent.patientId}/x", &json!({ "parent": { "patientId": value } })) {
            let segments: Vec<_> = path.split('/').collect();
            prop_assert_eq!(segments.len(), 4);
            prop_assert!(!matches!(segments[2], "" | "." | ".."));
            prop_assert!(path.bytes().all(|b| b.is_ascii_graphic() && !b"?#".contains(&b)));
            let decoded = percent_encoding::percent_decode_str(segments[2]).decode_utf8().unwrap();
            prop_assert_eq!(decoded.as_ref(), value.as_str());
        }
    }

    #[test]
    fn no_text_makes_compiling_panic(text in "[{}a-z./]*") {
        let schema = schema();
        let _ = compile(&schema, &text, Place::Path);
        let _ = compile(&schema, &text, Place::Json);
    }
}
