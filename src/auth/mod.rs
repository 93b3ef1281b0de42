//! Who calls: credentials in, an identity or a refusal out.
//!
//! | word | meaning |
//! |---|---|
//! | provider | a configured way of proving who one is |
//! | credential | what a request carries as proof |
//! | identity | who it turned out to be |
//! | rule | what a route demands |
//!
//! A request meets its route's [`AuthRule`] in two steps. [`AuthRule::judge`] reads the
//! credentials and decides what can be decided at once: it does no I/O and never waits, so
//! that stored responses can be served by it. What it cannot decide is a [`Question`], and
//! [`AuthRule::settle`] answers that one: fetching keys, asking a service, hashing a password.
//!
//! Credentials that were verified are remembered under a keyed hash, never longer than they
//! are good for. Those that were not are verified again: remembering them would let anybody
//! push the good ones out.
//!
//! Absent on purpose: status codes, sessions, connections. A caller says how a service is
//! asked ([`Fetch`]), and the time is always an argument.

mod api_keys;
mod authenticator;
mod basic;
mod challenge;
mod claims;
mod credential;
mod crypto;
mod fetch;
mod forward;
mod identity;
mod jwt;
mod key_set;
mod key_source;
mod memo;
mod password;
mod provider;
mod rule;

pub use self::{
    authenticator::Authenticator,
    credential::has_bearer,
    fetch::{Call, Fetch, Reply, Unreachable},
    identity::{Identity, Kind},
    provider::Provider,
    rule::{AuthRule, Question, Refusal, Verdict},
};
pub use crate::telemetry::auth::AuthError;
