//! The exchange with a backend whose bodies are mapped.
//!
//! Pingora sends a head on before it knows the body, so bodies are mapped below it: this is
//! an upstream session of its own kind ([`Exchange`]) around an ordinary one. It holds a
//! request back until its body is there and mapped, and shows Pingora a response as if the
//! backend had sent it in the client's version. What it is to do, it finds among the
//! extensions of the request's head ([`Orders`]); without orders it passes everything on.
//!
//! Mapped are whole JSON bodies up to a limit. Connections come from a pool of their own
//! and go back after complete exchanges only.

mod coding;
mod connector;
mod etag;
mod head;
mod orders;
mod peer;
mod pieces;
mod request;
mod response;
mod session;

pub use connector::ExchangeConnector;
pub use head::strip_connection;
pub use orders::{Orders, Refusal};
pub use peer::{is_mapped, map_over};
pub use session::Exchange;

#[cfg(test)]
mod tests;
