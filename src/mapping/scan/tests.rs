use proptest::prelude::*;
use serde::de::IgnoredAny;

use super::*;

fn what(text: &str) -> &'static str {
    scan(text.as_bytes()).map_or_else(|wrong| wrong.what, |_| "nothing")
}

#[test]
fn the_grammar_is_kept() {
    for good in ["null", " [] ", "{}", "-0", "0.10e-2", r#""\u00e9\ud83d\ude00\/""#, "[1,{\"a\":[]} , true]"]
    {
        assert_eq!(what(good), "nothing", "{good}");
    }
    for bad in ["", " ", "nul", "tru ", "01", "-", "1.", "1e", ".5", "+1", "[1,]", "{,}", "{\"a\"}", "{a:1}"]
    {
        assert_ne!(what(bad), "nothing", "{bad}");
    }
    for bad in ["\"", "\"\t\"", r#""\x""#, r#""\u12g4""#, "[", "{\"a\":1", "1 2", "\u{feff}1", "[1;2]", "'a'"]
    {
        assert_ne!(what(bad), "nothing", "{bad}");
    }
}

#[test]
fn what_readers_disagree_about_is_refused() {
    assert_eq!(what(r#"{"a":1,"b":{"a":2},"a":3}"#), "a member twice in the object that ends");
    assert_eq!(what(r#"{"a":1,"\u0061":2}"#), "a member twice in the object that ends");
    assert_eq!(what(r#"[{"a":1},{"a":1}]"#), "nothing");
    let many = |last: &str| {
        let members: String = (0..100).map(|n| format!("\"n{n}\":0,")).collect();
        format!("{{{members}\"{last}\":1}}")
    };
    assert_eq!(what(&many("n100")), "nothing");
    assert_eq!(what(&many("n7")), "a member twice in the object that ends");
    assert_eq!(what(&many("\\u006e7")), "a member twice in the object that ends");
    for half in [r#""\ud800""#, r#""\udc00""#, r#""\ud800\u0041""#, r#""\ud800x""#] {
        assert_eq!(what(half), "half of a surrogate pair", "{half}");
    }
    assert_eq!(what(r#""\u00x0""#), "half of an escape");
    assert_eq!(scan(b"\"\xff\""), Err(Malformed { at: 1, what: "invalid UTF-8" }));
    let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert_eq!(what(&deep(MAX_DEPTH)), "nothing");
    assert_eq!(what(&deep(MAX_DEPTH + 1)), "nested too deeply");
    assert_eq!(what(&"[".repeat(1_000_000)), "nested too deeply");
}

#[test]
fn containers_are_measured() {
    let (_, extents) = scan(br#" {"a":[1,[]],"b":{}} "#).unwrap();
    let extents: Vec<_> = extents.iter().map(|e| (e.bytes, e.containers)).collect();
    assert_eq!(extents, [(19, 4), (6, 2), (2, 1), (2, 1)]);
}

/// Texts that are JSON, nearly JSON, or not at all.
fn texts() -> impl Strategy<Value = String> {
    let tokens = prop::sample::select(vec![
        "{", "}", "[", "]", ",", ":", "\"a\"", "\"b\"", "1", "-0.5e3", "true", "null", " ", "\"\\n\"", "\\",
        "0",
    ]);
    prop_oneof![prop::collection::vec(tokens, 0..24).prop_map(|all| all.concat()), ".{0,32}"]
}

proptest! {
    #[test]
    fn both_readers_agree(text in texts()) {
        let theirs = serde_json::from_str::<IgnoredAny>(&text).is_ok();
        match scan(text.as_bytes()) {
            Ok(_) => prop_assert!(theirs),
            // Ours is stricter here.
            Err(wrong) if wrong.what.starts_with("a member twice") => {}
            Err(_) => prop_assert!(!theirs),
        }
    }

    #[test]
    fn bytes_do_not_upset_it(body in prop::collection::vec(any::<u8>(), 0..64)) {
        prop_assert_eq!(scan(&body).is_ok(), serde_json::from_slice::<IgnoredAny>(&body).is_ok());
    }
}
