//! Which traces are sampled.

use std::time::Instant;

use super::bucket::Bucket;
use crate::config::trace::SamplingConfig;

/// Traces whose randomness is below this are sampled.
///
/// The decision follows from the id alone: every node that samples the same share takes the
/// same traces, and asking twice gives the same answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threshold(u64);

/// The number of values that [`TraceId::randomness`](super::TraceId::randomness) has.
const VALUES: u64 = 1 << 56;

impl Threshold {
    /// The threshold for a share between 0 and 1.
    pub fn of(ratio: f64) -> Self {
        // Exact for 0 and 1; 2^56 has no more than a double's bits.
        Self((ratio.clamp(0.0, 1.0) * VALUES as f64) as u64)
    }

    /// Whether a trace is sampled.
    pub fn takes(self, randomness: u64) -> bool {
        randomness < self.0
    }
}

/// How far callers decide what is sampled.
#[derive(Debug)]
pub struct Parents {
    heeded: bool,
    bucket: Bucket,
}

impl Parents {
    /// As configured.
    pub fn new(config: &SamplingConfig) -> Self {
        Self { heeded: config.parent_based, bucket: Bucket::new(config.parent_limit) }
    }

    /// What holds of a caller's decision: none where callers do not decide, or where more wanted
    /// to be sampled than may. `Err`: for the latter reason.
    pub fn heed(&self, decision: Option<bool>, now: Instant) -> Result<Option<bool>, Limited> {
        match decision.filter(|_| self.heeded) {
            Some(true) if !self.bucket.take(now) => Err(Limited),
            decision => Ok(decision),
        }
    }
}

/// Callers wanted more traces sampled than may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limited;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_all_and_a_share() {
        assert!(!Threshold::of(0.0).takes(0));
        assert!(Threshold::of(1.0).takes(VALUES - 1));
        let quarter = Threshold::of(0.25);
        assert!(quarter.takes(VALUES / 4 - 1) && !quarter.takes(VALUES / 4));
    }

    #[test]
    fn callers_decide_up_to_a_limit_or_not_at_all() {
        let now = Instant::now();
        let parents = Parents::new(&SamplingConfig { parent_limit: 2, ..SamplingConfig::default() });
        let heed = |decision| parents.heed(decision, now);
        assert_eq!([heed(Some(true)), heed(Some(true))], [Ok(Some(true)); 2]);
        assert_eq!(heed(Some(true)), Err(Limited));
        assert_eq!((heed(Some(false)), heed(None)), (Ok(Some(false)), Ok(None)), "these cost nothing");
        let alone = Parents::new(&SamplingConfig { parent_based: false, ..SamplingConfig::default() });
        assert_eq!(alone.heed(Some(true), now), Ok(None));
        assert_eq!(alone.heed(Some(false), now), Ok(None));
    }

    #[test]
    fn random_ids_meet_the_share() {
        let tenth = Threshold::of(0.1);
        let ids = (0..20_000).map(|_| super::super::TraceId::random());
        let taken = ids.filter(|id| tenth.takes(id.randomness())).count();
        assert!((1_700..2_300).contains(&taken), "{taken} of 20,000");
    }
}
