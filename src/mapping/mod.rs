//! JSON bodies between neighbouring API versions: a small list of rules, compiled once.
//!
//! [`Mapping`] is what the configuration says, [`Transform`] one way through one or several
//! of them, a pure function of bytes: what no rule names leaves as it came, digit for digit.
//! [`exchange`] applies them between Pingora and a backend. Nothing here knows routes, which
//! versions they serve, or who asks.

mod compile;
mod conflict;
mod convert;
mod date;
pub mod exchange;
mod fixture;
mod path;
mod plan;
mod rule;
mod scan;
mod tree;
mod value;

pub use compile::{Mapping, Statuses};
pub use plan::{MappingError, Plan, Transform};
pub use scan::{MAX_DEPTH, Malformed};

#[cfg(test)]
mod tests;
