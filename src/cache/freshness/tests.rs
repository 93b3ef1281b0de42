use super::*;
use crate::cache::directives::Ignored;

/// 2026-07-20, a little after the full second.
const NOW: Stamp = Stamp(1_784_505_600_700);

fn at(seconds: i64) -> String {
    date::format(Stamp(NOW.0.saturating_add_signed(seconds * 1000)))
}

struct Case {
    config: CacheConfig,
    status: u16,
    headers: HeaderMap,
    requested: Stamp,
}

fn case(fields: &[(&'static str, &str)]) -> Case {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(*name, value.parse().unwrap());
    }
    Case { config: CacheConfig::default(), status: 200, headers, requested: NOW }
}

impl Case {
    fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    fn config(mut self, change: impl FnOnce(&mut CacheConfig)) -> Self {
        change(&mut self.config);
        self
    }

    fn answer(&self) -> Answer<'_> {
        let status = StatusCode::from_u16(self.status).unwrap();
        Answer { status, headers: &self.headers, requested: self.requested, received: NOW }
    }

    fn lifetime(&self) -> Option<(u64, LifetimeSource)> {
        let stated = Stated::read(&self.headers, Ignored::default()).unwrap();
        let found = FreshnessRules::new(&self.config, true).lifetime(&self.answer(), &stated)?;
        Some((found.duration.as_secs(), found.source))
    }

    fn times(&self) -> Times {
        let stated = Stated::read(&self.headers, Ignored::default()).unwrap();
        let rules = FreshnessRules::new(&self.config, true);
        let lifetime = rules.lifetime(&self.answer(), &stated).unwrap();
        rules.times(&self.answer(), lifetime, &stated.directives)
    }

    fn fresh(&self) -> bool {
        self.times().is_fresh(NOW)
    }
}

fn period(seconds: u64) -> Period {
    Period::secs(seconds)
}

#[test]
fn rfc9111_4_2_1_the_order_of_lifetimes() {
    use LifetimeSource::*;
    let (soon, before, now) = (at(50), at(-5000), at(0));
    let fields = [
        ("last-modified", before.as_str()),
        ("date", now.as_str()),
        ("expires", soon.as_str()),
        ("cache-control", "max-age=40"),
        ("cache-control", "s-maxage=30"),
        ("surrogate-control", "max-age=25"),
        ("cdn-cache-control", "max-age=20"),
    ];
    let of = |count: usize| case(&fields[..count]).lifetime();
    assert_eq!(of(7), Some((20, CdnCacheControl)));
    assert_eq!(of(6), Some((25, SurrogateControl)));
    assert_eq!(of(5), Some((30, SMaxAge)));
    assert_eq!(of(4), Some((40, MaxAge)));
    assert_eq!(of(3), Some((50, Expires)));
    assert_eq!(of(2), Some((500, Heuristic)));
    assert_eq!(of(0), None);
    let routed = case(&fields[..2]).config(|config| {
        config.ttl.insert(TtlKey::Status(200), period(7));
    });
    assert_eq!(routed.lifetime(), Some((7, Route)));
}

#[test]
fn rfc9213_2_2_a_targeted_field_hides_expires_even_without_a_lifetime() {
    let soon = at(50);
    assert_eq!(case(&[("cdn-cache-control", "foo"), ("expires", &soon)]).lifetime(), None);
}

#[test]
fn edge_arch_2_2_3_age_and_expires_beside_surrogate_control() {
    let (soon, now) = (at(50), at(0));
    let none = case(&[("surrogate-control", "max-age=0"), ("expires", &soon), ("date", &now)]);
    assert_eq!(none.lifetime().unwrap().0, 0);
    let long = case(&[("surrogate-control", "max-age=3600"), ("expires", "0")]);
    assert_eq!(long.lifetime(), Some((3600, LifetimeSource::SurrogateControl)));
}

#[test]
fn rfc9111_5_3_expires_counts_from_date() {
    let lifetime =
        |date: &str, expires: &str| case(&[("date", date), ("expires", expires)]).lifetime().unwrap().0;
    assert_eq!(lifetime(&at(0), &at(30)), 30);
    assert_eq!(lifetime(&at(400), &at(300)), 0);
    assert_eq!(lifetime(&at(0), &at(0)), 0);
    assert_eq!(lifetime(&at(0), "0"), 0);
    assert_eq!(lifetime("foo", &at(10)), 10);
    let (one, other) = (at(10), at(11));
    assert_eq!(case(&[("expires", &one), ("expires", &other)]).lifetime().unwrap().0, 0);
}

#[test]
fn rfc9111_4_2_2_only_some_statuses_have_a_heuristic_lifetime() {
    let (now, day) = (at(0), at(-86_400));
    let fields = [("date", now.as_str()), ("last-modified", day.as_str())];
    for status in [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501] {
        assert_eq!(case(&fields).status(status).lifetime().unwrap().0, 8640, "{status}");
    }
    for status in [201, 202, 302, 307, 403, 500, 502, 503, 504, 599] {
        assert_eq!(case(&fields).status(status).lifetime(), None, "{status}");
    }
    let public = [fields[0], fields[1], ("cache-control", "public")];
    assert_eq!(case(&public).status(599).lifetime().unwrap().0, 8640);
    assert_eq!(case(&fields).config(|config| config.heuristic = false).lifetime(), None);
}

#[test]
fn rfc9111_4_2_2_a_heuristic_lifetime_has_bounds() {
    let (old, ahead) = (at(-40 * 86_400), at(60));
    assert_eq!(case(&[("last-modified", &old)]).lifetime().unwrap().0, 86_400);
    assert_eq!(case(&[("last-modified", &ahead)]).lifetime(), None);
    assert_eq!(case(&[("last-modified", "yesterday")]).lifetime(), None);
}

#[test]
fn the_route_gives_lifetimes_from_the_most_precise_key() {
    let lifetime = |status| {
        let routed = case(&[]).status(status).config(|config| {
            config.ttl = [(TtlKey::Status(404), 1), (TtlKey::Class(4), 2), (TtlKey::Default, 3)]
                .map(|(key, seconds)| (key, period(seconds)))
                .into();
        });
        routed.lifetime().unwrap().0
    };
    assert_eq!([404, 410, 200].map(lifetime), [1, 2, 3]);
}

#[test]
fn max_ttl_bounds_every_lifetime() {
    let capped = case(&[("cache-control", "max-age=100")]).config(|config| config.max_ttl = period(10));
    assert_eq!(capped.lifetime().unwrap().0, 10);
}

#[test]
fn rfc9111_5_2_2_4_no_cache_is_a_lifetime_of_zero() {
    let no_cache = case(&[("cache-control", "no-cache, max-age=10")]);
    assert_eq!(no_cache.lifetime(), Some((0, LifetimeSource::NoCache)));
    assert!(!no_cache.fresh());
    assert_eq!(case(&[("cache-control", "no-cache")]).lifetime(), Some((0, LifetimeSource::NoCache)));
    assert_eq!(case(&[("cache-control", "no-cache")]).status(500).lifetime(), None);
}

#[test]
fn rfc9111_4_2_3_age_is_the_first_list_member() {
    let age = |values: &[&str]| {
        let fields: Vec<_> = values.iter().map(|value| ("age", *value)).collect();
        corrected_initial_age(&case(&fields).answer()).as_secs()
    };
    assert_eq!(age(&["7200,0"]), 7200);
    assert_eq!(age(&["0,7200"]), 0);
    assert_eq!(age(&["0", "7200"]), 0);
    assert_eq!(age(&["7200", "0"]), 7200);
    assert_eq!(age(&["99999999999"]), 1 << 31);
    for ignored in ["abc", "-7200", "7200.0", "7200;foo=111", ""] {
        assert_eq!(age(&[ignored]), 0, "{ignored}");
    }
}

#[test]
fn rfc9111_4_2_3_date_and_delay_add_to_the_age() {
    let age = |date: i64, stated: &str, delay: u64| {
        let date = at(date);
        let mut case = case(&[("date", &date), ("age", stated)]);
        case.requested = NOW.minus(Duration::from_millis(delay));
        corrected_initial_age(&case.answer()).as_millis()
    };
    assert_eq!(age(0, "", 0), 0);
    assert_eq!(age(-10, "", 0), 10_000);
    assert_eq!(age(-10, "4", 500), 10_000);
    assert_eq!(age(-10, "40", 500), 40_500);
    assert_eq!(age(60, "15", 0), 15_000);
}

#[test]
fn rfc9111_4_2_a_response_is_fresh_while_its_lifetime_exceeds_its_age() {
    let max_age = |seconds: u32, age: &str| {
        let value = format!("max-age={seconds}");
        case(&[("cache-control", &value), ("age", age)]).fresh()
    };
    assert!(max_age(11, "10"));
    assert!(!max_age(10, "10"));
    assert!(!max_age(0, "0"));
    assert!(!max_age(u32::MAX, "99999999999"));
    let times = case(&[("cache-control", "max-age=2"), ("age", "1")]).times();
    assert_eq!(times.age(NOW), 1);
    assert!(times.is_fresh(NOW.plus(Duration::from_millis(999))));
    assert!(!times.is_fresh(NOW.plus(Duration::from_millis(1000))));
}

#[test]
fn rfc9111_4_2_expires_and_age_are_compared_whatever_the_clocks_say() {
    let fresh = |date: i64, expires: i64, age: &str| {
        let (date, expires) = (at(date), at(expires));
        case(&[("date", &date), ("expires", &expires), ("age", age)]).fresh()
    };
    assert!(fresh(0, 20, "10"));
    assert!(!fresh(-10, 10, "25"));
    assert!(!fresh(10, 20, "15"));
}

fn windows(cache_control: &str, change: impl FnOnce(&mut CacheConfig)) -> (u32, u32) {
    let times = case(&[("cache-control", cache_control)]).config(change).times();
    (times.stale_while_revalidate, times.stale_if_error)
}

#[test]
fn rfc5861_windows_come_from_the_response_or_the_route_up_to_a_limit() {
    assert_eq!(windows("max-age=1", |_| {}), (0, 60));
    assert_eq!(windows("max-age=1, stale-while-revalidate=5, stale-if-error=0", |_| {}), (5, 0));
    let limited = |config: &mut CacheConfig| config.max_stale = period(7);
    assert_eq!(windows("max-age=1, stale-while-revalidate=99999999999", limited), (7, 7));
}

#[test]
fn rfc9111_4_2_4_some_directives_forbid_stale_responses() {
    for forbidding in ["must-revalidate", "proxy-revalidate", "s-maxage=1", "no-cache"] {
        let value = format!("max-age=1, stale-while-revalidate=5, stale-if-error=5, {forbidding}");
        assert_eq!(windows(&value, |_| {}), (0, 0), "{forbidding}");
    }
}

#[test]
fn an_entry_is_useless_after_its_windows_unless_it_can_be_revalidated() {
    let plain = case(&[("cache-control", "max-age=10, stale-if-error=5")]).times();
    assert_eq!(plain.useless_at, plain.fresh_until.plus(Duration::from_secs(5)));
    let tagged = case(&[("cache-control", "max-age=10, stale-if-error=5"), ("etag", "\"1\"")]).times();
    assert_eq!(tagged.useless_at, tagged.fresh_until.plus(Duration::from_secs(5) + REVALIDATION_GRACE));
    // Long stale on arrival, and still of use for the whole grace.
    let late = case(&[("cache-control", "max-age=10"), ("age", "99999"), ("etag", "\"1\"")]).times();
    assert_eq!(late.useless_at, NOW.plus(REVALIDATION_GRACE));
    assert!(case(&[("cache-control", "max-age=10"), ("age", "99999")]).times().useless_at < NOW);
}
