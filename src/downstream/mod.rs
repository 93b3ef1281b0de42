//! The client's side of a connection, as Pingora gets to see it.
//!
//! [`GatedStream`] stands between the socket and Pingora's HTTP session. It
//! hands on the bytes of the current request only, keeps what a pipelining
//! client sent ahead, and can end a wait when a deadline of the request passes. Over
//! HTTP/2, [`LimitedUpload`] does the last for a request whose body is still coming. An
//! [`InnerRequest`] has no connection: its client is the gateway itself.

mod chunked;
mod deadline;
mod gate;
mod handle;
mod inner;
mod upload;

pub use chunked::ChunkedBody;
pub use deadline::DeadlineHandle;
pub use gate::{Allowance, GatedStream};
pub use handle::GateHandle;
pub use inner::{Awaited, InnerFailure, InnerRequest, InnerResponse};
pub use upload::LimitedUpload;
