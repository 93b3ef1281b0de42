//! Stored responses: what may be kept and reused (RFC 9111), and the two tiers they are
//! kept in.
//!
//! Nothing here knows a session or a route. The rules (`policy`, `freshness`, `vary` …)
//! are functions of header fields and a given time; the tiers (`memory`, `redis`) hold
//! [`entry::StoredEntry`] values and know no HTTP; `storage` joins both for Pingora.

pub mod entry;
pub mod key;
pub mod memory;
