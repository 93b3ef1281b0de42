//! Who the client is, by what trusted peers say: `X-Forwarded-For` and `Forwarded` (RFC 7239).

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, header};

use super::TrustedPeers;

pub(super) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The client of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// The address that opened the connection.
    pub peer: IpAddr,
    /// The client's address: the peer's, unless a trusted peer knows better.
    pub address: IpAddr,
    /// Whether fields of the peer are believed.
    pub peer_is_trusted: bool,
}

impl Client {
    /// Finds the client behind a peer.
    ///
    /// It is the rightmost address in `X-Forwarded-For` (or else `Forwarded`) that is not
    /// trusted itself: what stands left of it was written by strangers. An entry that is no
    /// address ends the search; the trusted hop that wrote it is the client then.
    pub fn identify(peer: IpAddr, fields: &HeaderMap, trusted: &TrustedPeers) -> Self {
        let peer = peer.to_canonical();
        let peer_is_trusted = trusted.contains(peer);
        let address = if peer_is_trusted { claimed(fields, trusted).unwrap_or(peer) } else { peer };
        Self { peer, address, peer_is_trusted }
    }
}

/// The client as claimed by a trusted peer.
fn claimed(fields: &HeaderMap, trusted: &TrustedPeers) -> Option<IpAddr> {
    if fields.contains_key(X_FORWARDED_FOR) {
        let lines = fields.get_all(X_FORWARDED_FOR).iter();
        let entries = lines.flat_map(|line| line.as_bytes().split(|&byte| byte == b','));
        rightmost_stranger(entries.map(parse_node), trusted)
    } else {
        let lines = fields.get_all(header::FORWARDED).iter();
        rightmost_stranger(lines.flat_map(|line| ForwardedFor(line.as_bytes())), trusted)
    }
}

/// The last address that is not trusted; if all are, the first.
///
/// Nothing left of an entry that is no address counts.
fn rightmost_stranger(
    entries: impl Iterator<Item = Option<IpAddr>>,
    trusted: &TrustedPeers,
) -> Option<IpAddr> {
    let mut found = None;
    for entry in entries {
        found = match entry {
            Some(address) if found.is_none() || !trusted.contains(address) => Some(address),
            Some(_) => found,
            None => None,
        };
    }
    found
}

/// Parses an address with an optional port, IPv6 with or without brackets.
fn parse_node(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim_matches([' ', '\t']);
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok().map(IpAddr::V6);
    text.parse::<IpAddr>()
        .ok()
        .or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
        .or_else(bracketed)
        .map(|address| address.to_canonical())
}

/// The `for` nodes of a `Forwarded` value, one an element; `None` where there is no address.
struct ForwardedFor<'a>(&'a [u8]);

impl Iterator for ForwardedFor<'_> {
    type Item = Option<IpAddr>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let mut node = None;
        loop {
            let (pair, delimiter) = self.pair();
            if let Some((name, value)) = split_pair(pair)
                && name.eq_ignore_ascii_case(b"for")
            {
                node = parse_node(value);
            }
            if delimiter != Some(b';') {
                return Some(node);
            }
        }
    }
}

impl<'a> ForwardedFor<'a> {
    /// Takes the text up to the next `;` or `,` outside quotes, and that delimiter.
    fn pair(&mut self) -> (&'a [u8], Option<u8>) {
        let mut quoted = false;
        let mut escaped = false;
        for (at, &byte) in self.0.iter().enumerate() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                b';' | b',' if !quoted => {
                    let pair = &self.0[..at];
                    self.0 = &self.0[at + 1..];
                    return (pair, Some(byte));
                }
                _ => {}
            }
        }
        (std::mem::take(&mut self.0), None)
    }
}

fn split_pair(pair: &[u8]) -> Option<(&[u8], &[u8])> {
    let equals = memchr::memchr(b'=', pair)?;
    let value = pair[equals + 1..].trim_ascii();
    let unquoted = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
    Some((pair[..equals].trim_ascii(), unquoted.unwrap_or(value)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn client(peer: &str, fields: &[(&'static str, &str)]) -> String {
        let networks = ["10.0.0.0/8".parse().unwrap(), "2001:db8:ffff::/48".parse().unwrap()];
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            map.append(*name, HeaderValue::from_str(value).unwrap());
        }
        Client::identify(peer.parse().unwrap(), &map, &TrustedPeers::new(&networks)).address.to_string()
    }

    fn xff(value: &str) -> String {
        client("10.0.0.1", &[("x-forwarded-for", value)])
    }

    fn forwarded(value: &str) -> String {
        client("10.0.0.1", &[("forwarded", value)])
    }

    #[test]
    fn strangers_are_not_believed() {
        let fields = [("x-forwarded-for", "198.51.100.1"), ("forwarded", "for=198.51.100.1")];
        assert_eq!(client("192.0.2.1", &fields), "192.0.2.1");
        assert_eq!(client("::ffff:192.0.2.1", &fields), "192.0.2.1");
    }

    #[test]
    fn the_rightmost_stranger_is_the_client() {
        assert_eq!(xff("198.51.100.1"), "198.51.100.1");
        assert_eq!(xff("203.0.113.9, 198.51.100.1,10.0.0.2"), "198.51.100.1");
        assert_eq!(xff("10.0.0.3, 10.0.0.2"), "10.0.0.3");
        assert_eq!(xff("2001:db8::1, 2001:db8:ffff::1"), "2001:db8::1");
        assert_eq!(xff("198.51.100.1:4711"), "198.51.100.1");
        assert_eq!(xff("[2001:db8::1]:4711"), "2001:db8::1");
        assert_eq!(xff("[2001:db8::1]"), "2001:db8::1");
        let lines = [("x-forwarded-for", "203.0.113.9"), ("x-forwarded-for", "198.51.100.1")];
        assert_eq!(client("10.0.0.1", &lines), "198.51.100.1");
    }

    #[test]
    fn nothing_left_of_nonsense_counts() {
        assert_eq!(xff("nonsense"), "10.0.0.1");
        assert_eq!(xff(""), "10.0.0.1");
        assert_eq!(xff("198.51.100.1, unknown"), "10.0.0.1");
        assert_eq!(xff("198.51.100.1, unknown, 10.0.0.2"), "10.0.0.2");
        assert_eq!(xff("unknown, 198.51.100.1"), "198.51.100.1");
    }

    #[test]
    fn forwarded_is_read_with_its_quotes() {
        assert_eq!(forwarded("for=198.51.100.1"), "198.51.100.1");
        assert_eq!(forwarded("For=\"[2001:db8::1]:4711\";proto=https, for=10.0.0.2"), "2001:db8::1");
        assert_eq!(forwarded("proto=http;FOR = \"198.51.100.1:80\" ;by=10.0.0.1"), "198.51.100.1");
        assert_eq!(forwarded("for=203.0.113.9;host=\"a,for=198.51.100.1\""), "203.0.113.9");
        assert_eq!(forwarded("for=203.0.113.9;host=\"a\\\",for=198.51.100.1\""), "203.0.113.9");
        assert_eq!(forwarded("for=198.51.100.1, for=_hidden"), "10.0.0.1");
        assert_eq!(forwarded("for=198.51.100.1, proto=https"), "10.0.0.1");
        let both = [("forwarded", "for=203.0.113.9"), ("x-forwarded-for", "198.51.100.1")];
        assert_eq!(client("10.0.0.1", &both), "198.51.100.1");
    }

    proptest! {
        #[test]
        fn any_claim_is_read_without_a_panic(value in "[ -~]{0,80}") {
            xff(&value);
            forwarded(&value);
        }

        /// Strangers can write what they like on the left.
        #[test]
        fn what_a_stranger_wrote_does_not_matter(spoof in "[0-9a-f.:, ]{0,60}") {
            prop_assert_eq!(xff(&format!("{spoof},198.51.100.1, 10.0.0.2")), "198.51.100.1");
        }
    }
}
