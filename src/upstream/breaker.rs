//! The circuit breaker: refusing attempts at once while the whole upstream fails.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use super::window::{Counts, Window};
use crate::{
    config::upstream::CircuitBreakerConfig,
    telemetry::label::{BreakerState, Label},
};

/// Closed → open when the share of failures in the window is reached; open →
/// half-open after a time; half-open → closed when every trial succeeded, open
/// again when one failed.
///
/// While closed, admission is one atomic load and a report one compare-and-swap.
/// The lock is taken only around the other states.
#[derive(Debug)]
pub(super) struct Breaker {
    config: CircuitBreakerConfig,
    window: Window,
    /// The index of the state, for those who take no lock.
    state: AtomicUsize,
    machine: Mutex<Machine>,
    /// Times each state was entered.
    entered: [AtomicU64; BreakerState::ALL.len()],
}

#[derive(Debug)]
struct Machine {
    stand: Stand,
    /// Which half-open episode it is: a trial of an earlier one has no say.
    episode: u64,
}

#[derive(Clone, Copy, Debug)]
enum Stand {
    Closed,
    Open { since: Instant },
    HalfOpen { running: u32, succeeded: u32 },
}

/// Leave to make one attempt; it must come back by `report` or `release`.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Ticket {
    Regular,
    Trial { episode: u64 },
}

/// The breaker is open. `retry_after` is zero when only the trials are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) retry_after: Duration,
}

impl Breaker {
    pub(super) fn new(config: CircuitBreakerConfig) -> Self {
        Self {
            window: Window::new(config.window.get()),
            config,
            state: AtomicUsize::new(BreakerState::Closed.index()),
            machine: Mutex::new(Machine { stand: Stand::Closed, episode: 0 }),
            entered: Default::default(),
        }
    }

    pub(super) fn config(&self) -> &CircuitBreakerConfig {
        &self.config
    }

    pub(super) fn state(&self) -> BreakerState {
        BreakerState::ALL[self.state.load(Relaxed)]
    }

    /// How often a state was entered since the breaker was made.
    pub(super) fn entered(&self, state: BreakerState) -> u64 {
        self.entered[state.index()].load(Relaxed)
    }

    /// Asks to make an attempt.
    pub(super) fn admit(&self, now: Instant) -> Result<Ticket, Refused> {
        if self.state() == BreakerState::Closed {
            return Ok(Ticket::Regular);
        }
        let mut machine = self.lock();
        match machine.stand {
            Stand::Closed => Ok(Ticket::Regular),
            Stand::Open { since } if now.saturating_duration_since(since) < self.config.open_for.get() => {
                let open = now.saturating_duration_since(since);
                Err(Refused { retry_after: self.config.open_for.get().saturating_sub(open) })
            }
            Stand::Open { .. } => {
                machine.episode += 1;
                self.enter(&mut machine, Stand::HalfOpen { running: 1, succeeded: 0 });
                Ok(Ticket::Trial { episode: machine.episode })
            }
            Stand::HalfOpen { running, succeeded }
                if running + succeeded < self.config.half_open_requests =>
            {
                machine.stand = Stand::HalfOpen { running: running + 1, succeeded };
                Ok(Ticket::Trial { episode: machine.episode })
            }
            Stand::HalfOpen { .. } => Err(Refused { retry_after: Duration::ZERO }),
        }
    }

    /// Tells how an admitted attempt ended.
    pub(super) fn report(&self, ticket: &Ticket, success: bool, now: Instant) {
        match *ticket {
            Ticket::Regular => self.count(success, now),
            Ticket::Trial { episode } => self.conclude(episode, success, now),
        }
    }

    /// Gives a ticket back unused: the attempt says nothing about the upstream.
    pub(super) fn release(&self, ticket: &Ticket) {
        let Ticket::Trial { episode } = *ticket else { return };
        let mut machine = self.lock();
        if let Stand::HalfOpen { running, succeeded } = machine.stand
            && machine.episode == episode
        {
            machine.stand = Stand::HalfOpen { running: running.saturating_sub(1), succeeded };
        }
    }

    fn count(&self, success: bool, now: Instant) {
        if self.state() != BreakerState::Closed {
            return; // it started before the breaker opened: old news
        }
        self.window.add(now, Counts { all: 1, marked: u64::from(!success) });
        if success || !self.is_failing(now) {
            return;
        }
        let mut machine = self.lock();
        if matches!(machine.stand, Stand::Closed) {
            self.open(&mut machine, now);
        }
    }

    fn is_failing(&self, now: Instant) -> bool {
        let counts = self.window.counts(now);
        counts.all >= u64::from(self.config.min_requests)
            && counts.marked as f64 >= self.config.failure_ratio * counts.all as f64
    }

    fn conclude(&self, episode: u64, success: bool, now: Instant) {
        let mut machine = self.lock();
        let Stand::HalfOpen { running, succeeded } = machine.stand else { return };
        if machine.episode != episode {
            return;
        }
        if !success {
            self.open(&mut machine, now);
        } else if succeeded + 1 >= self.config.half_open_requests {
            self.window.clear();
            self.enter(&mut machine, Stand::Closed);
        } else {
            machine.stand = Stand::HalfOpen { running: running.saturating_sub(1), succeeded: succeeded + 1 };
        }
    }

    fn open(&self, machine: &mut Machine, now: Instant) {
        self.enter(machine, Stand::Open { since: now });
    }

    fn enter(&self, machine: &mut Machine, stand: Stand) {
        machine.stand = stand;
        let state = match stand {
            Stand::Closed => BreakerState::Closed,
            Stand::Open { .. } => BreakerState::Open,
            Stand::HalfOpen { .. } => BreakerState::HalfOpen,
        };
        self.state.store(state.index(), Relaxed);
        self.entered[state.index()].fetch_add(1, Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
