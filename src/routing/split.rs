//! Spreading requests over several upstreams by weight.

use crate::config::finding::Problem;

/// The largest weight of one part: sums stay far from overflow.
const MAX_WEIGHT: u32 = 1_000_000;

/// Values with weights, of which one is picked for each request.
#[derive(Clone, Debug)]
pub struct WeightedSplit<T> {
    /// Each value with the sum of its weight and those before; none has weight 0.
    parts: Box<[(u64, T)]>,
    total: u64,
}

impl<T> WeightedSplit<T> {
    /// Takes values and their weights. A part of weight 0 is never picked.
    ///
    /// # Errors
    /// A [`Problem`] for each weight too large, or when all weights are 0.
    pub fn new(parts: Vec<(T, u32)>) -> Result<Self, Vec<Problem>> {
        let too_large: Vec<Problem> = parts
            .iter()
            .enumerate()
            .filter(|(_, (_, weight))| *weight > MAX_WEIGHT)
            .map(|(at, (_, weight))| {
                Problem::new(format!("[{at}].weight"), format!("{weight} is more than {MAX_WEIGHT}"))
                    .hint("weights are relative to each other: 90 and 10 will do")
            })
            .collect();
        if !too_large.is_empty() {
            return Err(too_large);
        }
        let mut total = 0;
        let parts: Box<[(u64, T)]> = parts
            .into_iter()
            .filter(|(_, weight)| *weight > 0)
            .map(|(value, weight)| {
                total += u64::from(weight);
                (total, value)
            })
            .collect();
        if total == 0 {
            return Err(vec![
                Problem::new("", "no part has a weight above 0")
                    .hint("give one upstream a weight of 1 or more"),
            ]);
        }
        Ok(Self { parts, total })
    }

    /// The value for a number drawn evenly from all `u64`.
    ///
    /// The same number always picks the same value, so a hash of the client does as well.
    pub fn pick(&self, random: u64) -> &T {
        // Scaled by multiplication: unlike a remainder, even without a division.
        let point = (u128::from(random) * u128::from(self.total)) >> 64;
        let at = self.parts.partition_point(|(sum, _)| u128::from(*sum) <= point);
        &self.parts[at].1
    }

    /// The values that can be picked, with their shares between 0 and 1.
    pub fn shares(&self) -> impl Iterator<Item = (&T, f64)> {
        let mut before = 0;
        self.parts.iter().map(move |(sum, value)| {
            let weight = sum - std::mem::replace(&mut before, *sum);
            (value, weight as f64 / self.total as f64)
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn shares_follow_the_weights() {
        let split = WeightedSplit::new(vec![("a", 90), ("never", 0), ("b", 10)]).unwrap();
        assert_eq!(split.shares().collect::<Vec<_>>(), [(&"a", 0.9), (&"b", 0.1)]);
        let n = 10_000;
        let step = u64::MAX / n;
        let b = (0..n).filter(|i| *split.pick(i * step + step / 2) == "b").count();
        assert_eq!(b, 1000);
    }

    #[test]
    fn the_ends_of_the_range_are_covered() {
        let split = WeightedSplit::new(vec![("never", 0), ("a", 1), ("b", 1), ("never", 0)]).unwrap();
        assert_eq!(*split.pick(0), "a");
        assert_eq!(*split.pick(u64::MAX / 2), "a");
        assert_eq!(*split.pick(u64::MAX / 2 + 1), "b");
        assert_eq!(*split.pick(u64::MAX), "b");
    }

    #[test]
    fn a_split_that_sends_nothing_or_overflows_is_refused() {
        assert_eq!(WeightedSplit::new(vec![("a", 0)]).unwrap_err()[0].path, "");
        assert_eq!(WeightedSplit::<()>::new(vec![]).unwrap_err().len(), 1);
        assert_eq!(WeightedSplit::new(vec![("a", 1), ("b", u32::MAX)]).unwrap_err()[0].path, "[1].weight");
    }

    proptest! {
        #[test]
        fn whatever_is_drawn_a_part_with_weight_is_picked(
            weights in proptest::collection::vec(0..=MAX_WEIGHT, 1..8),
            random: u64,
        ) {
            prop_assume!(weights.iter().any(|w| *w > 0));
            let split = WeightedSplit::new(weights.iter().copied().enumerate().collect()).unwrap();
            prop_assert!(weights[*split.pick(random)] > 0);
        }
    }
}
