use proptest::prelude::*;

use super::*;

const NOW: Stamp = Stamp(784_111_777_000);
const DATE: (&str, &str) = ("date", "Mon, 20 Jul 2026 00:00:00 GMT");

fn headers(fields: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
    }
    headers
}

/// What is stored of these fields and a `Date`, without it.
fn stored(fields: &[(&str, &str)], omitted: &Omitted) -> String {
    let mut all = headers(fields);
    all.insert(header::DATE, DATE.1.parse().unwrap());
    let wire = String::from_utf8(write(&all, omitted, NOW).unwrap()).unwrap();
    wire.replace(&format!("date: {}\r\n", DATE.1), "")
}

#[test]
fn rfc9111_3_1_fields_of_one_hop_are_not_stored() {
    for name in [
        "Connection",
        "Keep-Alive",
        "Proxy-Authenticate",
        "Proxy-Authentication-Info",
        "Proxy-Authorization",
        "Proxy-Connection",
        "TE",
        "Trailer",
        "Transfer-Encoding",
        "Upgrade",
    ] {
        assert_eq!(stored(&[(name, "x"), ("a", "1")], &Omitted::default()), "a: 1\r\n", "{name}");
    }
}

#[test]
fn rfc9111_3_1_fields_that_connection_names_are_not_stored() {
    let fields = [("connection", "a, B"), ("a", "1"), ("b", "2"), ("c", "3")];
    assert_eq!(stored(&fields, &Omitted::default()), "c: 3\r\n");
    let protected = [("connection", "cache-control"), ("cache-control", "private")];
    assert_eq!(stored(&protected, &Omitted::default()), "cache-control: private\r\n");
}

#[test]
fn rfc9111_5_2_2_4_withheld_fields_cookies_age_and_tags_are_not_stored() {
    let fields = [
        ("age", "5"),
        ("surrogate-key", "a"),
        ("cache-tag", "b"),
        ("x-user", "1"),
        ("set-cookie", "a=b"),
        ("etag", "\"1\""),
    ];
    let omitted = Omitted { withheld: vec!["x-user".parse().unwrap()], cookies: true };
    assert_eq!(stored(&fields, &omitted), "etag: \"1\"\r\n");
    assert_eq!(stored(&fields[4..5], &Omitted::default()), "set-cookie: a=b\r\n");
}

#[test]
fn rfc9110_6_6_1_a_missing_date_is_the_time_of_receipt() {
    let wire = write(&headers(&[("a", "1")]), &Omitted::default(), NOW).unwrap();
    assert_eq!(wire, b"a: 1\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
}

#[test]
fn too_much_is_not_stored() {
    let large = "x".repeat(MAX_BYTES);
    assert_eq!(write(&headers(&[("a", &large)]), &Omitted::default(), NOW), Err(Unstorable));
}

#[test]
fn lines_are_found_by_name() {
    let wire = b"a: 1\r\nvary: x\r\nno line\r\nvary:  y \r\ne:\r\nlast: z";
    assert_eq!(find(wire, "a"), Some(&b"1"[..]));
    assert_eq!(find_all(wire, "vary").collect::<Vec<_>>(), [b"x", b"y"]);
    assert_eq!(find(wire, "e"), Some(&b""[..]));
    assert_eq!(find(wire, "last"), Some(&b"z"[..]));
    assert_eq!(find(wire, "no line"), None);
}

fn merged(stored: &str, update: &[(&str, &str)], cookies: bool) -> HeaderMap {
    merge(stored.as_bytes(), &headers(update), cookies, NOW)
}

#[test]
fn rfc9111_3_2_a_304_updates_every_field_it_has() {
    let merged = merged(
        "a: 1\r\na: 2\r\nb: 3\r\netag: \"1\"\r\n",
        &[("a", "9"), ("c", "4"), ("age", "7"), DATE],
        false,
    );
    assert_eq!(merged, headers(&[("b", "3"), ("etag", "\"1\""), ("a", "9"), ("c", "4"), ("age", "7"), DATE]));
}

#[test]
fn rfc9111_3_2_a_304_does_not_change_what_describes_the_body() {
    for name in ["content-length", "content-encoding", "content-range", "content-type"] {
        let merged = merged(&format!("{name}: 1\r\n"), &[(name, "2")], false);
        assert_eq!(merged[name], "1");
        assert!(!self::merged("", &[(name, "2")], false).contains_key(name));
    }
    let hop = merged("", &[("connection", "x"), ("x", "1"), ("keep-alive", "1"), DATE], false);
    assert_eq!(hop, headers(&[DATE]));
}

#[test]
fn rfc9110_6_6_1_a_304_without_date_was_made_when_it_was_received() {
    let merged = merged("date: Mon, 20 Jul 2026 00:00:00 GMT\r\n", &[], false);
    assert_eq!(merged["date"], "Sun, 06 Nov 1994 08:49:37 GMT");
}

#[test]
fn rfc9111_4_1_a_304_adds_to_vary_and_takes_nothing_from_it() {
    let names = |stored: &str, update: &str| {
        let merged = merged(stored, &[("vary", update)], false);
        let names = text::list(&merged, "vary").map(|name| String::from_utf8_lossy(name).into_owned());
        names.collect::<Vec<_>>()
    };
    assert_eq!(names("vary: Accept-Encoding, A\r\n", ""), ["Accept-Encoding", "A"]);
    assert_eq!(names("vary: Accept-Encoding\r\n", "Origin, accept-encoding"), ["Accept-Encoding", "Origin"]);
    assert_eq!(names("", "*"), ["*"]);
}

#[test]
fn cookies_of_a_304_are_kept_only_where_cookies_are() {
    let update = [("set-cookie", "a=c")];
    assert!(!merged("", &update, false).contains_key("set-cookie"));
    assert_eq!(merged("set-cookie: a=b\r\n", &update, true)["set-cookie"], "a=c");
}

prop_compose! {
    fn any_headers()(fields in proptest::collection::vec(("[a-e][a-z-]{0,3}", "[!-~]([ -~]{0,6}[!-~])?"), 0..8)) -> HeaderMap {
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let mut headers = headers(&fields);
        headers.insert(header::DATE, DATE.1.parse().unwrap());
        headers
    }
}

proptest! {
    #[test]
    fn what_was_written_comes_back(headers in any_headers()) {
        let mut expected = headers.clone();
        expected.remove("age");
        expected.remove("te");
        let wire = write(&headers, &Omitted::default(), NOW).unwrap();
        prop_assert_eq!(to_headers(&wire), expected);
    }

    #[test]
    fn merging_is_idempotent_and_the_update_wins(stored in any_headers(), update in any_headers()) {
        let wire = write(&stored, &Omitted::default(), NOW).unwrap();
        let once = merge(&wire, &update, false, NOW);
        let again = merge(&write(&once, &Omitted::default(), NOW).unwrap(), &update, false, NOW);
        for name in update.keys().filter(|name| *name != "te") {
            prop_assert!(once.get_all(name).iter().eq(update.get_all(name)));
        }
        prop_assert_eq!(once, again);
    }

    #[test]
    fn no_bytes_upset_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let count = lines(&bytes).count();
        prop_assert!(to_headers(&bytes).len() <= count);
    }
}
