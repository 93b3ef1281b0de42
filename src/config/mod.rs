//! What the operator wrote: typed, validated, inert.
//!
//! Nothing here opens a socket, starts a thread or knows a request. `load` is
//! the only reader of disk and environment; every other file is plain data.

pub mod difference;
mod document;
pub mod finding;
pub mod headers;
pub mod load;
pub mod process;
pub mod route;
pub mod schema;
pub mod telemetry;
pub mod tls;
pub mod traffic;
pub mod upstream;
pub mod values;

pub use document::Config;
