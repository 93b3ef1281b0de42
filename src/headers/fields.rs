//! The one way this module changes a message: through Pingora's types, which keep the
//! letter case of names beside the values.

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use pingora::{
    Result,
    http::{IntoCaseHeaderName, RequestHeader, ResponseHeader},
};

/// What requests and responses have in common.
pub(super) trait Fields {
    fn remove(&mut self, name: &HeaderName);
    fn insert(&mut self, name: impl IntoCaseHeaderName, value: HeaderValue) -> Result<()>;
    fn append(&mut self, name: impl IntoCaseHeaderName, value: HeaderValue) -> Result<()>;
}

macro_rules! impl_fields {
    ($type:ty) => {
        impl Fields for $type {
            fn remove(&mut self, name: &HeaderName) {
                self.remove_header(name);
            }

            fn insert(&mut self, name: impl IntoCaseHeaderName, value: HeaderValue) -> Result<()> {
                self.insert_header(name, value)
            }

            fn append(&mut self, name: impl IntoCaseHeaderName, value: HeaderValue) -> Result<()> {
                self.append_header(name, value).map(|_| ())
            }
        }
    };
}

impl_fields!(RequestHeader);
impl_fields!(ResponseHeader);

/// A field name as the operator wrote it, and as it compares.
#[derive(Clone, Debug)]
pub(super) struct FieldName {
    pub(super) written: Bytes,
    pub(super) name: HeaderName,
}

impl FieldName {
    /// Parses a name; `None` if it is no token (RFC 9110 section 5.1).
    pub(super) fn parse(text: &str) -> Option<Self> {
        // `HeaderName` takes a double quote for a token byte.
        let name = HeaderName::from_bytes(text.as_bytes()).ok().filter(|_| !text.contains('"'))?;
        Some(Self { written: Bytes::copy_from_slice(text.as_bytes()), name })
    }
}
