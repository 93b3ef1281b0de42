use http::StatusCode;
use proptest::prelude::*;

use super::*;
use crate::cache::entry::{Parts, Times};

const LIMITS: LogLimits =
    LogLimits { tags: 100, patterns: 10, margin: Duration::ZERO, life: Duration::from_secs(1_000_000) };
const NOW: Stamp = Stamp(1_000_000);

fn log() -> InvalidationLog {
    InvalidationLog::new(LIMITS)
}

fn glob(text: &str) -> Scope {
    Scope::Pattern(Glob::parse(text).unwrap())
}

fn hard(scope: Scope, at: u64) -> Record {
    Record { scope, mode: Mode::Hard, at: Stamp(at) }
}

fn soft(scope: Scope, at: u64) -> Record {
    Record { scope, mode: Mode::Soft, at: Stamp(at) }
}

fn judge(log: &InvalidationLog, requested: u64, tags: &[u64]) -> Judgement {
    log.judge_parts(Stamp(requested), tags.iter().copied().map(Tag), b"a.org/x/1")
}

#[test]
fn an_entry_is_judged_by_its_own_tags_and_target() {
    let log = log();
    log.apply(&hard(Scope::Tag(Tag(1)), 10), NOW);
    log.apply(&soft(glob("/x/*"), 20), NOW);
    let entry = |requested, tags, target| {
        let times = Times { requested: Stamp(requested), ..Times::default() };
        let (fields, body, status) = (&b""[..], &b""[..], StatusCode::OK);
        StoredEntry::new(&Parts { status, fields, body, target, variance: None, tags, times }).unwrap()
    };
    assert_eq!(log.judge(&entry(10, &[Tag(2), Tag(1)], b"a.org/y")), Judgement::Void);
    assert_eq!(log.judge(&entry(11, &[Tag(1)], b"a.org/y")), Judgement::Valid);
    assert_eq!(log.judge(&entry(11, &[Tag(1)], b"a.org/x/1")), Judgement::Stale { since: Stamp(20) });
    assert_eq!(log.judge(&entry(5, &[Tag(2)], b"a.org/y")), Judgement::Valid);
}

#[test]
fn tags_urls_and_routes_are_all_hashes_an_entry_bears() {
    for scope in [Scope::Tag(Tag(1)), Scope::Url(Tag(1)), Scope::Route(Tag(1)), Scope::All] {
        let log = log();
        assert!(log.apply(&hard(scope, 10), NOW));
        assert_eq!((judge(&log, 10, &[1]), judge(&log, 11, &[1])), (Judgement::Void, Judgement::Valid));
    }
}

#[test]
fn the_worst_record_counts_and_the_earliest_of_the_stale() {
    let log = log();
    log.apply_all(&[soft(Scope::Tag(Tag(1)), 30), soft(Scope::All, 40), soft(glob("/x/**"), 20)], NOW);
    assert_eq!(judge(&log, 5, &[1]), Judgement::Stale { since: Stamp(20) });
    log.apply(&hard(Scope::Tag(Tag(2)), 25), NOW);
    assert_eq!(judge(&log, 5, &[1, 2]), Judgement::Void);
    assert_eq!(judge(&log, 26, &[1, 2]), Judgement::Stale { since: Stamp(30) });
}

#[test]
fn a_late_record_does_not_shorten_a_newer_one() {
    let log = log();
    assert!(log.apply(&hard(Scope::Tag(Tag(1)), 20), NOW));
    assert!(!log.apply(&hard(Scope::Tag(Tag(1)), 10), NOW));
    assert!(!log.apply(&soft(Scope::Tag(Tag(1)), 15), NOW));
    assert_eq!(judge(&log, 20, &[1]), Judgement::Void);
}

#[test]
fn a_gap_voids_what_was_requested_before() {
    let log = log();
    log.gap(Stamp(50));
    log.gap(Stamp(40));
    assert_eq!((judge(&log, 50, &[]), judge(&log, 51, &[])), (Judgement::Void, Judgement::Valid));
    assert_eq!(log.size().floor, Some(Stamp(50)));
}

#[test]
fn requests_within_the_margin_count_as_earlier() {
    let log = InvalidationLog::new(LogLimits { margin: Duration::from_millis(5), ..LIMITS });
    log.apply(&hard(Scope::Tag(Tag(1)), 10), NOW);
    assert_eq!((judge(&log, 15, &[1]), judge(&log, 16, &[1])), (Judgement::Void, Judgement::Valid));
}

#[test]
fn a_record_from_the_future_counts_as_made_now() {
    let log = log();
    log.apply(&hard(Scope::Tag(Tag(1)), u64::MAX), NOW);
    assert_eq!(judge(&log, NOW.0, &[1]), Judgement::Void);
    assert_eq!(judge(&log, NOW.0 + 1, &[1]), Judgement::Valid);
}

#[test]
fn forgotten_tags_and_patterns_raise_the_floor() {
    let log = log();
    (1..=100).for_each(|n| assert!(log.apply(&hard(Scope::Tag(Tag(n)), n), NOW)));
    assert_eq!(log.size(), LogSize { tags: 100, patterns: 0, floor: None });
    log.apply(&hard(Scope::Tag(Tag(101)), 101), NOW);
    let LogSize { tags, floor, .. } = log.size();
    assert_eq!((tags, floor), (88, Some(Stamp(13))));
    assert_eq!((judge(&log, 13, &[500]), judge(&log, 14, &[500])), (Judgement::Void, Judgement::Valid));
    assert_eq!((judge(&log, 14, &[14]), judge(&log, 101, &[101])), (Judgement::Void, Judgement::Void));

    (201..=211).for_each(|n| assert!(log.apply(&hard(glob(&format!("/p{n}")), n), NOW)));
    assert_eq!((log.size().patterns, log.size().floor), (10, Some(Stamp(201))));
}

#[test]
fn a_log_without_room_is_still_safe() {
    let log = InvalidationLog::new(LogLimits { tags: 0, patterns: 0, ..LIMITS });
    log.apply(&soft(Scope::Tag(Tag(1)), 10), NOW);
    log.apply(&soft(glob("/x/*"), 20), NOW);
    assert_eq!(log.size(), LogSize { tags: 0, patterns: 0, floor: Some(Stamp(20)) });
}

#[test]
fn what_concerns_no_entry_any_more_is_dropped() {
    let log = InvalidationLog::new(LogLimits { life: Duration::from_millis(100), ..LIMITS });
    log.apply_all(&[hard(Scope::Tag(Tag(1)), 10), hard(glob("/x"), 11), hard(Scope::All, 5)], Stamp(20));
    log.prune(Stamp(110));
    assert_eq!(log.size(), LogSize { tags: 1, patterns: 1, floor: None });
    log.prune(Stamp(112));
    assert_eq!(log.size(), LogSize { tags: 0, patterns: 0, floor: None });
    assert!(!log.apply(&hard(Scope::Tag(Tag(1)), 10), Stamp(112)));
}

/// The log as a list of everything ever applied.
#[derive(Default)]
struct Naive(Vec<Record>);

impl Naive {
    fn judge(&self, requested: u64, tags: &[u64], margin: u64) -> Judgement {
        let concerns = |record: &&Record| {
            let subject = match &record.scope {
                Scope::Tag(tag) | Scope::Url(tag) | Scope::Route(tag) => tags.contains(&tag.0),
                Scope::Pattern(glob) => glob.matches(b"a.org/x/1"),
                Scope::All => true,
            };
            subject && record.at.0 + margin >= requested
        };
        let concerned: Vec<_> = self.0.iter().filter(concerns).collect();
        if concerned.iter().any(|record| record.mode == Mode::Hard) {
            return Judgement::Void;
        }
        let since = concerned.iter().map(|record| record.at).min();
        since.map_or(Judgement::Valid, |since| Judgement::Stale { since })
    }
}

fn record() -> impl Strategy<Value = Record> {
    let scope = prop_oneof![
        8 => (0_u64..12).prop_map(|n| Scope::Tag(Tag(n))),
        1 => (0_u64..12).prop_map(|n| Scope::Url(Tag(n))),
        2 => (0_usize..5).prop_map(|n| glob(["/x/*", "/y", "a.org/**", "/x/2", "**/1"][n])),
        1 => Just(Scope::All),
    ];
    let mode = prop_oneof![Just(Mode::Hard), Just(Mode::Soft), Just(Mode::Refresh)];
    (scope, mode, 1_u64..200).prop_map(|(scope, mode, at)| Record { scope, mode, at: Stamp(at) })
}

/// How bad a judgement is, and since when.
fn badness(judgement: Judgement) -> (u8, Stamp) {
    match judgement {
        Judgement::Valid => (0, Stamp::default()),
        Judgement::Stale { since } => (1, since),
        Judgement::Void => (2, Stamp::default()),
    }
}

proptest! {
    #[test]
    fn a_roomy_log_judges_like_the_list_of_all_records(
        records in prop::collection::vec(record(), 0..60),
        requested in 1_u64..220,
        tags in prop::collection::vec(0_u64..12, 0..4),
        margin in 0_u64..10,
    ) {
        let margin_time = Duration::from_millis(margin);
        let log = InvalidationLog::new(LogLimits { margin: margin_time, ..LIMITS });
        let mut naive = Naive::default();
        for record in &records {
            log.apply(record, NOW);
            prop_assert!(!log.apply(record, NOW), "{record:?} applied twice");
            naive.0.push(record.clone());
        }
        let (level, since) = badness(judge(&log, requested, &tags));
        let (true_level, true_since) = badness(naive.judge(requested, &tags, margin));
        prop_assert_eq!(level, true_level);
        // Of many soft records only a span is kept: too early by less than the span, never too late.
        prop_assert!(since <= true_since);
        prop_assert!(since == true_since || since.0 >= requested - margin.min(requested));
        let few = |mode| records.iter().filter(|record| record.mode == mode).count();
        if few(Mode::Soft) + few(Mode::Refresh) <= 3 {
            prop_assert_eq!(since, true_since);
        }
    }

    #[test]
    fn a_full_log_is_never_milder_than_the_list_of_all_records(
        records in prop::collection::vec(record(), 0..60),
        requested in 1_u64..220,
        tags in prop::collection::vec(0_u64..12, 0..4),
    ) {
        let log = InvalidationLog::new(LogLimits { tags: 4, patterns: 2, ..LIMITS });
        log.apply_all(&records, NOW);
        let judged = badness(judge(&log, requested, &tags));
        let (true_level, true_since) = badness(Naive(records).judge(requested, &tags, 0));
        prop_assert!(judged.0 >= true_level);
        prop_assert!(judged.0 > true_level || judged.1 <= true_since);
        prop_assert!(log.size().tags <= 4 && log.size().patterns <= 2);
    }

    #[test]
    fn the_order_of_arrival_does_not_make_a_record_forgotten(
        records in prop::collection::vec(record(), 0..40),
        keys in prop::collection::vec(any::<u32>(), 40),
        requested in 1_u64..220,
    ) {
        let mut shuffled: Vec<_> = records.iter().zip(keys).collect();
        shuffled.sort_by_key(|(_, key)| *key);
        let (one, other) = (log(), log());
        one.apply_all(&records, NOW);
        shuffled.iter().for_each(|(record, _)| { other.apply(record, NOW); });
        let level = |log: &InvalidationLog| badness(judge(log, requested, &[0, 1, 2])).0;
        prop_assert_eq!(level(&one), level(&other));
    }
}
