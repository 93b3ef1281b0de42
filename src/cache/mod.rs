//! Stored responses: what may be kept and reused (RFC 9111), and the two tiers they are
//! kept in.
//!
//! Nothing here knows a session or a route. The rules (`policy`, `freshness`, `vary` …)
//! are functions of header fields and a given time; the tiers (`memory`, `redis`) hold
//! [`entry::StoredEntry`] values and know no HTTP; `storage` joins both for Pingora.

pub mod codec;
pub mod compress;
pub mod conditional;
pub mod date;
pub mod directives;
pub mod entry;
pub mod fields;
pub mod fill;
pub mod freshness;
pub mod invalidate;
pub mod invalidation;
pub mod key;
pub mod manage;
pub mod memory;
mod name_pattern;
pub mod policy;
pub mod purge;
pub mod range;
pub mod redis;
pub mod reuse;
pub mod status;
pub mod storage;
pub mod store;
pub mod tags;
mod text;
pub mod vary;
