//! Limits that all nodes keep together, by one script in Redis.
//!
//! The bucket is one key of its own: the microsecond, by the clock of Redis, at which it is
//! full again. It lives no longer than that, so what nobody uses is gone by itself.

use std::{sync::Arc, time::Instant};

use redis::Value;
use tokio::sync::Notify;

use super::{
    key::BucketKey,
    quota::{Decision, Quota},
};
use crate::{
    config::{finding::Problem, redis::RedisServerConfig, values::Period},
    redis::{Guarded, Script, Target},
    telemetry::{cache::BackendFailure, metrics::SharedLimitMetrics},
};

/// GCRA. `ARGV`: microseconds in which a request comes back, those in which the whole burst
/// does, and whether one is taken (1) or given back (0). Answers with whether it passes, and
/// with the microseconds until the bucket is full, or until a request would pass.
///
/// A moment further away than an empty bucket explains is that of a clock that went back, or
/// nobody's: the bucket counts as empty.
const TAKE: &str = "
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval, span = tonumber(ARGV[1]), tonumber(ARGV[2])
local full = tonumber(redis.call('GET', KEYS[1]) or now) or now
full = math.min(math.max(full, now), now + span)
if ARGV[3] == '0' then
  full = full - interval
elseif full + interval - now > span then
  return {0, full + interval - now - span}
else
  full = full + interval
end
if full <= now then
  redis.call('DEL', KEYS[1])
  return {1, 0}
end
redis.call('SET', KEYS[1], string.format('%.0f', full), 'PX', math.ceil((full - now) / 1000))
return {1, full - now}";

/// The buckets in Redis.
pub struct Shared {
    redis: Guarded,
    prefix: String,
    script: Script,
    /// Told when the first limit is to be shared.
    wanted: Notify,
    metrics: Arc<SharedLimitMetrics>,
}

impl Shared {
    /// Buckets that cannot be reached yet; [`run`](Self::run) changes that. A request waits
    /// no longer than `budget`.
    ///
    /// # Errors
    /// What is wrong with the configuration, with a path from its section.
    pub fn new(
        server: &RedisServerConfig,
        budget: Period,
        metrics: Arc<SharedLimitMetrics>,
    ) -> Result<Self, Problem> {
        let target = Target::new(server)?;
        let without = "each node keeps shared limits by itself";
        let link = Arc::clone(metrics.link());
        Ok(Self {
            redis: Guarded::new(target, &server.breaker, budget.get(), without, link),
            prefix: format!("{}:rl:", server.prefix),
            script: Script::new(TAKE),
            wanted: Notify::new(),
            metrics,
        })
    }

    /// Keeps the connection, from the moment at which a limit is shared. Never ends.
    pub async fn run(&self) {
        self.wanted.notified().await;
        self.redis.maintain().await;
    }

    /// Brings what is shown of it up to date: called before a scrape.
    pub fn observe(&self) {
        self.redis.show_breaker();
    }

    /// A limit is to be shared.
    pub(super) fn want(&self) {
        self.wanted.notify_one();
    }

    /// Takes a request from a bucket, if it has one.
    pub(super) async fn take(&self, key: BucketKey, quota: &Quota) -> Result<Decision, BackendFailure> {
        let started = Instant::now();
        let answer = self.run_script(key, quota, 1).await;
        let decision = answer.and_then(|value| decision(&value, quota).ok_or(BackendFailure::WrongType));
        match &decision {
            Ok(_) => self.metrics.decided(started.elapsed()),
            Err(failure) => self.metrics.fell_back(*failure),
        }
        decision
    }

    /// Gives a request back that was taken and not used. If Redis does not hear of it, it
    /// comes back with time.
    pub(super) async fn give_back(&self, key: BucketKey, quota: &Quota) {
        let _ = self.run_script(key, quota, 0).await;
    }

    async fn run_script(&self, key: BucketKey, quota: &Quota, take: u64) -> Result<Value, BackendFailure> {
        let name = format!("{}{key}", self.prefix);
        let arguments = [quota.interval_micros(), quota.span_micros(), take];
        self.redis.ask(async |connection| self.script.run(&connection, &name, &arguments).await).await
    }
}

fn decision(answer: &Value, quota: &Quota) -> Option<Decision> {
    let Value::Array(parts) = answer else { return None };
    let [Value::Int(passes), Value::Int(micros)] = parts.as_slice() else { return None };
    let micros = u64::try_from(*micros).ok()?;
    match passes {
        1 => {
            let left = quota.span_micros().saturating_sub(micros) / quota.interval_micros();
            Some(Decision::passed(quota, u32::try_from(left).ok()?))
        }
        0 => Some(Decision::Refused { wait: std::time::Duration::from_micros(micros) }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::{num::NonZeroU32, time::Duration};

    use super::*;

    #[test]
    fn answers_of_the_script_are_decisions() {
        let quota = Quota { interval: Duration::from_millis(100), burst: NonZeroU32::new(3).unwrap() };
        let of =
            |passes, micros| decision(&Value::Array(vec![Value::Int(passes), Value::Int(micros)]), &quota);
        assert_eq!(of(1, 100_000), Some(Decision::passed(&quota, 2)));
        assert_eq!(of(1, 299_999), Some(Decision::passed(&quota, 0)));
        assert_eq!(of(1, 0), Some(Decision::passed(&quota, 3)));
        assert_eq!(of(0, 70_000), Some(Decision::Refused { wait: Duration::from_millis(70) }));
        assert_eq!(of(2, 0), None);
        assert_eq!(of(1, -1), None);
        assert_eq!(decision(&Value::Nil, &quota), None);
    }
}
