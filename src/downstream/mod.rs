//! The client's side of a connection, as Pingora gets to see it.
//!
//! [`GatedStream`] stands between the socket and Pingora's HTTP session. It
//! hands on the bytes of the current request only, keeps what a pipelining
//! client sent ahead, and can end a wait when a deadline of the request passes.

mod chunked;
mod gate;
mod handle;

pub use chunked::ChunkedBody;
pub use gate::{Allowance, GatedStream};
pub use handle::GateHandle;
