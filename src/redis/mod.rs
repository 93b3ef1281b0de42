//! How to reach a Redis, and how to live without it.
//!
//! [`Target`] is where it is: one server, a cluster, or whom the sentinels name, plain or
//! over TLS. [`Link`] keeps one connection to it in the background. [`Guarded`] is what a
//! request asks: within its time, and not at all while the [`Breaker`] is open. What is
//! asked, and what becomes of a request that gets no answer, is for the capabilities to say.

mod breaker;
mod failure;
mod guarded;
mod link;
mod script;
mod target;

pub use self::{
    breaker::Breaker,
    failure::{Blame, blame, classify},
    guarded::Guarded,
    link::{Link, jittered},
    script::Script,
    target::{Connection, Target},
};
