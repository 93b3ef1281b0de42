use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::graphql::schema::{BatchStyle, CacheScope, NotFound, Resolve, TypeKind};

/// A schema that uses all there is.
pub(in crate::graphql) const SCHEMA: &str = r#"
schema
  @source(name: "patients", route: "/api/v2/patients/", timeout: "2s", headers: { X_Tenant: "{claims.tenant}" }, maxConcurrent: 4)
  @source(name: "visits", route: "/api/v2/appointments") { query: Query mutation: Mutation }

scalar Date
scalar DateTime
scalar JSON @specifiedBy(url: "https://json.org")

"How things stand."
enum Status {
  BOOKED @wire(value: "booked")
  DONE @deprecated(reason: "see PAST")
  PAST
}

interface Node { id: ID! }
interface Event implements Node @discriminate(field: "kind") { id: ID! at: DateTime }
union Found = Patient | Visit

type Query {
  patient(id: ID!): Patient @rest(source: "patients", get: "/{args.id}") @cacheControl(maxAge: 60, scope: PRIVATE)
  patients(limit: Int = 20, offset: Int = 0, filter: Filter = { status: BOOKED }): [Patient!]!
    @rest(source: "patients", get: "", query: { limit: "{args.limit}", status: "{args.filter.status}", all: true }, select: "data.items")
    @listSize(slicing: "limit", assumed: 20, max: 100)
  events: [Event!]! @rest(source: "visits", get: "/events")
  search(text: String!): [Found!] @rest(source: "patients", post: "/search", body: { text: "{args.text}", deep: [1, "{args.text}"] })
}

type Mutation {
  book(input: Booking!): Visit! @auth(scopes: ["visits:write"], roles: "clerk")
    @rest(source: "visits", post: "", body: "{args.input}", invalidates: ["/{args.input.patientId}"])
  cancel(id: ID!): Visit @rest(source: "visits", delete: "/{args.id}", notFound: NULL)
}

type Patient implements Node @auth {
  id: ID!
  name: String! @from(path: "name.full")
  born: Date
  secret: String @auth(roles: ["doctor", "nurse"])
  visits(status: Status): [Visit!]!
    @rest(source: "visits", get: "", query: { status: "{args.status}" }, batch: { param: "patientIds", key: "patientId", max: 50 })
    @cost(weight: 3)
}

type Visit implements Node & Event @wire(value: "visit") @cacheControl(inheritMaxAge: true) {
  id: ID!
  at: DateTime
  patientId: ID!
  status: Status!
  extra: JSON
  patient: Patient @rest(source: "patients", get: "/{parent.patientId}")
}

input Filter { status: Status = PAST, range: Range = {}, tags: [String!] = "a" }
input Range { from: Int = 1, to: Int }
input Booking { patientId: ID!, status: Status!, note: String }
input Key @oneOf { id: ID, name: String }
extend type Query { own(id: ID!, key: Key): Patient @rest(source: "patients", get: "/{args.id}") @auth(owner: { is: "{args.id}" }) }
directive @cost(weight: Int!) on FIELD_DEFINITION
"#;

/// The schema of tests.
pub(in crate::graphql) fn schema() -> Schema {
    read(SCHEMA).unwrap_or_else(|problems| panic!("{problems:#?}")).schema
}

#[test]
fn the_model_says_what_the_file_says() {
    let schema = schema();
    let field = |ty: &str, name: &str| {
        let id = schema.find(ty).unwrap();
        schema.field(id, schema.find_field(id, name).unwrap())
    };
    let rest = |ty: &str, name: &str| match &field(ty, name).resolve {
        Resolve::Rest(rest) => rest,
        Resolve::Member(path) => panic!("{path:?}"),
    };
    assert_eq!(&*schema.sources[0].route, "/api/v2/patients");
    assert_eq!(schema.sources[0].headers[0].0, "x-tenant");
    assert_eq!(schema.sources[0].max_concurrent, Some(4));
    let patients = field("Query", "patients");
    assert_eq!(schema.display(&patients.ty), "[Patient!]!");
    assert_eq!(patients.list_size.as_ref().unwrap().slicing, Some(0));
    assert_eq!(patients.args[0].default, Some(json!(20)));
    let filter = json!({ "status": "BOOKED", "range": { "from": 1 }, "tags": ["a"] });
    assert_eq!(patients.args[2].default, Some(filter));
    assert_eq!(&*rest("Query", "patients").select, [Box::from("data"), Box::from("items")]);
    assert_eq!(rest("Query", "patient").not_found, NotFound::Null);
    assert_eq!(rest("Query", "patients").not_found, NotFound::Error);
    assert_eq!(rest("Mutation", "cancel").not_found, NotFound::Null);
    assert_eq!(field("Query", "patient").cache.as_ref().unwrap().scope, Some(CacheScope::Private));
    let batch = rest("Patient", "visits").batch.as_ref().unwrap();
    assert_eq!((batch.style, batch.max), (BatchStyle::Csv, 50));
    assert_eq!(field("Patient", "visits").cost, Some(3));
    let Resolve::Member(path) = &field("Patient", "name").resolve else { panic!("a call") };
    assert_eq!(path.join("/"), "name/full");
    let auth = field("Mutation", "book").auth.as_ref().unwrap();
    assert_eq!((&*auth.scopes[0], &*auth.roles[0]), ("visits:write", "clerk"));
    assert_eq!(&*field("Query", "own").auth.as_ref().unwrap().owner.as_ref().unwrap().claim, "sub");
    let TypeKind::Interface(event) = &schema.get(schema.find("Event").unwrap()).kind else { panic!("none") };
    assert_eq!(event.discriminator.values, [("visit".into(), schema.find("Visit").unwrap())]);
    assert_eq!(&*event.discriminator.member, "kind");
    let TypeKind::Enum(status) = &schema.get(schema.find("Status").unwrap()).kind else { panic!("none") };
    assert_eq!(&*status.by_wire("booked").unwrap().name, "BOOKED");
    assert_eq!(status.values[1].deprecated.as_deref(), Some("see PAST"));
}

/// The findings of a schema as `line:column: message`, hints after a bar.
fn findings(text: &str) -> Vec<String> {
    let problems = read(text).err().unwrap_or_default();
    let shown = |problem: &Problem| {
        let at = problem.inside.map(|at| at.to_string()).unwrap_or_default();
        let hint = problem.hint.as_ref().map(|hint| format!(" | {hint}")).unwrap_or_default();
        format!("{at}: {}{hint}", problem.message)
    };
    problems.iter().map(shown).collect()
}

#[test]
fn everything_wrong_is_reported_at_once_with_its_place() {
    let text = r#"schema @source(name: "a", route: "/a") { query: Query }
type Query {
  one(id: ID!): Thing @rest(source: "b", get: "/{args.di}")
  two: Thnig @rest(source: "a", gte: "/")
  __three: Int @rest(source: "a", get: "/x")
  four: Int
  five(limit: Int = "x"): [Int] @rest(source: "a", get: "/../{parent.id}", query: { l: "{args.limit}" })
  five: Int @rest(source: "a", get: "/")
  six(id: ID): Thing! @rest(source: "a", get: "/{args.id}")
}
type Thing implements Node @nope {
  id: Int
  list: [Thing] @rest(source: "a", get: "", batch: { param: "ids", key: "thingsId" })
}
interface Node { id: ID! name: String }
input Loop { loop: Loop! }
enum Empty { A A }
"#;
    let expected = [
        "3:37: unknown source `b` | define it: `schema @source(name: …, route: …) { query: Query }`",
        "3:47: `{args.di}`: unknown argument `di` | did you mean `id`?",
        "4:8: unknown type `Thnig` | did you mean `Thing`?",
        "4:33: `@rest` has no argument `gte` | did you mean `get`?",
        "5:3: `__three`: names that start with `__` are GraphQL's own",
        "6:3: `Query.four` has no parent to come from | say where its value comes from with `@rest`",
        "7:21: the default does not fit: Int cannot represent non-integer value: \"x\"",
        "7:57: `{parent.id}`: a root field has no parent",
        "8:3: `Query.five` is defined twice",
        "9:23: `six` is never null, but its path needs `args.id`, which may be null | make the argument non-null, or the field nullable",
        "11:6: `Thing` lacks the field `Node.name` of its interface",
        "11:28: unknown directive `@nope`",
        "12:3: `id` is `Int`, but `Node.id` is `ID!`",
        "13:52: no field of `Thing` comes from the member `thingsId` | the key of a batch is a member of each answered element that has a field",
        "16:7: `Loop` needs itself without end | make one of the fields on the way nullable, or a list",
        "17:16: `A` is defined twice",
    ];
    assert_eq!(findings(text), expected);
}

#[test]
fn nothing_is_read_and_ignored() {
    let query = "type Query { a: Int @rest(source: \"s\", get: \"/a\") }";
    let source = "schema @source(name: \"s\", route: \"/s\") { query: Query }";
    for (more, message) in [
        ("directive @mine on FIELD", "`@mine` would have no effect"),
        ("extend type Nope { a: Int }", "there is no `Nope` to extend"),
        ("type T { a: Int @from(path: \"b\") @from(path: \"c\") }", "`@from` stands here twice"),
        ("type T @wire(value: \"t\") { a: Int }", "`@wire` has no effect"),
        ("type T { a: Int @listSize(max: 3) }", "`a` is no list"),
        ("type T { a: [Int] @listSize(max: 3) }", "`max` has no effect without `slicing`"),
        ("type T { a: Int @cacheControl }", "`@cacheControl` says nothing"),
        ("type T { a: Int @cacheControl(maxAge: 1, inheritMaxAge: true) }", "contradict each other"),
        ("type T { a: Int @from(path: \"b\") @rest(source: \"s\", get: \"/a\") }", "`@from` has no effect"),
        ("type T { a: Int @auth(owner: { is: \"{parent.a}\" }) }", "decided before any call"),
        ("type T { a: Int @rest(source: \"s\", get: \"/a\", post: \"/b\") }", "exactly one of"),
        (
            "type T { a: Int @rest(source: \"s\", put: \"/a\") }",
            "belongs to a field of the type of mutations",
        ),
        (
            "type T { a: Int @rest(source: \"s\", get: \"/a\", body: \"{parent.b}\") b: Int }",
            "a GET has no body",
        ),
        ("type T { a: Int @rest(source: \"s\", get: \"a\") }", "does not start with a slash"),
        ("type T { a: Int @rest(source: \"s\", get: \"/a?b=c\") }", "has a query"),
        (
            "type T { a: Int @rest(source: \"s\", get: \"/{parent.b}\") b: Int @rest(source: \"s\", get: \"\") }",
            "the result of a call itself",
        ),
        ("type T { a: Int @rest(source: \"s\", get: \"/a\", headers: { Cookie: \"x\" }) }", "cannot be set"),
        (
            "type T { a: [U] @rest(source: \"s\", get: \"/{parent.i}\", batch: { param: \"i\", key: \"i\", value: \"{parent.i}\" }) i: ID } type U { i: ID }",
            "nothing but `value` of `batch`",
        ),
        ("type T { a: Int @auth(scopes: []) }", "`scopes` is empty"),
        ("type T { a: Int } type T { b: Int }", "`T` is defined twice"),
        ("scalar Int", "`Int` is built in"),
        ("input I { a: Int! @deprecated }", "cannot be deprecated"),
        ("input I { a: I2 = {} } input I2 { b: I = {} }", "this default needs itself"),
        ("input I @oneOf { a: Int! }", "nullable, without default"),
        ("interface N { a: Int } type T implements N { a: Int b: N }", ""),
        ("interface N { f(x: Int): Int } type T implements N { f(y: Int!): Int }", "lacks the argument `x`"),
        ("union U = T | T type T { a: Int }", "`T` is named twice"),
        ("type T { a(b: T): Int }", "is no input type"),
        ("input I { a: Int } type T { a: I }", "is no type that a field can have"),
        ("type T { a: Int @cost(weight: -1) }", "a whole number from 0"),
        ("type T { a: Int @rest(source: \"s\", get: \"\", query: { a: 1, a: 2 }) }", "`a` is given twice"),
        ("schema { query: Query }", "a second `schema`"),
    ] {
        let found = findings(&format!("{source}\n{query}\n{more}\n"));
        let is_found = found.iter().any(|line| line.contains(message));
        assert!(is_found || (message.is_empty() && found.is_empty()), "{more}\n{found:#?}");
    }
}

#[test]
fn malformed_text_has_its_place() {
    assert_eq!(findings("type Query {\n  a: }\n").len(), 1);
    assert!(findings("type Query {\n  a: }\n")[0].starts_with("2:6: syntax error: expected"));
    assert!(findings("type Query {\n  a: Int")[0].contains("expected `}`, found the end"));
    assert!(findings("")[0].starts_with("1:1: "));
    assert!(findings(&"[".repeat(100))[0].contains("nested more than 64 levels deep"));
}

#[test]
fn what_nothing_reaches_is_a_warning() {
    let text = "schema @source(name: \"s\", route: \"/s\") @source(name: \"t\", route: \"/t\") { query: Query }\n\
                type Query { a: Int @rest(source: \"s\", get: \"/a\") }\ntype T { a: Int }";
    let warnings = read(text).unwrap_or_else(|problems| panic!("{problems:?}")).warnings;
    let messages: Vec<_> = warnings.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(messages, ["no field uses the source `t`", "no query can reach `T`"]);
}

proptest! {
    #[test]
    fn no_text_makes_reading_panic(text in "\\PC*") {
        let _ = read(&text);
    }

    /// Pieces of a good schema, put together badly.
    #[test]
    fn no_piece_of_a_schema_makes_reading_panic(cuts in prop::collection::vec(0..SCHEMA.len(), 1..6)) {
        let mut text = String::new();
        for pair in cuts.windows(2) {
            let (from, to) = (pair[0].min(pair[1]), pair[0].max(pair[1]));
            text.push_str(SCHEMA.get(from..to).unwrap_or_default());
        }
        let _ = read(&text);
        let cut = cuts[0];
        let _ = read(&format!("{}{}", &SCHEMA.get(..cut).unwrap_or_default(), &SCHEMA.get(cut + 1..).unwrap_or_default()));
    }
}
