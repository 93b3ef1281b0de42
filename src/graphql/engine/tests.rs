use proptest::prelude::*;

use super::*;
use crate::graphql::sdl::tests::SCHEMA;

fn engine() -> Engine {
    Engine::build(SCHEMA, &GraphqlConfig::with_schema("test.graphql", SCHEMA), 1)
        .unwrap_or_else(|problems| panic!("{problems:#?}"))
}

/// What a document is refused for: code, place and message of each error.
fn refusal(engine: &Engine, text: &str) -> Vec<String> {
    let shown = |error: &GraphqlError| {
        let places: Vec<_> = error.locations.iter().map(ToString::to_string).collect();
        format!("{} {} {}", error.code.as_str(), places.join(" "), error.message)
    };
    match engine.prepare(text, None) {
        Prepared::Plan(_) => Vec::new(),
        Prepared::Refused(errors) => errors.iter().map(shown).collect(),
    }
}

#[test]
fn documents_that_fit_are_planned() {
    let engine = engine();
    for text in [
        "{ patient(id: 5) { id name visits(status: BOOKED) { at } } }",
        "query Q($id: ID!, $s: Status = PAST) { patient(id: $id) { ...P } } fragment P on Patient { visits(status: $s) { id } }",
        // The default of the argument makes up for the variable's.
        "query($l: Int) { patients(limit: $l) { id } }",
        "{ search(text: \"a\") { __typename ... on Patient { name } ... on Visit { status } } }",
        "{ events { id ... on Visit { patientId } ... on Event { at } } }",
        "{ __schema { types { name } } a: __typename patient(id: 1) { id } }",
        "mutation($i: Booking!) { book(input: $i) { id } }",
        "{ patients(filter: { range: { from: 1 } }) { id } }",
        // Fields of two objects never meet.
        "{ search(text: \"\") { ... on Patient { x: name } ... on Visit { x: status } } }",
    ] {
        // The last one differs in shape: `String!` and `Status!`.
        let found = refusal(&engine, text);
        let is_shape =
            found.iter().any(|error| error.contains("conflicting types \"String!\" and \"Status!\""));
        assert!(found.is_empty() || (text.contains("x: status") && is_shape), "{text}\n{found:#?}");
    }
}

#[test]
fn documents_that_do_not_fit_are_refused() {
    let engine = engine();
    for (text, error) in [
        ("{", "GRAPHQL_PARSE_FAILED 1:2 Syntax Error: expected `}`, found the end."),
        (
            "{ patient(id: 5) { id } patient(id: 6) { id } }",
            "GRAPHQL_VALIDATION_FAILED 1:3 1:25 Fields \"patient\" conflict because they have differing arguments",
        ),
        ("{ patient(id: 5) { x: id } ... { patient(id: 5) { x: name } } }", "Fields \"x\" conflict because"),
        ("{ patient(id: 5) { id { x } } }", "must not have a selection"),
        ("{ patient(id: 5) }", "must have a selection"),
        ("{ nope }", "1:3 Unknown field \"nope\" on type \"Query\"."),
        ("{ patient { id } }", "1:3 Argument \"id\" of type \"ID!\" is required, but it was not provided."),
        ("{ patient(id: 5, x: 1) { id } }", "Unknown argument \"x\""),
        ("{ patient(id: 1.5) { id } }", "ID cannot represent a non-string and non-integer value: 1.5"),
        (
            "{ patients(filter: { status: \"BOOKED\" }) { id } }",
            "Enum \"Status\" cannot represent non-enum value",
        ),
        (
            "{ patients(filter: { range: { to: 1, to: 2 } }) { id } }",
            "1:38 There can be only one input field named \"to\".",
        ),
        ("query($x: Nope) { patient(id: $x) { id } }", "1:11 Unknown type \"Nope\"."),
        ("query($x: [Nope!] = 1) { patient(id: $x) { id } }", "Unknown type \"Nope\"."),
        (
            "query($x: Int) { patient(id: $x) { id } }",
            "1:7 1:30 Variable \"$x\" of type \"Int\" used in position expecting type \"ID!\".",
        ),
        (
            "query($x: ID) { patient(id: $x) { id } }",
            "Variable \"$x\" of type \"ID\" used in position expecting type \"ID!\".",
        ),
        (
            "query($x: Int = \"a\") { patients(limit: $x) { id } }",
            "Int cannot represent non-integer value: \"a\"",
        ),
        ("query($x: Int) { patient(id: 1) { id } }", "Variable \"$x\" is not used"),
        ("{ patient(id: $x) { id } }", "Variable \"$x\" is not defined"),
        (
            "{ patient(id: 1) { id @skip(if: \"yes\") } }",
            "Boolean cannot represent a non boolean value: \"yes\"",
        ),
        ("{ patient(id: 1) { id @skip } }", "Argument \"if\" of type \"Boolean!\" is required"),
        ("{ patient(id: 1) { id @nope } }", "Unknown directive \"nope\""),
        ("{ ...A } fragment A on Query { ...A }", "Cannot spread fragment \"A\" within itself."),
        ("{ ...A }", "Unknown fragment"),
        ("{ patient(id: 1) { ... on Visit { id } } }", "Fragment cannot be spread here"),
        ("{ patient(id: 1) { id } } fragment F on Patient { id }", "Fragment \"F\" is never used"),
        (
            "query A { patient(id: 1) { id } } query B { patient(id: 1) { id } }",
            "OPERATION_NOT_FOUND  Must provide operation name",
        ),
        (
            "{ patient(id: 1) { id } } query B { patient(id: 1) { id } }",
            "anonymous operation must be the only",
        ),
        ("query A { __typename } query A { __typename }", "only one operation named \"A\""),
        ("subscription { a }", "Schema is not configured"),
        ("fragment F on Patient { id }", "OPERATION_NOT_FOUND"),
        ("{ __type(name: 5) { name } }", "String cannot represent a non string value: 5"),
    ] {
        let found = refusal(&engine, text);
        assert!(found.iter().any(|found| found.contains(error)), "{text}\n{error}\n{found:#?}");
    }
}

#[test]
fn an_operation_is_chosen_by_its_name() {
    let engine = engine();
    let text = "query A { __typename } query B { patient(id: 1) { id } }";
    let Prepared::Plan(plan) = engine.prepare(text, Some("B")) else { panic!("refused") };
    assert_eq!(plan.name.as_deref(), Some("B"));
    assert!(matches!(engine.prepare(text, Some("C")), Prepared::Refused(_)));
    assert!(matches!(engine.prepare("{ __typename }", Some("C")), Prepared::Refused(_)));
}

/// Fragments that each spread the next one twice.
fn doubling(levels: usize) -> String {
    let mut text = String::from("{...F0}");
    for level in 0..levels {
        text.push_str(&format!("fragment F{level} on Query{{...F{0} ...F{0}}}", level + 1));
    }
    text + &format!("fragment F{levels} on Query{{__typename}}")
}

#[test]
fn hostile_documents_are_refused_for_their_size() {
    let engine = engine();
    let too_complex = |text: &str| {
        let found = refusal(&engine, text);
        assert!(found[0].starts_with("QUERY_TOO_COMPLEX"), "{:.80}\n{found:?}", text);
    };
    for levels in [12, 17, 20, 24] {
        too_complex(&doubling(levels));
    }
    // Small when it is unfolded, but deep.
    let chain: String = (0..200).map(|n| format!("fragment F{n} on Query{{...F{}}}", n + 1)).collect();
    too_complex(&format!("{{...F0}}{chain}fragment F200 on Query{{__typename}}"));
    // Never spread by an operation, and as bad.
    too_complex(&doubling(20).replace("{...F0}", "{__typename}"));
    too_complex(&format!("{{{}}}", "patient(id:1){id}".repeat(4000)));
    too_complex(&format!("{{{}}}", "__typename ".repeat(1100)));
    too_complex(&format!("{{ patients(filter: {}{}) {{ id }} }}", "[".repeat(2000), "]".repeat(2000)));
    too_complex(&format!("{}{}", "{a".repeat(20_000), "}".repeat(20_000)));
    too_complex(&format!("{}{}", "{a".repeat(300), "}".repeat(300)));
    too_complex(&format!("{{{}}}", (0..16).map(|n| format!("a{n}:__typename ")).collect::<String>()));
    too_complex(&format!("{{{}}}", "patient(id:1){id} ".repeat(21)));
    too_complex(&format!("{{__typename {}}}", "@skip(if:true)".repeat(21)));
    too_complex(
        "{ patient(id:1) { visits { patient { visits { patient { visits { patient { visits { patient { visits { id } } } } } } } } } } }",
    );
    let cycle = "{...A} fragment A on Query {...B} fragment B on Query {...A}";
    assert!(refusal(&engine, cycle)[0].contains("within itself"));
    // Each operation is small; together they are not.
    let many: String = (0..150).map(|n| format!("query Q{n}{{...F0}}")).collect();
    too_complex(&(many + &doubling(7)["{...F0}".len()..]));
}

#[test]
fn introspection_may_be_deeper_than_queries() {
    let engine = engine();
    let nested = |levels: usize| {
        format!(
            "{{ __type(name: \"Query\") {{ {} name {} }} }}",
            "fields { type {".repeat(levels),
            "} }".repeat(levels)
        )
    };
    assert_eq!(refusal(&engine, &nested(6)), [""; 0]);
    assert!(refusal(&engine, &nested(8))[0].contains("looks more than 15 levels deep into the schema"));
}

#[test]
fn what_was_decided_once_is_remembered() {
    let engine = engine();
    let text = "{ patient(id: 1) { id } }";
    let Prepared::Plan(first) = engine.prepare(text, None) else { panic!("refused") };
    let Prepared::Plan(second) = engine.prepare(text, None) else { panic!("refused") };
    assert!(Arc::ptr_eq(&first, &second));
    let Prepared::Refused(first) = engine.prepare("{ nope }", None) else { panic!("planned") };
    let Prepared::Refused(second) = engine.prepare("{ nope }", None) else { panic!("planned") };
    assert!(Arc::ptr_eq(&first, &second));
    assert_eq!(engine.remembered().0, 2);
    assert_ne!(Key::new("ab", None, 1), Key::new("b", Some("a"), 1));
    assert_ne!(Key::new("a", None, 1), Key::new("a", Some(""), 1));
    assert_ne!(Key::new("a", None, 1), Key::new("a", None, 2));
}

#[test]
fn distinct_documents_stay_within_their_bytes() {
    let mut config = GraphqlConfig::with_schema("test.graphql", SCHEMA);
    config.limits.plans = crate::config::values::ByteSize::kib(256);
    let engine = Engine::build(SCHEMA, &config, 1).unwrap_or_else(|problems| panic!("{problems:?}"));
    for n in 0..500 {
        assert!(matches!(
            engine.prepare(&format!("{{ patient(id: {n}) {{ id }} }}"), None),
            Prepared::Plan(_)
        ));
        assert!(matches!(engine.prepare(&format!("{{ nope{n} }}"), None), Prepared::Refused(_)));
    }
    let (count, bytes) = engine.remembered();
    assert!(bytes <= 256 * 1024 && count < 1000, "{count} documents, {bytes} bytes");
}

#[test]
fn the_public_schema_has_no_directives_of_the_gateway() {
    let engine = engine();
    let sdl = engine.sdl();
    assert!(sdl.contains("patients(limit: Int = 20"), "{sdl}");
    assert!(sdl.contains("status: BOOKED"), "{sdl}");
    for hidden in ["@rest", "@source", "@auth", "@wire", "/api/v2"] {
        assert!(!sdl.contains(hidden), "{hidden}\n{sdl}");
    }
}

#[test]
fn the_shipped_schema_is_good() {
    let text = include_str!("../../../conf/demo/nilecare.graphql");
    let config = GraphqlConfig::with_schema("nilecare.graphql", text);
    let engine = Engine::build(text, &config, 1).unwrap_or_else(|problems| panic!("{problems:#?}"));
    assert_eq!(engine.warnings(), []);
    for document in [
        "{ patients(limit: 20) { firstName appointments { date } medications { name } labOrders { test } } }",
        "mutation($input: PatientInput!) { createPatient(input: $input) { id } }",
    ] {
        assert_eq!(refusal(&engine, document), [""; 0]);
    }
}

#[test]
fn calls_that_multiply_are_advised_against() {
    let engine = engine();
    let found: Vec<_> = engine.warnings().iter().map(|problem| (&*problem.path, &*problem.message)).collect();
    let message = "`Visit.patient` makes up to 100 calls under `patient.visits.patient`";
    assert!(found.iter().any(|(path, text)| *path == "schema" && text.starts_with(message)), "{found:#?}");
    assert!(!found.iter().any(|(_, text)| text.contains("`Patient.visits`")), "{found:#?}");
}

proptest! {
    #[test]
    fn no_document_makes_preparing_panic(text in "[a-z{}()\\[\\]:$!@\"=.,#0-9 \n]{0,60}") {
        let _ = engine().prepare(&text, None);
    }

    /// Words of the schema in any order.
    #[test]
    fn no_words_make_preparing_panic(words in prop::collection::vec(prop::sample::select(vec![
        "{", "}", "(", ")", "[", "]", ":", "$x", "!", "=", "...", "on", "query", "mutation", "fragment", "F", "Q",
        "patient", "patients", "Patient", "Visit", "Query", "id", "name", "visits", "search", "filter", "status",
        "BOOKED", "\"t\"", "5", "1.5", "null", "true", "@skip", "@include", "if", "Int", "[Filter!]", "Booking",
        "__typename", "__schema", "__type", "types", "limit",
    ]), 0..40)) {
        let _ = engine().prepare(&words.join(" "), None);
    }
}
