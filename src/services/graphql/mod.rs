//! GraphQL over HTTP.

pub mod playground;
