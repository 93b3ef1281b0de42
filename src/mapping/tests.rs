use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::config::mapping::MappingConfig;

fn config(text: &str) -> MappingConfig {
    let text = format!("from: v1\nto: v2\n{}", text.replace("\n        ", "\n"));
    serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn transform(rules: &str) -> Transform {
    let mapping = Mapping::compile(&config(&format!("request: {rules}")));
    mapping.unwrap_or_else(|problems| panic!("{problems:#?}")).upwards().unwrap()
}

fn map(rules: &str, body: &str) -> Result<String, String> {
    let mapped = transform(rules).apply(body.as_bytes()).map_err(|error| error.to_string())?;
    Ok(String::from_utf8(mapped.to_vec()).unwrap())
}

#[track_caller]
fn maps(rules: &str, body: &str, expected: &str) {
    assert_eq!(map(rules, body).as_deref(), Ok(expected), "{rules}\n{body}");
}

#[track_caller]
fn refuses(rules: &str, body: &str, expected: &str) {
    assert_eq!(map(rules, body), Err(expected.to_owned()), "{rules}\n{body}");
}

#[test]
fn members_are_renamed_where_they_are() {
    let rules = "[{ rename: { first_name: firstName, /contact/e-mail: email, \"/items/*/a\": b } }]";
    maps(
        rules,
        r#"{"id": 1, "first_name": "Ada", "contact": {"x":0, "e-mail":"a@b"}, "items":[{"a":1},{"c":2},3]}"#,
        r#"{"id":1,"firstName":"Ada","contact":{"x":0,"email":"a@b"},"items":[{"b":1},{"c":2},3]}"#,
    );
    maps("[{ rename: { a: b, b: a } }]", r#"{"a":1,"b":2}"#, r#"{"b":1,"a":2}"#);
    maps("[{ rename: { a: b } }]", "[1]", "[1]");
    maps("[{ rename: { a: b } }]", r#"{"\u0061":1}"#, r#"{"b":1}"#);
    refuses("[{ rename: { a: b } }]", r#"{"a":1,"b":2}"#, "`b` is there already");
}

#[test]
fn values_move() {
    let rules = "[{ move: { from: /contact/email, to: /email } }]";
    maps(rules, r#"{"contact":{"email":"a@b","x":1}}"#, r#"{"contact":{"x":1},"email":"a@b"}"#);
    maps(rules, r#"{"contact":"none"}"#, r#"{"contact":"none"}"#);
    maps("[{ move: { from: a, to: /x/y/z } }]", r#"{"a":[1, 2],"x":null}"#, r#"{"x":{"y":{"z":[1, 2]}}}"#);
    maps("[{ move: { from: /a, to: /a/b } }]", r#"{"a":1}"#, r#"{"a":{"b":1}}"#);
    maps(
        "[{ move: { from: /l/*/a, to: /l/*/b/c } }]",
        r#"{"l":[{"a":1},{},{"b":{"d":0},"a":2}]}"#,
        r#"{"l":[{"b":{"c":1}},{},{"b":{"d":0,"c":2}}]}"#,
    );
    maps("[{ move: { from: /l/0, to: /first } }]", r#"{"l":[1,2]}"#, r#"{"l":[2],"first":1}"#);
    refuses("[{ move: { from: a, to: /x/y } }]", r#"{"a":1,"x":2}"#, "`x` is no object");
    refuses("[{ move: { from: a, to: b } }]", r#"{"a":1,"b":2}"#, "`b` is there already");
}

#[test]
fn values_are_dropped_and_put() {
    maps(
        "[{ drop: [/internal, /l/*/secret, /m/*] }]",
        r#"{"internal":{},"l":[{"secret":1,"a":1}],"m":[1,2]}"#,
        r#"{"l":[{"a":1}],"m":[]}"#,
    );
    let defaults = "[{ default: { /status: active, /a/b: [1], \"/l/*/n\": null } }]";
    maps(
        defaults,
        r#"{"status":null,"l":[{},{"n":1},7]}"#,
        r#"{"status":null,"l":[{"n":null},{"n":1},7],"a":{"b":[1]}}"#,
    );
    maps("[{ set: { /v: { n: 1.5 }, \"/l/*\": 0 } }]", r#"{"v":1,"l":[1]}"#, r#"{"v":{"n":1.5},"l":[0]}"#);
    maps("[{ set: { v: 1 } }]", "[]", "[]");
    maps("[{ set: { \"/a\\n\": 1 } }]", r#"{"a\n":0}"#, r#"{"a\n":1}"#);
}

#[test]
fn values_are_exchanged() {
    let rules =
        |more: &str| format!("[{{ enum: {{ at: /s, map: {{ A: ACTIVE, 1: {{ n: 1 }} }} {more} }} }}]");
    maps(&rules(""), r#"{"s":"A"}"#, r#"{"s":"ACTIVE"}"#);
    maps(&rules(""), r#"{"s":1}"#, r#"{"s":{"n":1}}"#);
    maps(&rules(""), r#"{"s":"\u0041"}"#, r#"{"s":"ACTIVE"}"#);
    maps(&rules(""), r#"{"s":"B"}"#, r#"{"s":"B"}"#);
    maps(&rules(", otherwise: drop"), r#"{"s":"B","t":1}"#, r#"{"t":1}"#);
    maps(&rules(", otherwise: { value: null }"), r#"{"s":"B"}"#, r#"{"s":null}"#);
    maps(&rules(", otherwise: error"), r#"{"s":null}"#, r#"{"s":null}"#);
    refuses(&rules(", otherwise: error"), r#"{"s":"B"}"#, "`/s` is not a value of the list");
    refuses(&rules(""), r#"{"s":[]}"#, "`/s` is not text, a number or a boolean");
}

#[test]
fn members_are_gathered_and_spread() {
    let wrap = "[{ wrap: { fields: [street, city], into: address } }]";
    maps(wrap, r#"{"city":"B","x":1,"street":"A"}"#, r#"{"x":1,"address":{"street":"A","city":"B"}}"#);
    maps(wrap, r#"{"city":"B","address":{"zip":1}}"#, r#"{"address":{"zip":1,"city":"B"}}"#);
    maps(wrap, r#"{"x":1}"#, r#"{"x":1}"#);
    refuses(wrap, r#"{"city":"B","address":{"city":1}}"#, "`city` is there already");
    refuses(wrap, r#"{"city":"B","address":7}"#, "`address` is no object");
    maps(
        "[{ wrap: { fields: [a], into: /l/*/o/p } }]",
        r#"{"l":[{"a":1},{"b":1}]}"#,
        r#"{"l":[{"o":{"p":{"a":1}}},{"b":1}]}"#,
    );
    let unwrap = "[{ unwrap: address }]";
    maps(
        unwrap,
        r#"{"a":1,"address":{"street":"A", "x":{ }},"b":2}"#,
        r#"{"a":1,"street":"A","x":{ },"b":2}"#,
    );
    maps(unwrap, r#"{"address":null}"#, r#"{"address":null}"#);
    maps("[{ unwrap: /l/*/o }]", r#"{"l":[{"o":{"a":1}}]}"#, r#"{"l":[{"a":1}]}"#);
    refuses(unwrap, r#"{"a":1,"address":{"a":1}}"#, "`a` is there already");
}

/// Compared one by one, these names would keep a thread busy for minutes.
#[test]
fn many_names_are_gathered_and_spread_as_well() {
    let members = |letter: char| (0..60_000).map(move |n| format!("\"{letter}{n}\":1"));
    let many = |more: &[&str]| {
        let outer: Vec<String> = members('o').collect();
        let inner: Vec<String> =
            members('i').chain(more.iter().map(|name| format!("\"{name}\":1"))).collect();
        format!("{{\"in\":{{{}}},{}}}", inner.join(","), outer.join(","))
    };
    let mapped = map("[{ unwrap: in }]", &many(&[])).unwrap();
    assert!(mapped.starts_with(r#"{"i0":1,"i1":1,"#) && mapped.ends_with(r#""o59999":1}"#));
    refuses("[{ unwrap: in }]", &many(&["x", "\\u006f7"]), "`o7` is there already");
}

#[test]
fn texts_are_split_and_joined() {
    let split = "[{ split: { from: /name, by: \" \", into: [/first, /last] } }]";
    maps(split, r#"{"name":"Ada King Lovelace"}"#, r#"{"first":"Ada","last":"King Lovelace"}"#);
    maps(split, r#"{"name":"Ada"}"#, r#"{"first":"Ada"}"#);
    maps(split, r#"{"name":"\"A\u0064a\" \\"}"#, r#"{"first":"\"Ada\"","last":"\\"}"#);
    maps(split, r#"{"name":null}"#, r#"{"name":null}"#);
    refuses(split, r#"{"name":7}"#, "`/name` is not text");
    refuses(split, r#"{"name":"A B","last":1}"#, "`last` is there already");
    let join = "[{ join: { from: [/first, /p/last], with: \" \", into: /p/name } }]";
    maps(join, r#"{"first":"A\n","p":{"last":7}}"#, r#"{"p":{"name":"A\n 7"}}"#);
    maps(join, r#"{"first":null,"p":{}}"#, r#"{"p":{}}"#);
    refuses(join, r#"{"first":[]}"#, "`/p/name` is not text, a number or a boolean");
}

#[test]
fn elements_go_through_rules_of_their_own() {
    let rules =
        "[{ each: { at: /items, do: [{ rename: { a: b } }, { each: { at: l, do: [{ drop: x }] } }] } }]";
    maps(rules, r#"{"items":[{"a":1,"l":[{"x":1}]},2],"a":3}"#, r#"{"items":[{"b":1,"l":[{}]},2],"a":3}"#);
    let root = "[{ each: { do: [{ rename: { a: b } }] } }]";
    maps(root, r#" [{"a":1} , {"a":2}] "#, r#"[{"b":1},{"b":2}]"#);
    maps(root, r#"{"a":1}"#, r#"{"b":1}"#);
    maps(root, "7", "7");
}

#[test]
fn types_and_dates_change() {
    let rules = "[{ convert: { at: /age, to: number } }, { convert: { at: \"/l/*\", to: string } }]";
    maps(rules, r#"{"age":"007","l":[]}"#.replace("007", "7").as_str(), r#"{"age":7,"l":[]}"#);
    maps(rules, r#"{"age":1.0,"l":[1.0,true,null,"x"]}"#, r#"{"age":1.0,"l":["1.0","true",null,"x"]}"#);
    refuses(rules, r#"{"age":"seven"}"#, "`/age` is not a number");
    let date = "[{ date: { at: /dob, from: \"%d/%m/%Y\", to: date } }]";
    maps(date, r#"{"dob":"31/01/1980"}"#, r#"{"dob":"1980-01-31"}"#);
    refuses(date, r#"{"dob":"1980-01-31"}"#, "`/dob` is not such a date");
}

#[test]
fn what_no_rule_names_stays_as_it_is() {
    let untouched = r#"{"big": 12345678901234567890.10e+5 , "t" : "\u00e9\/", "o":{ "b":1, "a":[ ] }}"#;
    maps(
        "[{ rename: { x: y } }]",
        untouched,
        r#"{"big":12345678901234567890.10e+5,"t":"\u00e9\/","o":{ "b":1, "a":[ ] }}"#,
    );
    refuses(
        "[{ drop: x }]",
        r#"{"a":1,"a":2}"#,
        "not usable JSON: a member twice in the object that ends at byte 12",
    );
}

#[test]
fn a_chain_reads_once_and_writes_once() {
    let compile = |rules: &str| Mapping::compile(&config(&format!("request: {rules}"))).unwrap().up;
    let chain = Transform::chain([
        compile("[{ set: { /meta: { tags: [{ k: 1 }] } } }]"),
        compile("[]"),
        compile("[{ rename: { \"/meta/tags/*/k\": key } }, { move: { from: /meta/tags, to: /tags } }]"),
    ]);
    let mapped = chain.unwrap().apply(b"{}").unwrap();
    assert_eq!(mapped, r#"{"meta":{},"tags":[{"key":1}]}"#);
    assert!(Transform::chain([compile("[]")]).is_none());
}

fn problems(text: &str) -> Vec<String> {
    let found = match Mapping::compile(&config(text)) {
        Ok(mapping) => mapping.run_tests(),
        Err(problems) => problems,
    };
    found.into_iter().map(|problem| format!("{}: {}", problem.path, problem.message)).collect()
}

#[test]
fn every_mistake_is_found_in_its_place() {
    let found = problems(
        "statuses: [99]
        max_response: 0
        request:
        - rename: { a/b: c, d: /e, f: f }
        - move: { from: \"/l/*/a\", to: /b }
        - drop: [\"\", /x~]
        - enum: { at: s, map: {} }
        - wrap: { fields: [/a, o], into: o }
        - split: { from: n, by: \"\", into: [p] }
        - join: { from: [q], with: x, into: r }
        - date: { at: t, from: yesterday, to: \"%H\" }
        - each: { at: u, do: [{ convert: { at: v/w, to: number } }] }
        - move: { from: /a/b, to: /a }
        tests: [{ direction: request }, { round_trip: 1, input: 2 }]
        ",
    );
    let expected = [
        "request[0].rename[\"a/b\"]: `a/b` is no path",
        "request[0].rename.d: `/e` is no name of a member",
        "request[0].rename.f: is renamed to what it is called already",
        "request[1].move: its paths belong to different elements",
        "request[2].drop[0]: an empty path names nothing",
        "request[2].drop[1]: `/x~` has a `~` that is no escape",
        "request[3].enum.map: lists nothing",
        "request[4].wrap.fields[0]: `/a` is no name of a member",
        "request[5].split.by: an empty text separates nothing",
        "request[6].join.from: puts nothing together",
        "request[7].date.from: `yesterday` is no way to write a date",
        "request[7].date.to: `%H` does not say which day it is, or only half of the time",
        "request[8].each.do[0].convert.at: `v/w` is no path",
        "request[9].move.to: is where the value comes from",
        "statuses[0]: 99 is no status of a response with a body",
        "max_response: must be more than zero",
        "tests[0]: is not a whole test",
        "tests[1].round_trip: stands beside parts of another test",
    ];
    assert_eq!(found, expected);
    let same = MappingConfig { to: "v1".parse().unwrap(), ..config("") };
    assert_eq!(Mapping::compile(&same).unwrap_err()[0].message, "leads from `v1` to `v1`");
}

#[test]
fn rules_that_cannot_work_together_are_found() {
    for (rules, expected) in [
        ("[{ drop: a }, { rename: { /a/b: c } }]", "request[1].rename[\"/a/b\"]: nothing is left at `/a/b`"),
        (
            "[{ rename: { a: b } }, { convert: { at: a, to: string } }]",
            "request[1].convert.at: nothing is left at `/a`",
        ),
        ("[{ rename: { a: c, b: c } }]", "request[0].rename.b: `/c` is written twice"),
        ("[{ move: { from: a, to: c } }, { set: { c: 1 } }]", "request[1].set.c: `/c` is written twice"),
        ("[{ default: { c: 1 } }, { rename: { a: c } }]", "request[1].rename.a: `/c` is written twice"),
        (
            "[{ each: { at: l, do: [{ drop: x }] } }, { drop: \"/l/*/x\" }]",
            "request[1].drop: nothing is left at `/l/*/x`",
        ),
    ] {
        assert_eq!(problems(&format!("request: {rules}")), [expected], "{rules}");
    }
    for rules in [
        "[{ rename: { a: b, b: a } }]",
        "[{ rename: { a: b } }, { default: { b: 1 } }]",
        "[{ drop: a }, { set: { a: 1 } }, { convert: { at: a, to: string } }]",
        "[{ move: { from: a, to: /a/b } }, { rename: { /a/b: c } }]",
        "[{ enum: { at: a, map: { x: y } } }, { drop: a }]",
    ] {
        assert_eq!(problems(&format!("request: {rules}")), [""; 0], "{rules}");
    }
}

#[test]
fn what_is_lost_has_to_be_declared() {
    let rules = "request: [{ rename: { a: b } }]\nresponse: [{ rename: { b: a } }, { drop: c }]\n";
    assert_eq!(problems(rules), ["response[1].drop: `/c` is dropped, and the way back does not restore it"]);
    assert_eq!(problems(&format!("{rules}lossy: [\"response: /c is dropped\"]")), [""; 0]);
    assert_eq!(problems(&format!("{rules}lossy: true")), [""; 0]);
    assert_eq!(problems("response: [{ drop: c }]"), [""; 0]);
    assert_eq!(problems("response: [{ drop: c }]\nrequest: [{ set: { c: 1 } }]"), [""; 0]);
    let blur = "request: [{ enum: { at: s, map: { A: X, B: X }, otherwise: drop } }]\nresponse: [{ rename: { s: t } }]";
    assert_eq!(
        problems(blur),
        [
            "request[0].enum.map.B: `/s` becomes what others become, and the way back does not restore it",
            "request[0].enum.otherwise: `/s` becomes what others become, and the way back does not restore it",
        ]
    );
}

#[test]
fn fixtures_tell_what_differs() {
    let rules = "request: [{ rename: { a: b } }, { convert: { at: n, to: number } }]\nresponse: [{ rename: { b: a } }]\n";
    let with = |tests: &str| problems(&format!("{rules}tests: [{tests}]"));
    assert_eq!(with("{ direction: request, input: { a: [1, null] }, output: { b: [1, null] } }"), [""; 0]);
    assert_eq!(with("{ round_trip: { a: { c: 1 } } }"), [""; 0]);
    assert_eq!(
        with("{ direction: request, input: { a: 1, x: p }, output: { a: 1, x: z } }"),
        [
            "tests[0].output: the body becomes something else: `/a` is missing; `/x` is \"p\" instead of \"z\"; \
          `/b` is there, but not expected"
        ]
    );
    assert_eq!(
        with("{ direction: request, input: { n: \"7\" }, output: { n: 7 } }"),
        ["tests[0].input: comes back changed: `/n` is 7 instead of \"7\""]
    );
    assert_eq!(
        with("{ round_trip: { n: \"7\" } }"),
        ["tests[0].round_trip: comes back changed: `/n` is 7 instead of \"7\""]
    );
    assert_eq!(
        with("{ direction: request, input: { n: x }, output: 1 }"),
        ["tests[0].input: cannot be mapped: `n` is not a number"]
    );
}

/// Any JSON value with few names, so that rules meet them.
fn bodies() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-c \"\\\\\u{e9}\n]{0,6}".prop_map(Value::from),
        Just(json!("31/01/1980")),
    ];
    leaf.prop_recursive(4, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map("[a-f]", inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Rules over the names of [`bodies`].
fn rules() -> impl Strategy<Value = String> {
    let path = "(/[a-d*01]){1,3}";
    let rule = prop_oneof![
        (path, "[a-d]").prop_map(|(a, b)| format!("rename: {{ \"{a}\": {b} }}")),
        (path, path).prop_map(|(a, b)| format!("move: {{ from: \"{a}\", to: \"{b}\" }}")),
        path.prop_map(|a| format!("drop: \"{a}\"")),
        path.prop_map(|a| format!("default: {{ \"{a}\": [1] }}")),
        path.prop_map(|a| format!("set: {{ \"{a}\": {{ a: {{ b: 1 }} }} }}")),
        path.prop_map(|a| format!(
            "enum: {{ at: \"{a}\", map: {{ a: 1, \"true\": {{}} }}, otherwise: drop }}"
        )),
        path.prop_map(|a| format!("wrap: {{ fields: [a, b], into: \"{a}\" }}")),
        path.prop_map(|a| format!("unwrap: \"{a}\"")),
        (path, path).prop_map(|(a, b)| format!("split: {{ from: \"{a}\", by: \" \", into: [\"{b}\", /z] }}")),
        (path, path)
            .prop_map(|(a, b)| format!("join: {{ from: [\"{a}\", /c], with: \" \", into: \"{b}\" }}")),
        (path, path).prop_map(|(a, b)| format!("each: {{ at: \"{a}\", do: [{{ unwrap: \"{b}\" }}] }}")),
        path.prop_map(|a| format!("convert: {{ at: \"{a}\", to: string }}")),
        path.prop_map(|a| format!("date: {{ at: \"{a}\", from: \"%d/%m/%Y\", to: unix }}")),
    ];
    prop::collection::vec(rule, 1..5)
        .prop_map(|rules| rules.iter().map(|rule| format!("- {rule}\n")).collect::<String>())
}

proptest! {
    #[test]
    fn no_rules_and_no_body_upset_it(rules in rules(), body in bodies(), garbage in prop::collection::vec(any::<u8>(), 0..32)) {
        if let Ok(mapping) = Mapping::compile(&config(&format!("request:\n{rules}"))) {
            let transform = mapping.upwards().unwrap();
            if let Ok(mapped) = transform.apply(body.to_string().as_bytes()) {
                prop_assert!(serde_json::from_slice::<Value>(&mapped).is_ok(), "{mapped:?}");
                prop_assert!(scan::scan(&mapped).is_ok(), "{mapped:?}");
            }
            let _ = transform.apply(&garbage);
        }
    }

    /// Rules about `/a` to `/d` only: `/e` and `/f` leave as they came, byte for byte.
    #[test]
    fn what_no_rule_names_is_never_changed(rules in rules(), mut body in bodies(), kept in bodies()) {
        prop_assume!(!rules.contains("unwrap") && body.is_object());
        let printed = serde_json::to_string_pretty(&kept).unwrap();
        if let Some(members) = body.as_object_mut() {
            members.remove("e");
            members.remove("f");
        }
        let text = body.to_string();
        let comma = if text == "{}" { "" } else { "," };
        let text = format!("{{\"e\":{printed}{comma}{},\"f\":-0.10E1}}", &text[1..text.len() - 1]);
        if let Ok(mapping) = Mapping::compile(&config(&format!("request:\n{rules}")))
            && let Ok(mapped) = mapping.upwards().unwrap().apply(text.as_bytes())
        {
            let mapped = String::from_utf8(mapped.to_vec()).unwrap();
            let start = format!("{{\"e\":{printed}");
            prop_assert!(mapped.starts_with(&start), "{mapped}");
            prop_assert!(mapped.contains("\"f\":-0.10E1"), "{mapped}");
        }
    }
}
