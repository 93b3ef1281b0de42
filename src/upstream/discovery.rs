//! Where the backends are: addresses as written, and host names looked up
//! again and again.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use rustls_pki_types::DnsName;

use crate::config::upstream::BackendConfig;

/// One entry of `backends:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    /// `host:port` as written.
    pub(super) written: Arc<str>,
    /// The host alone, without the brackets of an IPv6 address.
    pub(super) host: Arc<str>,
    pub(super) port: u16,
    pub(super) weight: u32,
    /// The address, unless the host is a name.
    pub(super) address: Option<SocketAddr>,
}

impl Origin {
    /// Reads an entry; the error says what is wrong with the address.
    pub(super) fn parse(config: &BackendConfig) -> Result<Self, String> {
        let written = config.address();
        let origin = |host: &str, port, address| Self {
            written: written.into(),
            host: host.into(),
            port,
            weight: u32::from(config.weight()),
            address,
        };
        if let Ok(address) = written.parse::<SocketAddr>() {
            return match address.port() {
                0 => Err(format!("`{written}` has port 0")),
                port => Ok(origin(&address.ip().to_string(), port, Some(address))),
            };
        }
        let (host, port) = written
            .rsplit_once(':')
            .ok_or_else(|| format!("`{written}` has no port: write `{written}:80`"))?;
        let port = port.parse().ok().filter(|p| *p != 0).ok_or_else(|| format!("`{port}` is not a port"))?;
        // All digits and dots would be an address: a misspelt one, not a name.
        if host.bytes().all(|b| b.is_ascii_digit() || b == b'.') || DnsName::try_from(host).is_err() {
            return Err(format!("`{host}` is neither an address nor a host name"));
        }
        Ok(origin(host, port, None))
    }
}

/// The last good answer for each host name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Answers(BTreeMap<Arc<str>, Vec<SocketAddr>>);

impl Answers {
    /// Takes an answer in; says whether it differs from the last one. Order and
    /// repetition mean nothing, and an empty answer is none.
    pub(super) fn accept(&mut self, written: &Arc<str>, mut addresses: Vec<SocketAddr>) -> bool {
        addresses.sort_unstable();
        addresses.dedup();
        if addresses.is_empty() || self.0.get(written) == Some(&addresses) {
            return false;
        }
        self.0.insert(Arc::clone(written), addresses);
        true
    }

    /// The addresses of an origin.
    pub(super) fn of<'a>(&'a self, origin: &'a Origin) -> &'a [SocketAddr] {
        match &origin.address {
            Some(address) => std::slice::from_ref(address),
            None => self.0.get(&origin.written).map_or(&[], Vec::as_slice),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Origin, String> {
        Origin::parse(&BackendConfig::Address(text.into()))
    }

    #[test]
    fn addresses_and_names_are_told_apart() {
        let literal = parse("[::1]:8080").unwrap();
        assert_eq!((&*literal.host, literal.port), ("::1", 8080));
        assert_eq!(literal.address, Some("[::1]:8080".parse().unwrap()));
        let name = parse("orders.internal:80").unwrap();
        assert_eq!((&*name.host, name.port, name.address), ("orders.internal", 80, None));
    }

    #[test]
    fn bad_entries_say_why() {
        for (text, why) in [
            ("orders", "no port"),
            ("orders:http", "not a port"),
            ("orders:0", "not a port"),
            ("127.0.0.1:0", "port 0"),
            ("10.0.0.256:80", "neither"),
            ("a b:80", "neither"),
            (":80", "neither"),
            ("::1:80x", "not a port"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn only_a_new_answer_counts_and_the_last_good_one_stays() {
        let origin = parse("orders:80").unwrap();
        let [a, b] = ["10.0.0.1:80", "10.0.0.2:80"].map(|t| t.parse::<SocketAddr>().unwrap());
        let mut answers = Answers::default();
        assert!(answers.of(&origin).is_empty());
        assert!(answers.accept(&origin.written, vec![b, a]));
        assert!(!answers.accept(&origin.written, vec![a, b, a]));
        assert!(!answers.accept(&origin.written, vec![]));
        assert_eq!(answers.of(&origin), [a, b]);
        assert!(answers.accept(&origin.written, vec![b]));
        assert_eq!(answers.of(&origin), [b]);
    }
}
