//! Instants as numbers, so that they fit in atomics.

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

static START: LazyLock<Instant> = LazyLock::new(|| {
    // A second ago, so that instants taken just before the first call count too.
    let now = Instant::now();
    now.checked_sub(Duration::from_secs(1)).unwrap_or(now)
});

/// Nanoseconds since the process first asked, at least 1: zero is left to mean "never".
pub(super) fn nanos(now: Instant) -> u64 {
    span(now.saturating_duration_since(*START)).max(1)
}

/// A length of time in nanoseconds, at most 584 years.
pub(super) fn span(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
