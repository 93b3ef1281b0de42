//! What responses tell of a limit (draft-ietf-httpapi-ratelimit-headers).

use std::{fmt::Write as _, sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue};

use super::{limit::Limit, quota::Decision};

/// The field that names limits.
pub const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// The field that tells what is left of them.
pub const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// What the most pressing limit of a request had to say.
#[derive(Clone)]
pub struct Report {
    pub(super) limit: Arc<Limit>,
    /// Requests that could follow at once; none after a refusal.
    pub(super) left: u32,
    /// After a refusal the time until a request would pass, else that until the bucket is
    /// full, in whole seconds.
    pub(super) seconds: u32,
}

impl Report {
    pub(super) fn new(limit: &Arc<Limit>, decision: Decision) -> Self {
        let (left, time) = match decision {
            Decision::Passed { left, full_in } => (left, full_in),
            Decision::Refused { wait } => (0, wait),
        };
        Self { limit: Arc::clone(limit), left, seconds: seconds(time) }
    }

    /// The limit that it is of.
    pub fn limit(&self) -> &str {
        self.limit.name()
    }

    /// Requests that could follow at once; none after a refusal.
    pub fn left(&self) -> u32 {
        self.left
    }

    /// After a refusal the time until a request would pass, else that until the bucket is full,
    /// in whole seconds.
    pub fn seconds(&self) -> u32 {
        self.seconds
    }

    /// After a refusal: whole seconds until a request would pass, at least one.
    pub fn retry_after(&self) -> u32 {
        self.seconds.max(1)
    }

    /// `RateLimit-Policy` and `RateLimit`, if the limit is one that responses tell of.
    pub fn fields(&self) -> Option<(HeaderValue, HeaderValue)> {
        let policy = self.limit.policy()?.clone();
        let mut text = String::with_capacity(self.limit.name().len() + 32);
        write!(text, "\"{}\";r={};t={}", self.limit.name(), self.left, self.seconds).ok()?;
        Some((policy, HeaderValue::from_maybe_shared(bytes::Bytes::from(text)).ok()?))
    }
}

/// Rounded up: who waits so long has waited long enough.
fn seconds(time: Duration) -> u32 {
    let whole = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    u32::try_from(whole).unwrap_or(u32::MAX)
}
