use proptest::prelude::*;

use super::*;

/// 2026-07-20.
const NOW: Stamp = Stamp(1_784_505_600_000);

fn seconds(text: &str) -> Option<u64> {
    parse(text.as_bytes(), NOW).map(|stamp| stamp.0 / 1000)
}

#[test]
fn rfc9110_5_6_7_the_three_forms() {
    for text in
        ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
    {
        assert_eq!(seconds(text), Some(784_111_777), "{text}");
    }
    assert_eq!(seconds("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
    assert_eq!(seconds("Tue, 29 Feb 2000 23:59:60 GMT"), Some(951_868_800));
    assert_eq!(seconds("Fri, 31 Dec 9999 23:59:59 GMT"), Some(LAST_SECOND));
    assert_eq!(seconds("Sat, 01 Jan 0000 00:00:00 GMT"), None);
    assert_eq!(seconds("Wed, 01 Jan 1800 00:00:00 GMT"), Some(0));
}

#[test]
fn rfc9110_5_6_7_two_digits_are_a_year_at_most_50_ahead() {
    assert_eq!(seconds("Thursday, 18-Aug-50 02:01:18 GMT"), seconds("Thu, 18 Aug 2050 02:01:18 GMT"));
    assert_eq!(seconds("Thursday, 18-Aug-77 02:01:18 GMT"), seconds("Thu, 18 Aug 1977 02:01:18 GMT"));
}

#[test]
fn rfc9110_5_6_7_names_in_any_case_and_any_day_of_the_week() {
    for text in
        ["THU, 18 Aug 2050 02:01:18 GMT", "Thu, 18 AUG 2050 02:01:18 gMT", "Mon, 18 Aug 2050 02:01:18 GMT"]
    {
        assert_eq!(seconds(text), Some(2_544_400_878), "{text}");
    }
    assert!(seconds("Thu Aug  8 02:01:18 2050").is_some());
}

#[test]
fn rfc9110_5_6_7_nothing_else_is_a_date() {
    for bad in [
        "Thu, 18 Aug 2050 02:01:18 UTC",
        "Thu, 18 Aug 2050 02:01:18 AEST",
        "Thu, 18 Aug 2050 02:01:18 +0000",
        "Thu, 18 Aug 2050 02:01:18",
        "Thu, 18 Aug 50 02:01:18 GMT",
        "Thu 18 Aug 2050 02:01:18 GMT",
        "Thu, 18  Aug  2050 02:01:18 GMT",
        "Thu,  18 Aug 2050 02:01:18 GMT",
        "Thu, 18-Aug-2050 02:01:18 GMT",
        "Thu, 18 Aug 2050 02.01.18 GMT",
        "Thu, 18 Aug 2050 2:01:18 GMT",
        "Thu, 8 Aug 2050 02:01:18 GMT",
        "Thu, 18 Aug 2050 24:00:00 GMT",
        "Thu, 31 Feb 2050 02:01:18 GMT",
        "Thu, 29 Feb 2100 02:01:18 GMT",
        "Thu, 00 Aug 2050 02:01:18 GMT",
        "Xyz, 18 Aug 2050 02:01:18 GMT",
        "Thu, 18 Aug 2050 02:01:18 GMT ",
        "Sun Nov 6 08:49:37 1994",
        "Thursday, 18-Aug-2050 02:01:18 GMT",
        "0",
        "",
        ",",
    ] {
        assert_eq!(seconds(bad), None, "{bad}");
    }
}

#[test]
fn a_moment_beyond_all_dates_is_the_last_date() {
    assert_eq!(format(Stamp(u64::MAX)), "Fri, 31 Dec 9999 23:59:59 GMT");
}

proptest! {
    #[test]
    fn what_was_formatted_comes_back(second in 0..LAST_SECOND) {
        prop_assert_eq!(seconds(&format(Stamp(second * 1000))), Some(second));
    }

    #[test]
    fn no_bytes_upset_the_parser(bytes in proptest::collection::vec(any::<u8>(), 0..40), now: u64) {
        let _ = parse(&bytes, Stamp(now));
    }

    #[test]
    fn likely_bytes_do_not_either(
        text in "(Sun|Sunday|sun),? [0-9]{1,2}[ -](Feb|NOV|x)[ -][0-9]{1,4} [0-9:]{8} (GMT)?", now: u64,
    ) {
        let _ = parse(text.as_bytes(), Stamp(now));
    }
}
