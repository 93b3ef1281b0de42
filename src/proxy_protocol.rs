//! The PROXY protocol, versions 1 and 2: who a load balancer in front of us speaks for.
//!
//! Where a header ends is decided here and bounded; `proxy-header` reads what is inside. It
//! gets one whole header and never more, because on its own it takes any byte for the
//! first space of version 1, signs in port numbers, and an `UNKNOWN` line of any length.

use std::{fmt, net::SocketAddr};

use proxy_header::{ParseConfig, ProxyHeader};

/// The longest version 1 header, in bytes, with its line end.
const MAX_V1: usize = 107;
/// The longest version 2 header accepted, in bytes. The addresses of IPv6 need 52; the rest
/// leaves room for what load balancers add, such as a client certificate.
const MAX_V2: usize = 4096;

const V1_SIGNATURE: &[u8] = b"PROXY ";
const V2_SIGNATURE: &[u8] = b"\r\n\r\n\x00\r\nQUIT\n";
/// The signature, a byte for version and command, one for the family, two for the length.
const V2_START: usize = V2_SIGNATURE.len() + 4;
/// Version 2, command LOCAL: the load balancer speaks for itself.
const V2_LOCAL: u8 = 0x20;
/// Version 2, command PROXY.
const V2_PROXY: u8 = 0x21;
/// Families and transports that carry a TCP client.
const V2_TCP4: u8 = 0x11;
const V2_TCP6: u8 = 0x21;

/// The most bytes that need be read before [`parse`] knows.
pub const MAX_LEN: usize = MAX_V2;

/// What the bytes received so far amount to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// The header goes on.
    Incomplete,
    /// A whole header.
    Done {
        /// The client; `None` when the load balancer speaks for itself (`LOCAL`) or does not
        /// know (`UNKNOWN`, `UNSPEC`, UNIX sockets, datagrams): then its own address counts.
        addr: Option<SocketAddr>,
        /// Bytes of the header; what follows belongs to the client.
        len: usize,
    },
    /// The connection is to be closed.
    Invalid(Invalid),
}

/// Why a PROXY protocol header is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// The bytes start no header of either version.
    Signature,
    /// Version 1 without line end in 107 bytes, or version 2 longer than 4096.
    TooLong,
    /// A version or command that does not exist.
    Command,
    /// Addresses that cannot be read.
    Addresses,
}

impl Invalid {
    /// The stable name used in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Signature => "signature",
            Self::TooLong => "too_long",
            Self::Command => "command",
            Self::Addresses => "addresses",
        }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Reads the header a connection starts with; call again with more after [`Parsed::Incomplete`].
pub fn parse(received: &[u8]) -> Parsed {
    let read = if starts_like(received, V1_SIGNATURE) {
        parse_v1(received)
    } else if starts_like(received, V2_SIGNATURE) {
        parse_v2(received)
    } else {
        Err(Invalid::Signature)
    };
    read.unwrap_or_else(Parsed::Invalid)
}

/// Whether the bytes so far agree with a signature.
fn starts_like(received: &[u8], signature: &[u8]) -> bool {
    received.iter().zip(signature).all(|(byte, expected)| byte == expected)
}

fn parse_v1(received: &[u8]) -> Result<Parsed, Invalid> {
    let window = &received[..received.len().min(MAX_V1)];
    let Some(end) = memchr::memchr(b'\n', window) else {
        return if window.len() == MAX_V1 { Err(Invalid::TooLong) } else { Ok(Parsed::Incomplete) };
    };
    let len = end + 1;
    let line = received[..len].strip_suffix(b"\r\n").ok_or(Invalid::Addresses)?;
    let fields = line.strip_prefix(V1_SIGNATURE).ok_or(Invalid::Addresses)?;
    // "The receiver must ignore anything presented before the CRLF" (section 2.1).
    if fields == b"UNKNOWN" || fields.starts_with(b"UNKNOWN ") {
        return Ok(Parsed::Done { addr: None, len });
    }
    let (protocol, addresses) = fields.split_at_checked(5).ok_or(Invalid::Addresses)?;
    let address_byte = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':' | b' ');
    if !matches!(protocol, b"TCP4 " | b"TCP6 ") || !addresses.iter().all(address_byte) {
        return Err(Invalid::Addresses);
    }
    let addr = client(&received[..len], ParseConfig { allow_v2: false, ..config() })?;
    Ok(Parsed::Done { addr, len })
}

fn parse_v2(received: &[u8]) -> Result<Parsed, Invalid> {
    let Some(start) = received.get(..V2_START) else { return Ok(Parsed::Incomplete) };
    let [.., command, family, high, low] = *start else { return Ok(Parsed::Incomplete) };
    let len = V2_START + usize::from(u16::from_be_bytes([high, low]));
    if len > MAX_V2 {
        return Err(Invalid::TooLong);
    }
    if !matches!(command, V2_LOCAL | V2_PROXY) {
        return Err(Invalid::Command);
    }
    let Some(header) = received.get(..len) else { return Ok(Parsed::Incomplete) };
    // Any family is to be ignored after LOCAL, and unknown ones are to count as unspecified.
    let addr = match (command, family) {
        (V2_PROXY, V2_TCP4 | V2_TCP6) => client(header, ParseConfig { allow_v1: false, ..config() })?,
        _ => None,
    };
    Ok(Parsed::Done { addr, len })
}

fn config() -> ParseConfig {
    ParseConfig { include_tlvs: false, allow_v1: true, allow_v2: true }
}

/// The source address in one whole header.
fn client(header: &[u8], config: ParseConfig) -> Result<Option<SocketAddr>, Invalid> {
    match ProxyHeader::parse(header, config) {
        Ok((parsed, len)) if len == header.len() => {
            Ok(parsed.proxied_address().map(|addresses| addresses.source))
        }
        _ => Err(Invalid::Addresses),
    }
}

#[cfg(test)]
mod tests;
