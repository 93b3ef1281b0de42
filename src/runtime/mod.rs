//! Compiled state and its two lifetimes: `Resources` live as long as the
//! process, a `Snapshot` until the next reload.
//!
//! Invariant: a request pins the `Arc<Route>` it matched and never looks
//! anything up by name again, so no request can see half of a reload.

mod build;
pub mod calls;
pub mod graphql;
pub mod lifecycle;
pub mod listener;
pub mod pipeline;
pub mod reload;
pub mod resources;
pub mod route;
pub mod snapshot;

pub use build::build;
