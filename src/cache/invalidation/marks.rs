//! When one thing (a tag, a pattern, everything) was invalidated.

use std::time::Duration;

use super::{Judgement, Mode};
use crate::cache::entry::Stamp;

/// How many soft invalidations are kept one by one.
const RECENT: usize = 3;

/// The moments at which one thing was invalidated, in bounded space.
///
/// Of hard invalidations only the latest counts. Of soft ones every moment counts, because
/// the stale windows of an entry run from the first that came after its request: the latest
/// are kept one by one, what came before as the span they lie in. An entry requested within
/// that span counts as stale since its request, which is too early rather than too late.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks {
    hard: Option<Stamp>,
    span: Option<(Stamp, Stamp)>,
    /// In order, all later than `hard` and `span`.
    recent: Vec<Stamp>,
}

impl Marks {
    /// Adds a moment, in any order. Whether that changed anything.
    pub(super) fn add(&mut self, mode: Mode, at: Stamp) -> bool {
        if self.hard.is_some_and(|hard| at <= hard) {
            return false;
        }
        match mode {
            Mode::Hard => self.add_hard(at),
            Mode::Soft | Mode::Refresh => self.add_soft(at),
        }
    }

    fn add_hard(&mut self, at: Stamp) -> bool {
        self.hard = Some(at);
        self.span = self.span.filter(|(_, last)| *last > at);
        self.recent.retain(|soft| *soft > at);
        true
    }

    fn add_soft(&mut self, at: Stamp) -> bool {
        if let Some((first, last)) = &mut self.span
            && at <= *last
        {
            let earlier = at < *first;
            *first = at.min(*first);
            return earlier;
        }
        let Err(place) = self.recent.binary_search(&at) else { return false };
        self.recent.insert(place, at);
        if self.recent.len() > RECENT {
            let oldest = self.recent.remove(0);
            self.span = Some((self.span.map_or(oldest, |(first, _)| first), oldest));
        }
        true
    }

    /// The latest hard moment.
    pub(super) fn hard(&self) -> Option<Stamp> {
        self.hard
    }

    /// The latest moment of all.
    pub(super) fn latest(&self) -> Stamp {
        let last = self.span.map(|(_, last)| last);
        self.recent.last().copied().or(last).max(self.hard).unwrap_or_default()
    }

    /// What they mean for an entry. A moment counts if it is not earlier than the request
    /// by more than `margin`.
    pub(super) fn judge(&self, requested: Stamp, margin: Duration) -> Judgement {
        let counts = |at: Stamp| at.plus(margin) >= requested;
        if self.hard.is_some_and(counts) {
            return Judgement::Void;
        }
        let in_span = self.span.filter(|(_, last)| counts(*last));
        let since = match in_span {
            Some((first, _)) => Some(first.max(requested.minus(margin))),
            None => self.recent.iter().copied().find(|at| counts(*at)),
        };
        since.map_or(Judgement::Valid, |since| Judgement::Stale { since })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(list: &[(Mode, u64)]) -> Marks {
        let mut marks = Marks::default();
        for (mode, at) in list {
            marks.add(*mode, Stamp(*at));
        }
        marks
    }

    fn judge(marks: &Marks, requested: u64) -> Judgement {
        marks.judge(Stamp(requested), Duration::ZERO)
    }

    #[test]
    fn nothing_means_valid() {
        assert_eq!(judge(&Marks::default(), 0), Judgement::Valid);
        assert_eq!(Marks::default().judge(Stamp(0), Duration::from_secs(1)), Judgement::Valid);
    }

    #[test]
    fn stale_windows_run_from_the_first_that_came_after_the_request() {
        let marks = marks(&[(Mode::Soft, 10), (Mode::Refresh, 20), (Mode::Soft, 30)]);
        assert_eq!(judge(&marks, 5), Judgement::Stale { since: Stamp(10) });
        assert_eq!(judge(&marks, 10), Judgement::Stale { since: Stamp(10) });
        assert_eq!(judge(&marks, 11), Judgement::Stale { since: Stamp(20) });
        assert_eq!(judge(&marks, 31), Judgement::Valid);
    }

    #[test]
    fn a_hard_one_outdoes_soft_ones_before_it_only() {
        let marks = marks(&[(Mode::Soft, 10), (Mode::Soft, 30), (Mode::Hard, 20)]);
        assert_eq!(judge(&marks, 20), Judgement::Void);
        assert_eq!(judge(&marks, 21), Judgement::Stale { since: Stamp(30) });
        assert_eq!(marks.recent, [Stamp(30)]);
    }

    #[test]
    fn many_soft_ones_become_a_span() {
        let many: Vec<_> = (1..=100).map(|n| (Mode::Soft, n * 10)).collect();
        let marks = marks(&many);
        assert_eq!(marks.recent.len(), RECENT);
        assert_eq!(judge(&marks, 5), Judgement::Stale { since: Stamp(10) });
        assert_eq!(judge(&marks, 501), Judgement::Stale { since: Stamp(501) });
        assert_eq!(judge(&marks, 981), Judgement::Stale { since: Stamp(990) });
        assert_eq!(marks.latest(), Stamp(1000));
    }
}
