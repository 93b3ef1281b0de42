//! Which new traces are sampled.

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
    fn random_ids_meet_the_share() {
        let tenth = Threshold::of(0.1);
        let ids = (0..20_000).map(|_| super::super::TraceId::random());
        let taken = ids.filter(|id| tenth.takes(id.randomness())).count();
        assert!((1_700..2_300).contains(&taken), "{taken} of 20,000");
    }
}
