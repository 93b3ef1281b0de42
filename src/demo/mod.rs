//! NileCare in miniature: the platform that `nilegate demo` puts behind the gateway.
//!
//! Patients, appointments, medications, lab orders and auth are REST services
//! with data in memory, each on a loopback listener of its own, inside the same
//! process. All data is invented and the same at every start. The services are
//! good HTTP citizens, so that whatever the gateway does with caching,
//! conditions or retries can be shown on them. They authenticate nobody except
//! where logging in is the point, and keep nothing.
//!
//! Deliberately absent: a database, TLS, rate limits. The gateway knows nothing
//! of this module: it sees addresses in a configuration like any other.

mod appointments;
pub mod auth;
mod config;
mod data;
mod dice;
mod examples;
mod latency;
mod message;
mod owned;
mod patients;
mod place;
mod platform;
mod refusal;
mod resource;
mod service;
mod sockets;
mod store;

pub use config::{SCHEMA, config_text};
pub use examples::{Example, examples};
pub use place::Place;
pub use platform::{DEFAULT_LATENCY, Platform, SEED};
pub use sockets::Sockets;
