//! Limits on time, resolved for one route: the route's word over the upstream's
//! over the defaults.

use std::time::Duration;

use crate::config::{upstream::TimeoutsConfig, values::Period};

const DEFAULT_CONNECT: Duration = Duration::from_secs(5);
const DEFAULT_WAIT: Duration = Duration::from_secs(60);
const DEFAULT_TUNNEL: Duration = Duration::from_secs(3600);

/// The limits that hold for the requests of one route to one upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResolvedTimeouts {
    /// To establish a connection, TLS included.
    pub connect: Duration,
    /// From the end of the request to the first byte of the response.
    pub first_byte: Duration,
    /// For the next piece of the response, once the one before is passed on.
    pub read: Duration,
    /// To hand over a piece of the request.
    pub write: Duration,
    /// For the whole request with all its attempts. A tunnel is no part of it.
    pub total: Option<Duration>,
    /// For the next byte in a tunnel, from either side.
    pub tunnel: Duration,
}

impl ResolvedTimeouts {
    /// Resolves each limit on its own. `first_byte` and `read` default to each
    /// other before they default to a minute.
    pub fn resolve(route: Option<&TimeoutsConfig>, upstream: &TimeoutsConfig) -> Self {
        let said = |limit: fn(&TimeoutsConfig) -> Option<Period>| {
            route.and_then(limit).or_else(|| limit(upstream)).map(Period::get)
        };
        let (first_byte, read) = (said(|t| t.first_byte), said(|t| t.read));
        Self {
            connect: said(|t| t.connect).unwrap_or(DEFAULT_CONNECT),
            first_byte: first_byte.or(read).unwrap_or(DEFAULT_WAIT),
            read: read.or(first_byte).unwrap_or(DEFAULT_WAIT),
            write: said(|t| t.write).unwrap_or(DEFAULT_WAIT),
            total: said(|t| t.total),
            tunnel: said(|t| t.tunnel).unwrap_or(DEFAULT_TUNNEL),
        }
    }

    /// The one timer Pingora has for both waits on the backend, started anew at
    /// each read: the longer limit, so that neither cuts the other short.
    pub fn wait(&self) -> Duration {
        self.first_byte.max(self.read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_route_overrides_the_upstream_key_by_key() {
        let route = TimeoutsConfig { read: Some(Period::secs(9)), ..TimeoutsConfig::default() };
        let upstream = TimeoutsConfig {
            connect: Some(Period::secs(1)),
            read: Some(Period::secs(2)),
            total: Some(Period::secs(30)),
            ..TimeoutsConfig::default()
        };
        let resolved = ResolvedTimeouts::resolve(Some(&route), &upstream);
        assert_eq!(resolved.connect, Duration::from_secs(1));
        assert_eq!(resolved.read, Duration::from_secs(9));
        assert_eq!(resolved.write, Duration::from_secs(60));
        assert_eq!(resolved.total, Some(Duration::from_secs(30)));
    }

    #[test]
    fn one_wait_sets_the_other_and_both_have_a_default() {
        let nothing = TimeoutsConfig::default();
        let resolved = ResolvedTimeouts::resolve(None, &nothing);
        assert_eq!((resolved.connect, resolved.wait()), (Duration::from_secs(5), Duration::from_secs(60)));
        assert_eq!((resolved.total, resolved.tunnel), (None, Duration::from_secs(3600)));
        let first = TimeoutsConfig { first_byte: Some(Period::millis(300)), ..nothing.clone() };
        assert_eq!(ResolvedTimeouts::resolve(Some(&first), &nothing).wait(), Duration::from_millis(300));
        let both = TimeoutsConfig { read: Some(Period::secs(5)), ..first };
        assert_eq!(ResolvedTimeouts::resolve(None, &both).wait(), Duration::from_secs(5));
    }
}
