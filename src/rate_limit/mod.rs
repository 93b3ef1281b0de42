//! How many requests may pass, and who is told to wait.
//!
//! A [`Limit`] is a rate, a burst and a rule of what has a bucket of its own. The algorithm
//! is GCRA: a bucket is one moment, that at which it will be full again, and a request
//! passes while that moment is no further away than the burst allows. [`RouteLimits`] are
//! those of one route; a request must keep all of them.
//!
//! Buckets live in one table of fixed size ([`Buckets`]) that outlives reloads. A bucket is
//! [`Shared`] limits are kept in Redis by all nodes together; what one of them lets pass is
//! taken from this node's own bucket too, which decides while Redis does not answer. A bucket is
//! named by a keyed hash of what it is for, so neither a changed limit nor two limits ever
//! meet in one bucket, and no address, key or claim can be read from it.

mod buckets;
mod key;
mod limit;
mod local;
mod quota;
mod report;
mod route_limits;
mod shared;

pub use buckets::Buckets;
pub use key::{Caller, LimitSecret};
pub use limit::{Limit, Scope, Stock};
pub use report::{RATELIMIT, RATELIMIT_POLICY, Report};
pub use route_limits::{Charged, Held, Pending, RouteLimits};
pub use shared::Shared;
