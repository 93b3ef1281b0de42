//! Whether a stored response may answer a request now (RFC 9111 section 4).

use std::time::Duration;

use super::{
    directives::RequestDirectives,
    entry::{Stamp, Times},
};

/// What may be done with a stored response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reuse {
    /// It is served.
    Fresh,
    /// It is served though stale, because the client takes that.
    Stale,
    /// It is served though stale, and refreshed in the background (RFC 5861 section 3).
    StaleWhileRevalidate,
    /// The upstream is asked first.
    Revalidate,
}

/// Decides by the entry's moments and what the request wishes.
///
/// Wishes only narrow what the response allows: `max-stale` reaches no further than the
/// windows for stale responses, which are empty where the response forbids them.
pub fn reuse(times: &Times, wishes: &RequestDirectives, now: Stamp) -> Reuse {
    if wishes.no_cache || wishes.max_age.is_some_and(|limit| times.age(now) > u64::from(limit)) {
        return Reuse::Revalidate;
    }
    if times.is_fresh(now) {
        let lasts = |seconds: u32| times.fresh_until.since(now) >= Duration::from_secs(seconds.into());
        return if wishes.min_fresh.is_none_or(lasts) { Reuse::Fresh } else { Reuse::Revalidate };
    }
    let within = |seconds: u32| now <= times.fresh_until.plus(Duration::from_secs(seconds.into()));
    let window = times.stale_while_revalidate.max(times.stale_if_error);
    match wishes {
        RequestDirectives { min_fresh: Some(_), .. } => Reuse::Revalidate,
        RequestDirectives { max_stale: Some(limit), .. } if within(window.min(*limit)) => Reuse::Stale,
        _ if within(times.stale_while_revalidate) => Reuse::StaleWhileRevalidate,
        _ => Reuse::Revalidate,
    }
}

/// Whether it may be served because the upstream failed (RFC 5861 section 4).
pub fn may_replace_error(times: &Times, now: Stamp) -> bool {
    now <= times.fresh_until.plus(Duration::from_secs(times.stale_if_error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fresh for 10 s of a life that is 5 s old at second 0; then stale for 3 s and 6 s.
    fn times(swr: u32, sie: u32) -> Times {
        Times {
            born: Stamp(1_000_000 - 5000),
            fresh_until: Stamp(1_000_000 + 10_000),
            stale_while_revalidate: swr,
            stale_if_error: sie,
            ..Times::default()
        }
    }

    fn at(second: u64) -> Stamp {
        Stamp(1_000_000 + second * 1000)
    }

    fn plain(second: u64) -> Reuse {
        reuse(&times(3, 6), &RequestDirectives::default(), at(second))
    }

    #[test]
    fn rfc9111_4_2_fresh_then_not() {
        assert_eq!([plain(0), plain(10), plain(14)], [Reuse::Fresh, Reuse::Fresh, Reuse::Revalidate]);
    }

    #[test]
    fn rfc5861_3_the_window_has_a_hard_end() {
        assert_eq!(plain(11), Reuse::StaleWhileRevalidate);
        assert_eq!(plain(13), Reuse::StaleWhileRevalidate);
        assert_eq!(
            reuse(&times(3, 6), &RequestDirectives::default(), Stamp(at(13).0 + 1)),
            Reuse::Revalidate
        );
    }

    #[test]
    fn rfc5861_4_an_error_may_be_replaced_within_its_window() {
        assert!(may_replace_error(&times(3, 6), at(16)));
        assert!(!may_replace_error(&times(3, 6), at(17)));
        assert!(!may_replace_error(&times(3, 0), at(11)));
    }

    #[test]
    fn rfc9111_5_2_1_wishes_narrow_what_is_allowed() {
        let wish = |wishes: RequestDirectives, second| reuse(&times(3, 6), &wishes, at(second));
        let none = RequestDirectives::default;
        assert_eq!(wish(RequestDirectives { no_cache: true, ..none() }, 0), Reuse::Revalidate);
        assert_eq!(wish(RequestDirectives { max_age: Some(5), ..none() }, 0), Reuse::Fresh);
        assert_eq!(wish(RequestDirectives { max_age: Some(5), ..none() }, 1), Reuse::Revalidate);
        assert_eq!(wish(RequestDirectives { min_fresh: Some(10), ..none() }, 0), Reuse::Fresh);
        assert_eq!(wish(RequestDirectives { min_fresh: Some(10), ..none() }, 1), Reuse::Revalidate);
        assert_eq!(wish(RequestDirectives { min_fresh: Some(0), ..none() }, 11), Reuse::Revalidate);
    }

    #[test]
    fn rfc9111_5_2_1_2_max_stale_stays_within_the_windows() {
        let wish = |limit, second| {
            let wishes = RequestDirectives { max_stale: Some(limit), ..Default::default() };
            reuse(&times(3, 6), &wishes, at(second))
        };
        assert_eq!(wish(u32::MAX, 16), Reuse::Stale);
        assert_eq!(wish(u32::MAX, 17), Reuse::Revalidate);
        assert_eq!(wish(1, 12), Reuse::StaleWhileRevalidate);
        let forbidden = RequestDirectives { max_stale: Some(9), ..Default::default() };
        assert_eq!(reuse(&times(0, 0), &forbidden, at(11)), Reuse::Revalidate);
    }
}
