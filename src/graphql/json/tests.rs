//! Tests of reading answers.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn read(text: &str) -> Option<Json> {
    Json::read(Bytes::copy_from_slice(text.as_bytes())).ok()
}

/// Every value with its way, compared with what serde_json makes of the text.
fn same(json: &Json, id: NodeId, value: &Value) {
    assert_eq!(json.to_value(id), *value);
    match value {
        Value::Array(items) => {
            assert_eq!(json.len(id), items.len());
            for (item, value) in json.items(id).zip(items) {
                same(json, item, value);
            }
        }
        Value::Object(members) => {
            for (name, value) in members {
                let mut hint = Hint::default();
                let found = json.member(id, name).unwrap();
                assert_eq!(json.member_near(id, name, &mut hint), Some(found));
                assert_eq!(json.member_near(id, name, &mut hint), Some(found));
                same(json, found, value);
            }
        }
        Value::String(text) => assert_eq!(json.string(id).unwrap(), *text),
        _ => {}
    }
}

#[test]
fn values_are_where_they_are() {
    let text = r#" { "a" : [ 1 , -2.5e3 , "x\"\u00e9\ud83d\ude00" , [ ] , { } ] , "\u0062" : { "c" : null , "a" : true } } "#;
    let json = read(text).unwrap();
    same(&json, NodeId::ROOT, &serde_json::from_str(text).unwrap());
    assert_eq!(
        json.dig(NodeId::ROOT, &["a".into(), "1".into()]).map(|id| json.raw(id)),
        Some(&b"-2.5e3"[..])
    );
    assert_eq!(json.dig(NodeId::ROOT, &["b".into(), "c".into()]).map(|id| json.kind(id)), Some(Kind::Null));
    assert_eq!(json.dig(NodeId::ROOT, &["b".into(), "d".into()]), None);
}

#[test]
fn a_hint_never_leads_to_another_object() {
    let json = read(r#"[{"a":1,"b":2},{"c":{"b":3,"d":4},"x":"b"},{"a":"b","b":5},{"b":6}]"#).unwrap();
    let mut hint = Hint::default();
    let found: Vec<_> = json
        .items(NodeId::ROOT)
        .map(|item| json.member_near(item, "b", &mut hint).map(|id| json.to_value(id)))
        .collect();
    assert_eq!(found, [Some(json!(2)), None, Some(json!(5)), Some(json!(6))]);
}

#[test]
fn what_is_no_json_is_refused() {
    let broken = [
        "",
        " ",
        "nul",
        "tru",
        "[",
        "[1",
        "[1,",
        "[1,]",
        "{",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1,}",
        "{a:1}",
        "01",
        "1.",
        "-",
        "1e",
        ".5",
        "+1",
        "\"",
        "\"\\\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\ud800\"",
        "\"\\ud800\\u0041\"",
        "\"\\udc00\"",
        "\"\n\"",
        "\"12345678\u{1}\"",
        "1 2",
        "[1 2]",
        "{\"a\" 1}",
        "'a'",
        "NaN",
        "[,]",
        "{,}",
    ];
    for text in broken {
        assert!(read(text).is_none(), "{text:?}");
    }
    assert!(Json::read(Bytes::from_static(b"\"\xff\"")).is_err());
    assert!(read(&"[".repeat(100_000)).is_none());
    assert!(read(&format!("{}{}", "[".repeat(128), "]".repeat(128))).is_some());
    assert!(read(&format!("{}{}", "[".repeat(129), "]".repeat(129))).is_none());
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i32>().prop_map(|value| json!(f64::from(value) / 8.0)),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((any::<String>(), inner), 0..5)
                .prop_map(|members| members.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_is_json_is_read_as_such(value in any_json(), pretty in any::<bool>()) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        same(&read(&text).unwrap(), NodeId::ROOT, &value);
    }

    #[test]
    fn any_text_is_judged_like_elsewhere(text in "[\\[\\]{}:,\"\\\\untrfalse0-9.eE+ -]{0,24}") {
        prop_assert_eq!(read(&text).is_some(), serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok(), "{}", text);
    }

    #[test]
    fn plain_bytes_are_counted_exactly(text in ".{0,40}") {
        let json = serde_json::to_string(&text).unwrap();
        prop_assert!(read(&json).is_some());
    }
}
