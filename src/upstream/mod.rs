//! Named groups of backends: who they are, which one serves the next attempt,
//! and when one, or all of them, are left alone.
//!
//! [`Upstream`] is the whole of it: compiled from configuration, held in an
//! `Arc` that routes pin. A phase asks it for an [`Attempt`], turns that into a
//! Pingora peer, and reports the outcome. Five judgements meet there, each in a
//! room of its own and none knowing the others:
//!
//! | room | judges by | about | effect |
//! |---|---|---|---|
//! | `health` | probes | a backend | never chosen while unhealthy |
//! | `ejection` | real requests | a backend | chosen only when nothing else is left |
//! | `breaker` | real requests | the upstream | attempts are refused at once |
//! | `concurrency` | requests in flight | a request | waits its turn, or is refused |
//! | `retry` | the request | an attempt | repeated or not, within a budget |
//!
//! Selection takes no lock and allocates nothing: the set of backends is
//! immutable and swapped whole when DNS answers change, and what is learnt
//! about a backend (`Vitals`) is a handful of atomics that survive both the
//! swap and a reload, by address.
//!
//! Absent on purpose: sessions, metrics, threads, timers. Discovery and probing
//! are async functions that a task drives with [`Upstream::maintain`]; the time
//! is always an argument; counts are plain state for others to read.

mod attempt;
mod backend;
mod balancer;
mod breaker;
mod call;
mod clock;
mod concurrency;
mod discovery;
mod ejection;
mod hash;
mod health;
mod latency;
mod peer;
mod pool;
mod retry;
mod schedule;
mod state;
#[cfg(test)]
mod tests_support;
mod timeouts;
mod tls;
mod window;

pub use attempt::{Attempt, Outcome, Tried, Unavailable};
pub use backend::{Backend, InFlight};
pub use call::{Answer, Call, CallFailed, Caller};
pub use concurrency::Permit;
pub use hash::HashKey;
pub use health::{Health, Prober};
pub use pool::{Upkeep, Upstream};
pub use retry::{Failure, Request, RetryPolicy, Stage};
pub use state::{BackendState, UpstreamState};
pub use timeouts::ResolvedTimeouts;
