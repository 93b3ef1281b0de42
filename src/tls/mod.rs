//! TLS towards clients: certificates from files, chosen by server name, reloaded in place,
//! and whom a listener demands a certificate from.
//!
//! Cryptography is rustls with ring, as in Pingora. Nothing here opens a socket; the
//! result is Pingora's `TlsSettings`. A broken file never replaces a sound certificate.

mod certificates;
mod client_auth;
mod listener;
mod resolver;
pub mod resumption;
#[cfg(test)]
mod tests;
mod tls13_only;

pub use certificates::CertificateError;
pub use listener::settings;
pub use resolver::{CertificateInfo, CertificateStore, ReloadReport};
