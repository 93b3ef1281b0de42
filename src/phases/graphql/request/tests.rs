use proptest::prelude::*;

use super::*;

fn one(body: &str) -> Result<Params, Malformed> {
    match of_body(body.as_bytes())? {
        Requested::One(params) => Ok(params),
        Requested::Many(_) => panic!("{body} is a list"),
    }
}

const HASH: &str = "ecf4edb46db40b5132295c0291d62fb65d6759a9eedfa4d5d612dd5ec54a6b38";

#[test]
fn null_members_are_left_out_members() {
    let plain = one(r#"{"query":"{a}"}"#).unwrap();
    let nulls = one(r#"{"query":"{a}","operationName":null,"variables":null,"extensions":null}"#).unwrap();
    assert_eq!(plain, nulls);
    assert_eq!(plain.query.as_deref(), Some("{a}"));
}

#[test]
fn members_of_the_wrong_type_are_named() {
    for wrong in ["0", "false", "[]", "{}"] {
        assert_eq!(one(&format!(r#"{{"query":{wrong}}}"#)), Err(Malformed::Kind("query", "a text")));
        let body = format!(r#"{{"query":"{{a}}","operationName":{wrong}}}"#);
        assert_eq!(one(&body), Err(Malformed::Kind("operationName", "a text")));
    }
    for wrong in ["0", "false", "[]", "\"a\""] {
        for name in ["variables", "extensions"] {
            let body = format!(r#"{{"query":"{{a}}","{name}":{wrong}}}"#);
            assert_eq!(one(&body), Err(Malformed::Kind(name, "an object")));
        }
    }
}

#[test]
fn what_is_no_request_is_said() {
    assert_eq!(one("{ \"not"), Err(Malformed::Json));
    assert_eq!(one(""), Err(Malformed::Json));
    assert_eq!(one("3"), Err(Malformed::Object));
    assert_eq!(one("{}"), Err(Malformed::NoQuery));
    assert_eq!(one(r#"{"query":""}"#), Err(Malformed::NoQuery));
}

#[test]
fn a_list_keeps_its_places() {
    let Ok(Requested::Many(items)) = of_body(br#"[{"query":"{a}"},3,{}]"#) else { panic!("a list") };
    assert!(items[0].is_ok());
    assert_eq!(items[1..], [Err(Malformed::Object), Err(Malformed::NoQuery)]);
}

#[test]
fn a_document_is_named_by_its_hash() {
    let named = |version: &str, hash: &str| {
        one(&format!(
            r#"{{"extensions":{{"persistedQuery":{{"version":{version},"sha256Hash":"{hash}"}}}}}}"#
        ))
    };
    let params = named("1", HASH).unwrap();
    assert_eq!((sha256::hexadecimal(&params.hash.unwrap()), params.query), (HASH.to_owned(), None));
    assert_eq!(named("1", &HASH.to_uppercase()).unwrap().hash, named("1", HASH).unwrap().hash);
    assert_eq!(named("2", HASH), Err(Malformed::Hash));
    assert_eq!(named("1", &HASH[1..]), Err(Malformed::Hash));
    assert_eq!(named("1", &format!("é{}", &HASH[2..])), Err(Malformed::Hash));
    assert_eq!(one(r#"{"extensions":{"persistedQuery":{}}}"#), Err(Malformed::Hash));
}

#[test]
fn a_query_is_read_as_a_form_is_encoded() {
    let params =
        of_query(Some("query=%7B+a%7D&variables=%7B%22b%22%3A1%7D&operationName=Q&other=1")).unwrap();
    assert_eq!(params.query.as_deref(), Some("{ a}"));
    assert_eq!(params.operation.as_deref(), Some("Q"));
    assert_eq!(params.variables.unwrap()["b"], 1);
    assert_eq!(of_query(Some("query=a&query=b")), Err(Malformed::Twice("query")));
    assert_eq!(of_query(Some("query=a&variables=x")), Err(Malformed::ParameterJson("variables")));
    assert_eq!(of_query(Some("query=a&variables=1")), Err(Malformed::Kind("variables", "an object")));
    assert_eq!(of_query(Some("query=%ff")), Err(Malformed::Utf8("query")));
    assert_eq!(of_query(None), Err(Malformed::NoQuery));
    assert_eq!(
        of_query(Some("query=a&variables=&operationName=")).unwrap(),
        of_query(Some("query=a")).unwrap()
    );
}

#[test]
fn a_fingerprint_is_of_what_is_meant() {
    let print = |text: &str| of_query(Some(text)).unwrap().fingerprint().unwrap();
    let plain = print("query={a}&variables={\"b\":1,\"c\":{\"d\":[2],\"e\":3}}");
    assert_eq!(plain, print("variables={\"c\":{\"e\":3,\"d\":[2]},%20\"b\":1}&query=%7Ba%7D"));
    assert_ne!(plain, print("query={a}&variables={\"b\":1,\"c\":{\"d\":[2],\"e\":4}}"));
    assert_ne!(plain, print("query={a}&variables={\"b\":\"1\",\"c\":{\"d\":[2],\"e\":3}}"));
    assert_eq!(print("query={a}"), print("query={a}&variables={}"));
    assert_ne!(print("query={a}"), print("query={a}&operationName=A"));
    let hash = sha256::hexadecimal(&sha256::of(b"{a}"));
    let named = format!("extensions={{\"persistedQuery\":{{\"version\":1,\"sha256Hash\":\"{hash}\"}}}}");
    assert_eq!(print("query={a}"), print(&named));
    assert_eq!(print("query={a}"), print(&format!("query={{a}}&{named}")));
    assert_eq!(of_query(Some(&format!("query={{b}}&{named}"))).unwrap().fingerprint(), None);
}

proptest! {
    #[test]
    fn nothing_breaks_the_readers(body in ".{0,80}") {
        let _ = of_body(body.as_bytes());
        let _ = of_query(Some(&body));
    }
}
