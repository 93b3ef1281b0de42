use proptest::prelude::*;

use super::*;

const NOW: Stamp = Stamp(1_784_505_600_000);
const EARLY: &str = "Mon, 20 Jul 2026 00:00:00 GMT";
const MIDDLE: &str = "Mon, 20 Jul 2026 00:10:00 GMT";
const LATE: &str = "Mon, 20 Jul 2026 00:20:00 GMT";

fn not_modified(stored: &str, request: &[(&'static str, &str)]) -> bool {
    let mut headers = HeaderMap::new();
    for (name, value) in request {
        headers.append(*name, http::HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    let validators = Validators::of_fields(stored.as_bytes());
    is_not_modified(&Method::GET, &headers, StatusCode::OK, &validators, NOW)
}

fn matches(etag: &str, if_none_match: &str) -> bool {
    not_modified(&format!("etag: {etag}\r\n"), &[("if-none-match", if_none_match)])
}

#[test]
fn rfc9110_13_1_2_if_none_match_compares_weakly() {
    assert!(matches("\"a\"", "\"a\""));
    assert!(matches("W/\"a\"", "\"a\""));
    assert!(matches("\"a\"", "W/\"a\""));
    assert!(matches("\"ü\"", "\"ü\""));
    assert!(!matches("\"a\"", "\"b\""));
}

#[test]
fn rfc9110_13_1_2_if_none_match_is_a_list() {
    assert!(matches("\"b\"", "\"a\", \"b\",W/\"c\""));
    assert!(matches("\"c\"", ", \"a\" ,, W/\"c\" "));
    assert!(matches("\"a,b\"", "\"x\", \"a,b\""));
    assert!(!matches("\"b\"", "\"a,\"b\""));
    assert!(not_modified("etag: \"b\"\r\n", &[("if-none-match", "\"a\""), ("if-none-match", "\"b\"")]));
}

#[test]
fn rfc9110_13_1_2_a_star_matches_whatever_is_stored() {
    assert!(not_modified("", &[("if-none-match", "*")]));
    assert!(!not_modified("", &[("if-none-match", "\"*\"")]));
}

#[test]
fn rfc9110_8_8_3_what_is_no_entity_tag_matches_nothing() {
    for bad in ["a", "w/\"a\"", "W\"a\"", "W\\\"a\"", "\"a", "a\"", "\"a\"b", "\"a b\"", "", "\""] {
        assert_eq!(EntityTag::parse(bad.as_bytes()), None, "{bad}");
        assert!(!matches(bad, bad), "{bad}");
        assert!(!matches("\"a\"", bad) || bad == "\"a\"", "{bad}");
    }
}

#[test]
fn rfc9110_13_1_3_if_modified_since_compares_dates() {
    let stored = format!("last-modified: {MIDDLE}\r\n");
    assert!(!not_modified(&stored, &[("if-modified-since", EARLY)]));
    assert!(not_modified(&stored, &[("if-modified-since", MIDDLE)]));
    assert!(not_modified(&stored, &[("if-modified-since", LATE)]));
    assert!(not_modified(&stored, &[("if-modified-since", "Monday, 20-Jul-26 00:10:00 GMT")]));
    assert!(!not_modified(&stored, &[("if-modified-since", "2026-07-21")]));
    assert!(!not_modified(&stored, &[("if-modified-since", LATE), ("if-modified-since", LATE)]));
}

#[test]
fn rfc9111_4_3_2_without_last_modified_date_stands_for_it() {
    let stored = format!("date: {MIDDLE}\r\n");
    assert!(not_modified(&stored, &[("if-modified-since", LATE)]));
    assert!(!not_modified(&stored, &[("if-modified-since", EARLY)]));
    assert!(!not_modified("", &[("if-modified-since", LATE)]));
}

#[test]
fn rfc9110_13_2_2_if_none_match_goes_before_if_modified_since() {
    let stored = format!("etag: \"a\"\r\nlast-modified: {MIDDLE}\r\n");
    assert!(not_modified(&stored, &[("if-none-match", "\"a\""), ("if-modified-since", EARLY)]));
    assert!(!not_modified(&stored, &[("if-none-match", "\"b\""), ("if-modified-since", LATE)]));
    assert!(!not_modified(&stored, &[("if-none-match", "x"), ("if-modified-since", LATE)]));
}

#[test]
fn rfc9110_13_2_1_conditions_count_for_success_and_safe_methods_only() {
    let mut request = HeaderMap::new();
    request.append("if-none-match", "*".parse().unwrap());
    let check = |method: &Method, status: u16| {
        let status = StatusCode::from_u16(status).unwrap();
        is_not_modified(method, &request, status, &Validators::default(), NOW)
    };
    assert!(check(&Method::HEAD, 200));
    assert!(!check(&Method::GET, 404));
    assert!(!check(&Method::POST, 200));
}

#[test]
fn rfc9110_15_4_5_a_304_carries_what_the_200_is_known_by() {
    for name in ["cache-control", "content-location", "date", "etag", "expires", "last-modified", "vary"] {
        assert!(belongs_in_304(name.as_bytes()), "{name}");
    }
    assert!(belongs_in_304(b"access-control-allow-origin"));
    for name in ["content-type", "content-length", "content-encoding", "set-cookie", "x-other"] {
        assert!(!belongs_in_304(name.as_bytes()), "{name}");
    }
}

proptest! {
    #[test]
    fn no_bytes_upset_the_parser(line in proptest::collection::vec(any::<u8>(), 0..40)) {
        let _ = names(&line, EntityTag::parse(b"\"a\""));
        let _ = EntityTag::parse(&line);
    }

    #[test]
    fn a_tag_in_a_list_is_found(before in "(W/)?\"[a-z,]{0,5}\"", after in "\"[a-z,]{0,5}\"", tag in "[a-z,]{0,6}") {
        let tag = format!("\"{tag}\"");
        let list = format!("{before},{tag} , {after}");
        prop_assert!(matches(&tag, &list));
    }
}
