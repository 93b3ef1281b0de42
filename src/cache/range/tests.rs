use proptest::prelude::*;

use super::*;

const NOW: Stamp = Stamp(1_784_505_600_000);
const STORED: &str =
    "etag: \"a\"\r\nlast-modified: Mon, 20 Jul 2026 00:00:00 GMT\r\ndate: Mon, 20 Jul 2026 00:10:00 GMT\r\n";

fn from(stored: &str, length: u64, request: &[(&'static str, &str)]) -> Selection {
    let mut headers = HeaderMap::new();
    for (name, value) in request {
        headers.append(*name, value.parse().unwrap());
    }
    let validators = Validators::of_fields(stored.as_bytes());
    select(&Method::GET, &headers, StatusCode::OK, &validators, length, NOW)
}

fn range(value: &str) -> Selection {
    from("", 10, &[("range", value)])
}

#[test]
fn rfc9110_14_1_2_the_three_forms() {
    assert_eq!(range("bytes=0-1"), Selection::Part(0..2));
    assert_eq!(range("bytes=1-"), Selection::Part(1..10));
    assert_eq!(range("bytes=-3"), Selection::Part(7..10));
    assert_eq!(range("bytes=5-99999999999999999999999"), Selection::Part(5..10));
    assert_eq!(range("bytes=-11"), Selection::Part(0..10));
    assert_eq!(range("Bytes= 9-9 "), Selection::Part(9..10));
}

#[test]
fn rfc9110_15_5_17_a_range_after_the_end_is_unsatisfiable() {
    assert_eq!(range("bytes=10-"), Selection::Unsatisfiable);
    assert_eq!(range("bytes=99999999999999999999-99999999999999999999"), Selection::Unsatisfiable);
    assert_eq!(range("bytes=-0"), Selection::Unsatisfiable);
    assert_eq!(from("", 0, &[("range", "bytes=0-")]), Selection::Unsatisfiable);
    assert_eq!(from("", 0, &[("range", "bytes=-1")]), Selection::Whole);
}

#[test]
fn rfc9110_14_2_what_is_no_single_range_is_ignored() {
    for other in [
        "bytes=0-1,4-5",
        "bytes=2-1",
        "bytes=",
        "bytes=-",
        "bytes=a-b",
        "bytes 0-1",
        "items=0-1",
        "bytes=0-1-2",
        "bytes=+1-2",
        "0-1",
    ] {
        assert_eq!(range(other), Selection::Whole, "{other}");
    }
    assert_eq!(from("", 10, &[("range", "bytes=0-1"), ("range", "bytes=0-1")]), Selection::Whole);
}

#[test]
fn rfc9110_14_2_only_get_and_200_have_ranges() {
    let mut request = HeaderMap::new();
    request.append("range", "bytes=0-1".parse().unwrap());
    let check = |method, status| select(&method, &request, status, &Validators::default(), 10, NOW);
    assert_eq!(check(Method::HEAD, StatusCode::OK), Selection::Whole);
    assert_eq!(check(Method::GET, StatusCode::NOT_FOUND), Selection::Whole);
}

#[test]
fn rfc9110_13_1_5_if_range_needs_a_strong_match() {
    let part = |stored: &str, if_range: &str| {
        from(stored, 10, &[("range", "bytes=0-1"), ("if-range", if_range)]) == Selection::Part(0..2)
    };
    assert!(part(STORED, "\"a\""));
    assert!(!part(STORED, "W/\"a\""));
    assert!(!part("etag: W/\"a\"\r\n", "W/\"a\""));
    assert!(!part(STORED, "\"b\""));
    assert!(!part(STORED, "a"));
    assert!(part(STORED, "Mon, 20 Jul 2026 00:00:00 GMT"));
    assert!(!part(STORED, "Mon, 20 Jul 2026 00:00:01 GMT"));
    let same_second =
        "last-modified: Mon, 20 Jul 2026 00:00:00 GMT\r\ndate: Mon, 20 Jul 2026 00:00:00 GMT\r\n";
    assert!(!part(same_second, "Mon, 20 Jul 2026 00:00:00 GMT"));
    let twice = [("range", "bytes=0-1"), ("if-range", "\"a\""), ("if-range", "\"a\"")];
    assert_eq!(from(STORED, 10, &twice), Selection::Whole);
}

#[test]
fn rfc9110_14_4_content_range_names_part_and_whole() {
    assert_eq!(content_range(Some(&(0..2)), 10).to_string(), "bytes 0-1/10");
    assert_eq!(content_range(None, 10).to_string(), "bytes */10");
}

proptest! {
    #[test]
    fn a_part_is_never_empty_nor_beyond_the_end(value in "bytes=[0-9, -]{0,12}", length in 0_u64..20) {
        if let Selection::Part(part) = from("", length, &[("range", &value)]) {
            prop_assert!(part.start < part.end && part.end <= length);
        }
    }

    #[test]
    fn no_bytes_upset_the_parser(line in proptest::collection::vec(any::<u8>(), 0..30)) {
        let _ = single(&line);
    }
}
