//! What the gateway tells backends of the client, and both sides of itself.
//!
//! Fields of a trusted peer are extended; those of anyone else are removed first,
//! with their look-alikes. `X-Real-IP` is removed and not set: `X-Forwarded-For` says the same
//! and more.

pub(super) mod claims;
mod hop;

use http::{HeaderMap, HeaderName, HeaderValue, Version, header};
use pingora::{
    Result,
    http::{RequestHeader, ResponseHeader},
};

pub use self::hop::{Hop, ListenerFields};
use self::{
    claims::remove_claims,
    hop::{extended, host_of, write_forwarded, write_x_forwarded},
};
use super::{
    Client, RequestId, TrustedPeers,
    fields::{FieldName, Fields},
};
use crate::{
    config::{
        finding::Problem,
        headers::{ForwardingConfig, ServerHeader},
    },
    grammar::is_connection_field,
};

/// The `traffic.forwarding:` section, compiled.
#[derive(Clone, Debug)]
pub struct Forwarding {
    trusted: TrustedPeers,
    x_forwarded: bool,
    forwarded: bool,
    request_id: FieldName,
    via: bool,
    server: ServerHeader,
}

impl Forwarding {
    /// Compiles the section.
    ///
    /// # Errors
    /// A `request_id_header` that is no field name, or one the gateway needs itself.
    pub fn compile(config: &ForwardingConfig) -> std::result::Result<Self, Vec<Problem>> {
        let text = &config.request_id_header;
        let reserved = |name: &HeaderName| is_connection_field(name) || *name == header::HOST;
        let request_id = FieldName::parse(text).filter(|field| !reserved(&field.name)).ok_or_else(|| {
            vec![
                Problem::new("request_id_header", format!("`{text}` cannot carry the request id"))
                    .hint("use a field name such as `X-Request-Id`"),
            ]
        })?;
        Ok(Self {
            trusted: TrustedPeers::new(&config.trusted_peers),
            x_forwarded: config.x_forwarded,
            forwarded: config.forwarded,
            request_id,
            via: config.via,
            server: config.server.clone(),
        })
    }

    /// The peers whose fields are believed.
    pub fn trusted(&self) -> &TrustedPeers {
        &self.trusted
    }

    /// The request's id: a trusted peer's, if it is safe to repeat, or a new one.
    pub fn request_id(&self, client: &Client, fields: &HeaderMap) -> RequestId {
        let sent = if client.peer_is_trusted { fields.get(&self.request_id.name) } else { None };
        sent.and_then(|value| RequestId::accept(value.as_bytes())).unwrap_or_else(RequestId::random)
    }

    /// Writes forwarded identity, `Via` and the request id into a request to a backend.
    ///
    /// To be called before the route rewrites `Host`, because that is what is passed on.
    ///
    /// # Errors
    /// When the request would hold more fields than Pingora can.
    pub fn to_upstream(&self, request: &mut RequestHeader, hop: &Hop<'_>) -> Result<()> {
        if !hop.client.peer_is_trusted {
            remove_claims(request, &self.request_id.name);
        }
        let host = if self.x_forwarded || self.forwarded { host_of(request) } else { None };
        if self.x_forwarded {
            write_x_forwarded(request, hop, host.as_ref())?;
        }
        if self.forwarded {
            let value = extended(&request.headers, &header::FORWARDED, |value| {
                write_forwarded(value, hop, host.as_ref());
            });
            request.insert("Forwarded", value)?;
        }
        if self.via {
            request.append("Via", via(hop.version))?;
        }
        request.insert(self.request_id.written.clone(), id_value(hop.id))
    }

    /// Writes `Server`, `Via` and the request id into a response to the client;
    /// `upstream_version` is the HTTP version of the backend, if one answered.
    ///
    /// # Errors
    /// When the response would hold more fields than Pingora can.
    pub fn to_downstream(
        &self,
        response: &mut ResponseHeader,
        upstream_version: Option<Version>,
        id: &RequestId,
    ) -> Result<()> {
        match self.server {
            ServerHeader::Keep => {}
            ServerHeader::Remove => response.remove(&header::SERVER),
            ServerHeader::Nilegate => response.insert("Server", HeaderValue::from_static("nilegate"))?,
        }
        if let Some(version) = upstream_version.filter(|_| self.via) {
            response.append("Via", via(version))?;
        }
        response.insert(self.request_id.written.clone(), id_value(id))
    }
}

/// An entry of `Via` (RFC 9110 section 7.6.3): the version received, and a pseudonym.
fn via(version: Version) -> HeaderValue {
    HeaderValue::from_static(match version {
        Version::HTTP_10 => "1.0 nilegate",
        Version::HTTP_2 => "2 nilegate",
        _ => "1.1 nilegate",
    })
}

fn id_value(id: &RequestId) -> HeaderValue {
    // Ids are visible ASCII.
    HeaderValue::from_bytes(id.as_bytes()).unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests;
