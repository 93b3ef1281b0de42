use async_graphql::parser::{parse_query, types::DocumentOperations};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::graphql::{
    schema::{Position, Schema},
    sdl,
};

const SCHEMA: &str = r#"
schema @source(name: "s", route: "/s") { query: Query }
scalar Date
scalar DateTime
scalar JSON
enum Color { RED GREEN }
input Inner { required: Int!, text: String = "x" }
input Outer { inner: Inner, list: [Inner!], color: Color, self: Outer, strict: [Int!]! = [1], only: Int! = 7 }
input One @oneOf { a: Int, b: String }
type Query {
  f(
    int: Int, float: Float, string: String, boolean: Boolean, id: ID, color: Color, date: Date, at: DateTime, json: JSON
    ints: [Int], matrix: [[Int!]], outer: Outer, one: One, must: Int! = 1
  ): Int @rest(source: "s", get: "")
}
"#;

fn schema() -> Schema {
    sdl::read(SCHEMA).unwrap_or_else(|problems| panic!("{problems:#?}")).schema
}

/// The arguments of the only field of a query, or the messages of what is wrong.
fn arguments(document: &str, given: &Value) -> Result<Value, Vec<String>> {
    let schema = schema();
    let messages = |errors: Vec<crate::graphql::GraphqlError>| {
        errors.into_iter().map(|error| error.message).collect::<Vec<_>>()
    };
    let document = parse_query(document).unwrap();
    let DocumentOperations::Single(operation) = &document.operations else { panic!("named") };
    let async_graphql::parser::types::Selection::Field(field) =
        &operation.node.selection_set.node.items[0].node
    else {
        panic!("no field")
    };
    let definitions = &schema.fields(schema.query)[0].args;
    let compiled = Arguments::compile(&schema, definitions, &field.node.arguments, Position::default());
    let (arguments, _) = compiled.map_err(messages)?;
    let coerced =
        variables(&schema, &operation.node.variable_definitions, given.as_object()).map_err(messages)?;
    let resolved = arguments.resolve(&coerced).map_err(|error| vec![error.message])?;
    let mut resolved = resolved.into_owned();
    if resolved.get("must") == Some(&json!(1)) {
        resolved.remove("must");
    }
    Ok(Value::Object(resolved))
}

fn literal(text: &str) -> Result<Value, Vec<String>> {
    arguments(&format!("{{ f({text}) }}"), &Value::Null)
}

/// What a variable of a type becomes.
fn variable(ty: &str, value: Value) -> Result<Value, Vec<String>> {
    let name = match ty.trim_end_matches('!') {
        "[Int]" => "ints".to_owned(),
        "[[Int!]]" => "matrix".to_owned(),
        "DateTime" => "at".to_owned(),
        other => other.to_lowercase(),
    };
    let found = arguments(&format!("query($v: {ty}) {{ f({name}: $v) }}"), &json!({ "v": value }))?;
    Ok(found[&name].clone())
}

#[test]
fn literals_have_the_kind_of_their_type() {
    for (text, expected) in [
        ("int: 2147483647", json!({ "int": 2_147_483_647 })),
        ("float: 1", json!({ "float": 1 })),
        ("float: 1.5e3", json!({ "float": 1500.0 })),
        ("id: 5", json!({ "id": "5" })),
        ("id: \"x\"", json!({ "id": "x" })),
        ("color: RED", json!({ "color": "RED" })),
        ("int: null", json!({ "int": null })),
        ("ints: 1", json!({ "ints": [1] })),
        ("ints: [1, null]", json!({ "ints": [1, null] })),
        ("matrix: 1", json!({ "matrix": [[1]] })),
        ("matrix: [1, [2], null]", json!({ "matrix": [[1], [2], null] })),
        ("date: \"2024-02-29\"", json!({ "date": "2024-02-29" })),
        ("at: \"2024-02-29T10:00:00+02:00\"", json!({ "at": "2024-02-29T10:00:00+02:00" })),
        ("json: { a: [1, RED, \"x\"] }", json!({ "json": { "a": [1, "RED", "x"] } })),
        ("one: { a: 1 }", json!({ "one": { "a": 1 } })),
        ("outer: {}", json!({ "outer": { "strict": [1], "only": 7 } })),
        (
            "outer: { list: { required: 1 }, strict: 2, only: 3 }",
            json!({ "outer": { "list": [{ "required": 1, "text": "x" }], "strict": [2], "only": 3 } }),
        ),
        ("outer: { inner: null }", json!({ "outer": { "inner": null, "strict": [1], "only": 7 } })),
    ] {
        assert_eq!(literal(text), Ok(expected), "{text}");
    }
}

#[test]
fn other_literals_are_refused_with_their_reason() {
    for (text, message) in [
        ("int: 2147483648", "Int cannot represent non 32-bit signed integer value: 2147483648"),
        ("int: 1.0", "Int cannot represent non-integer value: 1.0"),
        ("int: \"1\"", "Int cannot represent non-integer value: \"1\""),
        ("float: \"1\"", "Float cannot represent non numeric value: \"1\""),
        ("string: 1", "String cannot represent a non string value: 1"),
        ("string: RED", "String cannot represent a non string value: RED"),
        ("boolean: 1", "Boolean cannot represent a non boolean value: 1"),
        ("id: 1.5", "ID cannot represent a non-string and non-integer value: 1.5"),
        ("id: RED", "ID cannot represent a non-string and non-integer value: RED"),
        ("color: \"RED\"", "Enum \"Color\" cannot represent non-enum value: \"RED\"."),
        ("color: BLUE", "Value \"BLUE\" does not exist in \"Color\" enum."),
        ("date: \"2023-02-29\"", "Date is written as \"2026-01-31\""),
        ("date: \"2023-2-9\"", "Date is written as \"2026-01-31\""),
        ("at: \"yesterday\"", "DateTime is written as \"2026-01-31T08:30:00Z\""),
        ("date: 5", "Date cannot represent a non string value: 5"),
        ("matrix: [[1, null]]", "Expected value of type \"Int!\", found null."),
        ("outer: 5", "Expected value of type \"Outer\", found 5."),
        ("outer: []", "Expected value of type \"Outer\", found []."),
        ("outer: [[]]", "Expected value of type \"Outer\", found [[]]."),
        ("outer: { nope: 1 }", "Field \"nope\" is not defined by type \"Outer\"."),
        ("outer: { inner: {} }", "Field \"Inner.required\" of required type \"Int!\" was not provided."),
        ("outer: { only: null }", "Expected value of type \"Int!\", found null."),
        ("one: {}", "OneOf Input Object \"One\" must specify exactly one key, and not null."),
        ("one: { a: 1, b: \"x\" }", "OneOf Input Object \"One\" must specify exactly one key, and not null."),
        ("one: { a: null }", "OneOf Input Object \"One\" must specify exactly one key, and not null."),
        ("must: null", "Expected value of type \"Int!\", found null."),
    ] {
        assert_eq!(literal(text), Err(vec![message.to_owned()]), "{text}");
    }
}

#[test]
fn variables_have_the_kind_of_their_type() {
    for (ty, value, expected) in [
        ("Int", json!(1.0), json!(1)),
        ("Float", json!(1), json!(1)),
        ("ID", json!(5), json!("5")),
        ("ID", json!(1e3), json!("1000")),
        ("Color", json!("RED"), json!("RED")),
        ("[Int]", json!(1), json!([1])),
        ("[[Int!]]", json!([1, [2]]), json!([[1], [2]])),
        ("JSON", json!({ "a": [null] }), json!({ "a": [null] })),
        ("One", json!({ "b": "x" }), json!({ "b": "x" })),
        (
            "Outer",
            json!({ "self": {} }),
            json!({ "self": { "strict": [1], "only": 7 }, "strict": [1], "only": 7 }),
        ),
    ] {
        let found = variable(ty, value.clone());
        assert_eq!(found, Ok(expected), "{ty} {value}");
    }
}

#[test]
fn other_variables_are_refused_without_repeating_them() {
    for (ty, value, message) in [
        (
            "Int",
            json!("secret"),
            "Variable \"$v\" got an invalid value; Int cannot represent a non-integer value.",
        ),
        (
            "Int",
            json!(1.5),
            "Variable \"$v\" got an invalid value; Int cannot represent a non-integer value.",
        ),
        (
            "Int",
            json!(2_147_483_648_u64),
            "Variable \"$v\" got an invalid value; Int cannot represent a non 32-bit signed integer value.",
        ),
        (
            "Boolean",
            json!(1),
            "Variable \"$v\" got an invalid value; Boolean cannot represent a non boolean value.",
        ),
        (
            "Color",
            json!("BLUE"),
            "Variable \"$v\" got an invalid value; the value does not exist in \"Color\" enum.",
        ),
        (
            "[Int]",
            json!([1, "x"]),
            "Variable \"$v\" got an invalid value at \"v[1]\"; Int cannot represent a non-integer value.",
        ),
        ("Outer", json!(5), "Variable \"$v\" got an invalid value; Expected type \"Outer\" to be an object."),
        (
            "Outer",
            json!([]),
            "Variable \"$v\" got an invalid value; Expected type \"Outer\" to be an object.",
        ),
        (
            "Outer",
            json!({ "inner": { "required": null } }),
            "Variable \"$v\" got an invalid value at \"v.inner.required\"; Expected non-nullable type \"Int!\" not to be null.",
        ),
        (
            "Outer",
            json!({ "inner": {} }),
            "Variable \"$v\" got an invalid value at \"v.inner\"; Field \"required\" of required type \"Int!\" was not provided.",
        ),
        (
            "Outer",
            json!({ "nope": 1 }),
            "Variable \"$v\" got an invalid value; Field \"nope\" is not defined by type \"Outer\".",
        ),
        (
            "One",
            json!({ "a": 1, "b": "x" }),
            "Variable \"$v\" got an invalid value; Exactly one key must be specified for OneOf type \"One\".",
        ),
        ("Int!", json!(null), "Variable \"$v\" of non-null type \"Int!\" must not be null."),
    ] {
        assert_eq!(variable(ty, value.clone()), Err(vec![message.to_owned()]), "{ty} {value}");
    }
}

#[test]
fn absent_and_null_are_not_the_same() {
    let none = json!({});
    let run = |document: &str, given: &Value| arguments(document, given);
    // A default of the variable, then that of the argument, then nothing at all.
    assert_eq!(run("query($v: Int = 3) { f(int: $v) }", &none), Ok(json!({ "int": 3 })));
    assert_eq!(run("query($v: Int = 3) { f(int: $v) }", &json!({ "v": null })), Ok(json!({ "int": null })));
    assert_eq!(run("query($v: Int) { f(int: $v) }", &none), Ok(json!({})));
    assert_eq!(run("query($v: Int) { f(must: $v) }", &none), Ok(json!({})));
    let null = run("query($v: Int) { f(must: $v) }", &json!({ "v": null }));
    assert_eq!(null, Err(vec!["Argument \"must\" must not be null.".to_owned()]));
    // Within a list it is null; within an object, its default, or nothing.
    assert_eq!(run("query($v: Int) { f(ints: [1, $v]) }", &none), Ok(json!({ "ints": [1, null] })));
    let inner =
        run("query($v: Int, $t: String) { f(outer: { only: $v, inner: { required: 1, text: $t } }) }", &none);
    let expected = json!({ "outer": { "inner": { "required": 1, "text": "x" }, "strict": [1], "only": 7 } });
    assert_eq!(inner, Ok(expected));
    assert!(run("query($v: Int) { f(outer: { inner: { required: $v } }) }", &none).is_err());
    assert!(run("query($v: Int!) { f(int: $v) }", &none).is_err());
    assert_eq!(
        run("query($v: Int) { f(json: { a: [$v, 1] }) }", &json!({ "v": 2 })),
        Ok(json!({ "json": { "a": [2, 1] } }))
    );
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[A-Za-z0-9-]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("(inner|list|color|self|strict|only|required|text)", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

proptest! {
    /// What was coerced once is of its type: coercing it again changes nothing.
    #[test]
    fn coercion_is_stable(value in any_json()) {
        for ty in ["Int", "Float", "ID", "Color", "Outer", "[[Int!]]", "JSON", "Date"] {
            if let Ok(first) = variable(ty, value.clone()) {
                prop_assert_eq!(variable(ty, first.clone()), Ok(first));
            }
        }
    }
}
