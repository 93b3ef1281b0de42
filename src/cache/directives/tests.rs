use proptest::prelude::*;

use super::*;
use crate::cache::text::MAX_SECONDS;

fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(*name, value.parse().unwrap());
    }
    headers
}

fn cache_control(value: &str) -> Result<ResponseDirectives, Malformed> {
    ResponseDirectives::read(&headers(&[("cache-control", value)]))
}

fn max_age(value: &str) -> Option<u32> {
    cache_control(value).unwrap().max_age
}

fn cdn(value: &str) -> Stated {
    let headers = headers(&[("cdn-cache-control", value), ("cache-control", "no-store")]);
    Stated::read(&headers, Ignored::default()).unwrap()
}

#[test]
fn rfc9111_5_2_names_are_case_insensitive_and_unknown_ones_ignored() {
    let found = cache_control("foobar, MaX-aGe=3600, a-name-that-is-longer-than-all-known=1").unwrap();
    assert_eq!(found, ResponseDirectives { max_age: Some(3600), ..Default::default() });
    assert!(cache_control("No-StOrE").unwrap().no_store);
}

#[test]
fn rfc9111_5_2_arguments_may_be_tokens_or_quoted() {
    assert_eq!(max_age("max-age=003600"), Some(3600));
    assert_eq!(max_age("max-age=\"3600\""), Some(3600));
}

#[test]
fn rfc9111_5_2_quoted_strings_hide_directives() {
    assert_eq!(max_age(r#"extension="max-age=3600", max-age=1"#), Some(1));
    assert_eq!(max_age(r#"max-age="1", extension="max-age=3600, no-store\", private""#), Some(1));
    assert!(!cache_control(r#"extension="a, no-store""#).unwrap().no_store);
}

#[test]
fn rfc9111_4_2_1_an_invalid_lifetime_is_stale() {
    let spaced = ["max-age =3600", "max-age= 3600"];
    let others = ["max-age", "max-age=", "max-age='3600'", "max-age=a", "max-age=36a", "max-age=-1"];
    for bad in spaced.into_iter().chain(others).chain(["max-age=3600.0", "max-age=\"36\\00\""]) {
        assert_eq!(max_age(bad), Some(0), "{bad}");
    }
    assert_eq!(max_age("max-age=99999999999"), Some(MAX_SECONDS));
}

#[test]
fn rfc9111_4_2_1_of_several_lifetimes_the_shortest_counts() {
    assert_eq!(max_age("max-age=1800, max-age=1"), Some(1));
    let two = headers(&[("cache-control", "max-age=1"), ("cache-control", "max-age=1800")]);
    assert_eq!(ResponseDirectives::read(&two).unwrap().max_age, Some(1));
}

#[test]
fn rfc9111_5_2_2_4_fields_may_be_named_instead_of_the_whole_response() {
    let found = cache_control(r#"no-cache="A, b", private=c"#).unwrap();
    assert_eq!(found.withheld, ["a", "b", "c"]);
    assert!(!found.no_cache && !found.private);
    for whole in ["no-cache", "no-cache=\"\"", "no-cache=\"a b\"", "no-cache= a", "no-cache=\"a\", no-cache"]
    {
        assert!(cache_control(whole).unwrap().no_cache, "{whole}");
    }
}

#[test]
fn what_could_hide_a_directive_is_malformed() {
    for bad in ["a=\"b, no-store", "a\"b\", no-store", "a=b\"c", "a=\"b\"c", "\"no-store\"", "a=\"\\\""] {
        assert_eq!(cache_control(bad), Err(Malformed), "{bad}");
    }
    // An open string ends with its line.
    let two = headers(&[("cache-control", "no-store"), ("cache-control", "a=\"")]);
    assert_eq!(ResponseDirectives::read(&two), Err(Malformed));
}

#[test]
fn length_and_number_are_limited() {
    assert!(cache_control(&"a,".repeat(MAX_DIRECTIVES)).is_ok());
    assert_eq!(cache_control(&"a,".repeat(MAX_DIRECTIVES + 1)), Err(Malformed));
    assert_eq!(cache_control(&"a".repeat(MAX_BYTES + 1)), Err(Malformed));
}

#[test]
fn rfc9213_2_2_the_targeted_field_goes_before_cache_control() {
    assert_eq!(cdn("max-age=10000").directives.max_age, Some(10000));
    assert!(!cdn("max-age=10000").directives.no_store);
    assert!(cdn("no-store").directives.no_store);
    assert!(cdn("private").directives.private);
    assert_eq!(cdn("no-cache=\"a\", private=\"b\"").directives.withheld, ["a", "b"]);
    assert_eq!(cdn("max-age=99999999999").directives.max_age, Some(MAX_SECONDS));
    assert_eq!(cdn("foobar;a=1, max-age=1, max-age=2").directives.max_age, Some(2));
    assert_eq!(cdn("max-age=-5").directives.max_age, Some(0));
}

#[test]
fn rfc9213_2_1_an_invalid_targeted_field_is_ignored_as_a_whole() {
    let bad = ["max-age=10000, &&&&&", "max-age=\"10000\"", "max-age=1.5", "max-age", "max-age=(1 2)"];
    let spaced = ["max-age =100", "max-age= 100", "MaX-aGe=3600", "max-age=100,", "", "max-age=1;"];
    for field in bad.into_iter().chain(spaced) {
        let stated = cdn(field);
        assert!(!stated.is_targeted() && stated.directives.no_store, "{field}");
    }
}

/// Beside `Cache-Control: no-store`, so that it shows which field counts.
fn surrogate(value: &str) -> Stated {
    let headers = headers(&[("surrogate-control", value), ("cache-control", "no-store")]);
    Stated::read(&headers, Ignored::default()).unwrap()
}

#[test]
fn edge_arch_2_2_surrogate_control_goes_before_cache_control() {
    assert_eq!(surrogate("max-age=3600").directives.max_age, Some(3600));
    assert!(!surrogate("foobar, MaX-aGe=3600").directives.no_store);
    assert!(surrogate("no-store").is_targeted());
    assert_eq!(surrogate("max-age=99999999999").directives.max_age, Some(MAX_SECONDS));
    for invalid in ["max-age", "max-age=", "max-age =100", "max-age= 100", "max-age=x"] {
        assert_eq!(surrogate(invalid).directives.max_age, Some(0), "{invalid}");
    }
    let fastly = surrogate("max-age=60, stale-while-revalidate=7, stale-if-error=8").directives;
    assert_eq!((fastly.stale_while_revalidate, fastly.stale_if_error), (Some(7), Some(8)));
}

#[test]
fn edge_arch_2_2_surrogate_control_gives_way_to_cdn_cache_control() {
    let both = headers(&[("surrogate-control", "max-age=1"), ("cdn-cache-control", "max-age=2")]);
    assert_eq!(Stated::read(&both, Ignored::default()).unwrap().directives.max_age, Some(2));
}

#[test]
fn edge_arch_2_2_3_a_plus_adds_a_window_for_stale() {
    let read = |value: &str| {
        let ResponseDirectives { max_age, stale_while_revalidate, stale_if_error, .. } =
            surrogate(value).directives;
        (max_age, stale_while_revalidate, stale_if_error)
    };
    assert_eq!(read("max-age=600+30"), (Some(600), Some(30), Some(30)));
    assert_eq!(read("max-age=600+30;nilegate"), (Some(600), Some(30), Some(30)));
    assert_eq!(read("max-age=600+x"), (Some(600), Some(0), Some(0)));
    assert_eq!(read("max-age=600+1+2"), (Some(600), Some(0), Some(0)));
    assert_eq!(read("max-age=+30"), (Some(0), Some(30), Some(30)));
    assert_eq!(read("max-age=600"), (Some(600), None, None));
}

#[test]
fn edge_arch_2_3_directives_for_others_are_passed_over() {
    for other in ["max-age=60;fastly", "no-cache;fastly, max-age=60 ; not-nilegate", "max-age=60;\t"] {
        assert!(!surrogate(other).is_targeted(), "{other}");
    }
    for ours in ["max-age=60;nilegate", "max-age=60 ; Nilegate", "max-age=5, max-age=60;nilegate"] {
        assert_eq!(surrogate(ours).directives.max_age, Some(60), "{ours}");
    }
    assert_eq!(surrogate("max-age=60, content=\"a;b\";nilegate").directives.max_age, Some(60));
    assert!(surrogate("max-age=60, no-store;nilegate").directives.no_store);
}

#[test]
fn edge_arch_2_2_what_does_not_decide_leaves_it_to_cache_control() {
    for field in ["", "foo", "content=\"ESI/1.0\"", "no-store-remote", "public", "stale-if-error=9"] {
        let stated = surrogate(field);
        assert!(!stated.is_targeted() && stated.directives.no_store, "{field}");
    }
}

#[test]
fn what_could_hide_a_directive_for_surrogates_is_malformed() {
    for bad in ["max-age=9, a=\"b, no-store", "max-age=9;x\", no-store", "content=\"a\"b, no-store"] {
        let headers = headers(&[("surrogate-control", bad)]);
        assert_eq!(Stated::read(&headers, Ignored::default()), Err(Malformed), "{bad}");
    }
    let many = "a,".repeat(MAX_DIRECTIVES + 1);
    assert_eq!(Stated::read(&headers(&[("surrogate-control", &many)]), Ignored::default()), Err(Malformed));
}

#[test]
fn ignored_fields_count_as_absent() {
    let both = headers(&[("cdn-cache-control", "max-age=1"), ("cache-control", "max-age=2")]);
    let read = |cdn_cache_control, cache_control| {
        let ignored = Ignored { cdn_cache_control, cache_control, ..Default::default() };
        Stated::read(&both, ignored).unwrap().directives.max_age
    };
    assert_eq!(read(false, false), Some(1));
    assert_eq!(read(true, false), Some(2));
    assert_eq!(read(true, true), None);
    let open = headers(&[("cache-control", "a=\"")]);
    assert!(Stated::read(&open, Ignored { cache_control: true, ..Default::default() }).is_ok());
    let open = headers(&[("surrogate-control", "a=\"")]);
    assert!(Stated::read(&open, Ignored { surrogate_control: true, ..Default::default() }).is_ok());
}

#[test]
fn rfc9111_5_2_1_requests_may_state_wishes() {
    let read = |value: &str| RequestDirectives::read(&headers(&[("cache-control", value)]));
    let wishes = read("max-age=5, min-fresh=7, max-stale=9, no-cache, no-store, only-if-cached");
    assert_eq!((wishes.max_age, wishes.min_fresh, wishes.max_stale), (Some(5), Some(7), Some(9)));
    assert!(wishes.no_cache && wishes.no_store && wishes.only_if_cached);
    assert_eq!(read("max-stale").max_stale, Some(u32::MAX));
    assert_eq!(read("max-stale=x").max_stale, Some(0));
    assert_eq!(read("min-fresh=x").min_fresh, None);
    assert_eq!(read("no-cache, a=\""), RequestDirectives::default());
}

#[test]
fn rfc9111_5_4_pragma_counts_only_without_cache_control() {
    assert!(RequestDirectives::read(&headers(&[("pragma", "No-Cache")])).no_cache);
    let both = headers(&[("pragma", "no-cache"), ("cache-control", "max-age=1")]);
    assert!(!RequestDirectives::read(&both).no_cache);
}

proptest! {
    #[test]
    fn no_bytes_upset_the_parsers(lines in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..4)) {
        let mut headers = HeaderMap::new();
        for line in &lines {
            for directive in Directives::of(line) {
                let _ = directive.map(|directive| directive.seconds());
            }
            if let Ok(value) = http::HeaderValue::from_bytes(line) {
                headers.append("cache-control", value.clone());
                headers.append("cdn-cache-control", value.clone());
                headers.append("surrogate-control", value);
            }
        }
        let _ = Stated::read(&headers, Ignored::default());
        let _ = RequestDirectives::read(&headers);
    }

    #[test]
    fn likely_bytes_do_not_either(line in "[a-z=\"\\\\, 0-9;()-]{0,40}", before in "(no-store)?") {
        let read = cache_control(&format!("{before}, {line}"));
        // Whatever follows, what was said cannot be unsaid.
        prop_assert!(read.is_err() || before.is_empty() || read.unwrap().no_store);
        cdn(&line);
        let surrogate = headers(&[("surrogate-control", &format!("{before}, {line}"))]);
        let read = Stated::read(&surrogate, Ignored::default());
        prop_assert!(read.is_err() || before.is_empty() || read.unwrap().directives.no_store);
    }
}
