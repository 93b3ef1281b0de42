//! Stories about the shared tier against real Redis servers: a node or two, a server that
//! is paused, killed, full, failed over or filled with garbage, and what lookups bring.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so and ends")]
#![allow(dead_code, reason = "the harness offers more than these stories need")]

mod harness;

mod faults;
mod garbage;
mod invalidation;
mod lease;
mod topologies;
