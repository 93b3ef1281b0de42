//! `host:port`, as backends are written.

use std::net::{IpAddr, Ipv6Addr};

use rustls_pki_types::DnsName;

use super::finding::Problem;

/// The address of a backend, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostPort<'a> {
    /// A name or an address; an IPv6 address without its brackets.
    pub host: &'a str,
    /// The port, which is not 0.
    pub port: u16,
    /// The host, unless it is a name.
    pub address: Option<IpAddr>,
}

impl<'a> HostPort<'a> {
    /// Reads `host:port`, `192.0.2.1:80` or `[2001:db8::1]:80`.
    ///
    /// # Errors
    /// A [`Problem`] with an empty path.
    pub fn parse(text: &'a str) -> Result<Self, Problem> {
        let bad = |reason: &str| Problem::new("", format!("`{text}` is not `host:port`: {reason}"));
        if let Some((scheme, rest)) = text.split_once("://") {
            let rest = rest.trim_end_matches('/');
            let tls = if scheme == "https" { ", and add `tls: {}` to the upstream" } else { "" };
            return Err(bad("it starts with a scheme").hint(format!("write `{rest}`{tls}")));
        }
        if text.parse::<Ipv6Addr>().is_ok() {
            return Err(bad("an IPv6 address needs brackets").hint(format!("write `[{text}]:80`")));
        }
        let Some((host, port)) = text.rsplit_once(':') else {
            return Err(bad("the port is missing").hint(format!("write `{text}:80`")));
        };
        let Some(port) = port.parse().ok().filter(|port| *port != 0) else {
            return Err(bad("the port is a number from 1 to 65535"));
        };
        let nobody = || bad("the host is not a name or an address");
        if let Some(literal) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            let address = literal.parse::<Ipv6Addr>().map_err(|_| nobody())?;
            return Ok(Self { host: literal, port, address: Some(address.into()) });
        }
        let address = host.parse::<std::net::Ipv4Addr>().ok();
        // All digits and dots would be an address: a misspelt one, not a name.
        let is_name = || {
            !host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && DnsName::try_from(host).is_ok()
        };
        if address.is_none() && !is_name() {
            return Err(nobody());
        }
        Ok(Self { host, port, address: address.map(IpAddr::from) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_told_apart() {
        for (text, host, port, is_address) in [
            ("127.0.0.1:80", "127.0.0.1", 80, true),
            ("[::1]:8080", "::1", 8080, true),
            ("orders.svc.local:8080", "orders.svc.local", 8080, false),
            ("my_host:1", "my_host", 1, false),
        ] {
            let parsed = HostPort::parse(text).unwrap();
            assert_eq!((parsed.host, parsed.port, parsed.address.is_some()), (host, port, is_address));
        }
    }

    #[test]
    fn what_is_neither_is_explained() {
        for (text, reason, hint) in [
            ("localhost", "the port is missing", Some("write `localhost:80`")),
            ("::1", "needs brackets", Some("write `[::1]:80`")),
            (
                "https://a.b:1/",
                "starts with a scheme",
                Some("write `a.b:1`, and add `tls: {}` to the upstream"),
            ),
            ("http://a.b:1", "starts with a scheme", Some("write `a.b:1`")),
            ("a:0", "from 1 to 65535", None),
            ("127.0.0.1:0", "from 1 to 65535", None),
            ("a:70000", "from 1 to 65535", None),
            ("a:http", "from 1 to 65535", None),
            (":80", "not a name", None),
            ("a b:80", "not a name", None),
            ("10.0.0.256:80", "not a name", None),
            ("[x]:80", "not a name", None),
        ] {
            let problem = HostPort::parse(text).unwrap_err();
            assert!(problem.message.contains(reason), "{text}: {problem:?}");
            assert_eq!(problem.hint.as_deref(), hint, "{text}");
        }
    }
}
