//! What the gateway tells backends of the client, and both sides of itself.
//!
//! Fields of a trusted peer are extended; those of anyone else are removed first,
//! with their look-alikes. `X-Real-IP` is removed and not set: `X-Forwarded-For` says the same
//! and more.

use std::io::Write as _;

use http::{HeaderMap, HeaderName, HeaderValue, Version, header};
use pingora::{
    Result,
    http::{RequestHeader, ResponseHeader},
};

use super::{
    Client, RequestId, TrustedPeers,
    fields::{FieldName, Fields, is_connection_field},
    forwarded::X_FORWARDED_FOR,
};
use crate::config::{
    finding::Problem,
    headers::{ForwardingConfig, ServerHeader},
};

const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");

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

/// What a listener is to its clients, ready to be written into fields.
#[derive(Clone, Debug)]
pub struct ListenerFields {
    tls: bool,
    port: HeaderValue,
}

impl ListenerFields {
    /// The fields of a listener on this port.
    pub fn new(tls: bool, port: u16) -> Self {
        Self { tls, port: HeaderValue::from(port) }
    }

    fn scheme(&self) -> &'static str {
        if self.tls { "https" } else { "http" }
    }
}

/// The client's side of a request.
#[derive(Clone, Copy, Debug)]
pub struct Hop<'a> {
    /// Who sent it.
    pub client: &'a Client,
    /// Where it came in.
    pub listener: &'a ListenerFields,
    /// The HTTP version it came in.
    pub version: Version,
    /// What it is called.
    pub id: &'a RequestId,
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
            remove_claims(request);
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

/// Removes what a stranger claims about clients, hosts and paths that were not theirs to name.
fn remove_claims(request: &mut RequestHeader) {
    // Seldom any, so collecting seldom allocates.
    let claims: Vec<HeaderName> = request.headers.keys().filter(|name| is_claim(name)).cloned().collect();
    for name in &claims {
        request.remove(name);
    }
}

/// Whether a field claims an identity: `Forwarded`, anything `X-Forwarded-*`, and fields that
/// servers take for the client's address or the real path. `_` counts as `-`, because CGI and
/// WSGI servers see no difference.
fn is_claim(name: &HeaderName) -> bool {
    const CLAIMS: [&str; 9] = [
        "x-real-ip",
        "x-client-ip",
        "x-cluster-client-ip",
        "x-original-forwarded-for",
        "x-original-host",
        "x-original-url",
        "x-rewrite-url",
        "true-client-ip",
        "forwarded",
    ];
    let name = name.as_str().as_bytes();
    if !matches!(name.first(), Some(b'x' | b't' | b'f')) {
        return false;
    }
    let starts_with = |claim: &str| {
        name.len() >= claim.len()
            && claim.bytes().zip(name).all(|(claim, &byte)| byte == claim || (byte == b'_' && claim == b'-'))
    };
    starts_with("x-forwarded-") || CLAIMS.iter().any(|claim| claim.len() == name.len() && starts_with(claim))
}

/// The host the client asked for: `Host`, or the authority of an HTTP/2 request.
fn host_of(request: &RequestHeader) -> Option<HeaderValue> {
    request.headers.get(header::HOST).cloned().or_else(|| {
        let authority = request.uri.authority()?;
        HeaderValue::from_str(authority.as_str()).ok()
    })
}

fn write_x_forwarded(request: &mut RequestHeader, hop: &Hop<'_>, host: Option<&HeaderValue>) -> Result<()> {
    let value = extended(&request.headers, &X_FORWARDED_FOR, |value| {
        // Writing to a vector does not fail.
        let _ = write!(value, "{}", hop.client.peer);
    });
    request.insert("X-Forwarded-For", value)?;
    // What a trusted peer says of the client's side is nearer to the client than we are.
    if !says(&request.headers, &X_FORWARDED_PROTO, |proto| matches!(proto, b"http" | b"https")) {
        let scheme = HeaderValue::from_static(hop.listener.scheme());
        request.insert("X-Forwarded-Proto", scheme)?;
    }
    if let Some(host) = host
        && !says(&request.headers, &X_FORWARDED_HOST, |host| !host.is_empty() && !host.contains(&b','))
    {
        request.insert("X-Forwarded-Host", host.clone())?;
    }
    let is_port = |port: &[u8]| matches!(port.len(), 1..=5) && port.iter().all(u8::is_ascii_digit);
    if !says(&request.headers, &X_FORWARDED_PORT, is_port) {
        request.insert("X-Forwarded-Port", hop.listener.port.clone())?;
    }
    Ok(())
}

/// Whether a field is there once with a value that makes sense.
fn says(fields: &HeaderMap, name: &HeaderName, makes_sense: impl Fn(&[u8]) -> bool) -> bool {
    let mut values = fields.get_all(name).iter();
    values.next().is_some_and(|value| makes_sense(value.as_bytes())) && values.next().is_none()
}

/// The lines of a list field joined to one, with another entry at the end.
fn extended(fields: &HeaderMap, name: &HeaderName, write_entry: impl FnOnce(&mut Vec<u8>)) -> HeaderValue {
    const ENTRY: usize = 48; // holds any address
    let lines = fields.get_all(name);
    let mut list = Vec::with_capacity(lines.iter().map(|line| line.len() + 2).sum::<usize>() + ENTRY);
    for line in lines.iter().filter(|line| !line.is_empty()) {
        list.extend_from_slice(line.as_bytes());
        list.extend_from_slice(b", ");
    }
    write_entry(&mut list);
    // Joined field values and entries of visible ASCII make a field value.
    HeaderValue::from_maybe_shared(bytes::Bytes::from(list)).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// Writes an element of `Forwarded` (RFC 7239 section 4): an IPv6 address in brackets and quotes.
fn write_forwarded(value: &mut Vec<u8>, hop: &Hop<'_>, host: Option<&HeaderValue>) {
    // Writing to a vector does not fail.
    let _ = match hop.client.peer {
        std::net::IpAddr::V4(peer) => write!(value, "for={peer}"),
        std::net::IpAddr::V6(peer) => write!(value, "for=\"[{peer}]\""),
    };
    if let Some(host) = host {
        value.extend_from_slice(b";host=");
        write_token_or_quoted(value, host.as_bytes());
    }
    let _ = write!(value, ";proto={}", hop.listener.scheme());
}

fn write_token_or_quoted(out: &mut Vec<u8>, text: &[u8]) {
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    if !text.is_empty() && text.iter().all(is_token) {
        out.extend_from_slice(text);
        return;
    }
    out.push(b'"');
    for &byte in text {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
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
