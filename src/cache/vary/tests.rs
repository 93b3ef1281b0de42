use proptest::prelude::*;

use super::*;

fn headers(fields: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(http::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
    }
    headers
}

fn variance(vary: &str, request: &[(&str, &str)]) -> Option<[u8; 16]> {
    let response = headers(&[("vary", vary)]);
    Vary::of_headers(&response).unwrap().variance(&KeyMaker::new(None), &headers(request))
}

fn same(name: &str, one: &str, other: &str) -> bool {
    variance(name, &[(name, one)]) == variance(name, &[(name, other)])
}

fn unmatchable(lines: &[&str]) -> Option<Unmatchable> {
    let fields: Vec<_> = lines.iter().map(|line| ("vary", *line)).collect();
    Vary::of_headers(&headers(&fields)).err()
}

#[test]
fn rfc9111_4_1_a_star_anywhere_matches_nothing() {
    for lines in
        [&["*"][..], &["*, *"], &["*", "*"], &[", *"], &["", "*"], &["*, Foo"], &["Foo, *"], &["Foo", "a,*"]]
    {
        assert_eq!(unmatchable(lines), Some(Unmatchable::Star), "{lines:?}");
    }
    let many = format!("{}*", "a,".repeat(3) + &(0..99).map(|n| format!("n{n},")).collect::<String>());
    assert_eq!(unmatchable(&[&many]), Some(Unmatchable::Star));
}

#[test]
fn names_are_limited_in_number_and_length() {
    let names = |count| (0..count).map(|n| format!("n{n}, ")).collect::<String>();
    assert_eq!(unmatchable(&[&names(MAX_NAMES)]), None);
    assert_eq!(unmatchable(&[&names(MAX_NAMES + 1)]), Some(Unmatchable::Limit));
    assert_eq!(unmatchable(&[&"a,".repeat(99)]), None);
    assert_eq!(unmatchable(&[&"a".repeat(MAX_NAME_BYTES + 1)]), Some(Unmatchable::Limit));
    assert_eq!(unmatchable(&["a b"]), Some(Unmatchable::Limit));
}

#[test]
fn rfc9111_4_1_without_vary_there_is_one_variant() {
    assert_eq!(variance("", &[("a", "1")]), None);
    assert_eq!(unmatchable(&[]), None);
}

#[test]
fn rfc9111_4_1_all_named_fields_must_match_and_no_other() {
    let one = variance("Foo, Bar", &[("foo", "1"), ("bar", "abc")]);
    assert_eq!(one, variance("Foo, Bar", &[("bar", "abc"), ("foo", "1"), ("other", "2")]));
    assert_ne!(one, variance("Foo, Bar", &[("foo", "2"), ("bar", "abc")]));
    assert_ne!(one, variance("Foo, Bar", &[("foo", "abc"), ("bar", "1")]));
    assert_ne!(one, variance("Foo, Bar", &[("foo", "1")]));
    assert_eq!(one, variance("bar,FOO, foo", &[("foo", "1"), ("bar", "abc")]));
}

#[test]
fn rfc9111_4_1_absent_matches_only_absent() {
    assert_eq!(variance("foo, bar", &[("foo", "1")]), variance("foo, bar", &[("foo", "1")]));
    for name in ["foo", "accept-encoding", "accept-language"] {
        assert_ne!(variance(name, &[]), variance(name, &[(name, "")]), "{name}");
    }
}

#[test]
fn rfc9111_4_1_lines_are_joined_and_blanks_round_commas_dropped() {
    assert!(same("foo", "1,2", " 1, 2 "));
    assert!(same("foo", "1,,2", "1, 2,"));
    assert_eq!(variance("foo", &[("foo", "1, 2")]), variance("foo", &[("foo", "1"), ("foo", "2")]));
    assert!(!same("foo", "1,2", "2,1"));
    assert!(!same("foo", "12", "1,2"));
    assert!(!same("foo", "\"a, b\"", "\"a,b\""));
    assert!(!same("foo", "A", "a"));
}

#[test]
fn rfc9110_12_5_3_encodings_are_the_set_accepted() {
    let same = |one, other| same("accept-encoding", one, other);
    assert!(same("gzip, br", "br;q=0.5, GZIP;q=1.0"));
    assert!(same("gzip", "x-gzip, identity, zstd;q=0"));
    assert!(same("", "identity"));
    assert!(same("gzip, compress;q=0", "gzip"));
    assert!(!same("gzip", "br"));
    assert!(!same("gzip", "gzip, identity;q=0"));
    assert!(!same("identity", "*"));
    assert!(!same("*", "*, compress;q=0"));
    // A coding we do not know must not reach who does not know it either.
    assert!(!same("deflate", "identity"));
    assert!(!same("dcb, gzip", "gzip"));
    assert!(same("dcb, gzip", "gzip, DCB"));
}

#[test]
fn rfc9110_12_5_4_languages_by_weight_whatever_their_case_and_order() {
    let same = |one, other| same("accept-language", one, other);
    assert!(same("en, de", "de, en"));
    assert!(same("en, de", "eN, De"));
    assert!(same("en, de", " en ,   de"));
    assert!(same("en, de;q=0.5", "de;q=0.1, en;q=0.9"));
    assert!(!same("en, de", "en, de;q=0.5"));
    assert!(!same("en, de;q=0.5", "de, en;q=0.5"));
    assert!(!same("en, de", "en, de;q=0"));
    assert!(!same("en", "en-gb"));
}

#[test]
fn what_passes_the_limits_is_taken_as_it_is() {
    let many = (0..40).map(|n| format!("l{n}, ")).collect::<String>();
    assert!(same("accept-language", &many, &many));
    assert!(!same("accept-language", &many, &many.to_uppercase()));
    assert!(!same("accept-encoding", "gzip;q=x", "gzip"));
}

#[test]
fn a_stored_response_knows_its_variant() {
    let maker = KeyMaker::new(None);
    let wire = b"vary: foo\r\nvary: bar\r\n";
    let request = headers(&[("foo", "1"), ("bar", "2")]);
    let variance = Vary::of_fields(wire).unwrap().variance(&maker, &request);
    assert_eq!(variance, self::variance("Foo, Bar", &[("foo", "1"), ("bar", "2")]));
    assert!(matches(&maker, wire, variance, &request));
    assert!(!matches(&maker, wire, variance, &headers(&[("foo", "1")])));
    assert!(!matches(&maker, b"vary: *\r\n", None, &request));
    assert!(matches(&maker, b"", None, &request));
}

proptest! {
    #[test]
    fn no_bytes_upset_the_parsers(
        vary in proptest::collection::vec(any::<u8>(), 0..40),
        value in proptest::collection::vec(any::<u8>(), 0..60),
    ) {
        let _ = Vary::of_fields(&vary);
        if let Ok(value) = http::HeaderValue::from_bytes(&value) {
            let names = headers(&[("vary", "foo, accept-encoding, accept-language")]);
            let mut request = HeaderMap::new();
            for name in ["foo", "accept-encoding", "accept-language"] {
                request.append(name, value.clone());
            }
            let vary = Vary::of_headers(&names).unwrap();
            prop_assert!(vary.variance(&KeyMaker::new(None), &request).is_some());
        }
    }

    #[test]
    fn likely_weights_do_not_either(value in "([a-z*-]{0,5}(;q=[01](\\.[0-9]{0,4})?)?,? ?){0,6}") {
        prop_assert!(same("accept-encoding", &value, &value.to_uppercase().replace(";Q", ";q")) || value.contains(';'));
        prop_assert!(same("accept-language", &value, &value));
    }
}
