//! The records of the log, by what they concern.

use hashbrown::HashMap;

use super::{Glob, Judgement, LogLimits, LogSize, Mode, Scope, marks::Marks};
use crate::cache::{entry::Stamp, key::Tag};

/// Of a full map, one part in so many is forgotten at once, which spreads the work of
/// finding the oldest over as many new tags.
const FORGOTTEN_PART: usize = 8;

/// What the log's lock guards.
#[derive(Debug)]
pub(super) struct State {
    limits: LogLimits,
    /// For everything. Its latest hard moment is the floor.
    all: Marks,
    tags: HashMap<Tag, Marks, ahash::RandomState>,
    /// Ordered by their latest moment.
    patterns: Vec<(Glob, Marks)>,
}

impl State {
    pub(super) fn new(limits: LogLimits) -> Self {
        Self { limits, all: Marks::default(), tags: HashMap::default(), patterns: Vec::new() }
    }

    /// Adds one record. Whether it says something new.
    pub(super) fn apply(&mut self, scope: &Scope, mode: Mode, at: Stamp, now: Stamp) -> bool {
        let known = self.all.hard().is_some_and(|floor| at <= floor);
        if known || at < self.horizon(now) {
            return false;
        }
        match scope {
            Scope::All => self.all.add(mode, at),
            Scope::Tag(tag) | Scope::Url(tag) | Scope::Route(tag) => self.add_tag(*tag, mode, at),
            Scope::Pattern(glob) => self.add_pattern(glob, mode, at),
        }
    }

    fn add_tag(&mut self, tag: Tag, mode: Mode, at: Stamp) -> bool {
        let news = self.tags.entry(tag).or_default().add(mode, at);
        if self.tags.len() > self.limits.tags {
            self.forget_tags();
        }
        news
    }

    fn add_pattern(&mut self, glob: &Glob, mode: Mode, at: Stamp) -> bool {
        let place = self.patterns.iter().position(|(known, _)| known == glob);
        let mut marks = place.map(|at| self.patterns.remove(at).1).unwrap_or_default();
        let news = marks.add(mode, at);
        let latest = marks.latest();
        let place = self.patterns.partition_point(|(_, other)| other.latest() <= latest);
        self.patterns.insert(place, (glob.clone(), marks));
        if self.patterns.len() > self.limits.patterns {
            let (_, oldest) = self.patterns.remove(0);
            self.raise_floor(oldest.latest());
        }
        news
    }

    /// Folds the tags invalidated longest ago into the floor.
    fn forget_tags(&mut self) {
        let mut moments: Vec<Stamp> = self.tags.values().map(Marks::latest).collect();
        let part = moments.len() / FORGOTTEN_PART;
        let (_, &mut last_forgotten, _) = moments.select_nth_unstable(part);
        self.tags.retain(|_, marks| marks.latest() > last_forgotten);
        self.raise_floor(last_forgotten);
    }

    /// Everything requested until then is void.
    pub(super) fn raise_floor(&mut self, at: Stamp) {
        self.all.add(Mode::Hard, at);
    }

    /// Drops records that concern nothing any more: older than every entry, or than the floor.
    pub(super) fn prune(&mut self, now: Stamp) {
        let (horizon, floor) = (self.horizon(now), self.all.hard());
        let concerns = |marks: &Marks| marks.latest() >= horizon && Some(marks.latest()) > floor;
        self.tags.retain(|_, marks| concerns(marks));
        self.patterns.retain(|(_, marks)| concerns(marks));
        if self.all.latest() < horizon {
            self.all = Marks::default();
        }
    }

    /// What the records mean for an entry.
    pub(super) fn judge(
        &self,
        requested: Stamp,
        tags: impl Iterator<Item = Tag>,
        target: &[u8],
    ) -> Judgement {
        let margin = self.limits.margin;
        let mut judgement = self.all.judge(requested, margin);
        for marks in tags.filter_map(|tag| self.tags.get(&tag)) {
            judgement = judgement.and(marks.judge(requested, margin));
        }
        let later = |(_, marks): &&(Glob, Marks)| marks.latest().plus(margin) >= requested;
        for (glob, marks) in self.patterns.iter().rev().take_while(later) {
            let worse = judgement.and(marks.judge(requested, margin));
            if worse != judgement && glob.matches(target) {
                judgement = worse;
            }
        }
        judgement
    }

    pub(super) fn size(&self) -> LogSize {
        LogSize { tags: self.tags.len(), patterns: self.patterns.len(), floor: self.all.hard() }
    }

    /// No entry was requested before.
    fn horizon(&self, now: Stamp) -> Stamp {
        now.minus(self.limits.life).minus(self.limits.margin)
    }
}
