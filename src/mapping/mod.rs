//! JSON bodies between neighbouring API versions: a small list of rules, compiled once.
//!
//! Pure functions of bytes: [`Mapping`] is what the configuration says, [`Transform`] one
//! way through one or several of them. What no rule names leaves as it came, digit for
//! digit. Nothing here knows requests, versions of routes, or who asks.

mod compile;
mod conflict;
mod convert;
mod date;
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
