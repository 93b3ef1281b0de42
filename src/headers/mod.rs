//! Header fields: the operator's rules, forwarded identity, hop-by-hop fields, the fields
//! that name the gateway and those that protect browsers.
//!
//! Everything is compiled once and then applied to a request or a response by plain
//! functions. Nothing here knows a session, a route or an order of phases.

mod cookies;
mod explain_wish;
mod fields;
mod forwarded;
mod forwarding;
mod hop_by_hop;
mod identity;
mod request_id;
mod rules;
mod security;
mod trusted;

pub use cookies::join_cookies;
pub use explain_wish::{EXPLAIN, ExplainKey, Wished};
pub use forwarded::Client;
pub use forwarding::{Forwarding, Hop, ListenerFields};
pub use hop_by_hop::{strip_request, strip_response};
pub use identity::IdentityFields;
pub use request_id::RequestId;
pub use rules::{HeaderRules, Message};
pub use security::SecurityHeaders;
pub use trusted::TrustedPeers;
