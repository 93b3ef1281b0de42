//! Where the backends are: addresses as written, and host names looked up
//! again and again.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use crate::config::{address::HostPort, finding::Problem, upstream::BackendConfig};

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
    /// Reads `backends:`; the problems have paths such as `backends[2].address`.
    pub(super) fn parse_all(backends: &[BackendConfig]) -> (Vec<Self>, Vec<Problem>) {
        let (mut origins, mut problems) = (Vec::new(), Vec::new());
        for (index, backend) in backends.iter().enumerate() {
            match Self::parse(backend) {
                Ok(origin) => origins.push(origin),
                Err(problem) => problems.push(problem.within(&backend.path(index))),
            }
        }
        (origins, problems)
    }

    fn parse(config: &BackendConfig) -> Result<Self, Problem> {
        let written = config.address();
        let HostPort { host, port, address } = HostPort::parse(written)?;
        Ok(Self {
            written: written.into(),
            host: host.into(),
            port,
            // 0 is out of bounds and reported, but a ring cannot be made of it.
            weight: u32::from(config.weight()).max(1),
            address: address.map(|ip| SocketAddr::new(ip, port)),
        })
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
    use crate::config::upstream::WeightedBackend;

    fn parse(text: &str) -> Result<Origin, Problem> {
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
    fn bad_entries_are_named_by_their_place() {
        let weighted = WeightedBackend { address: "billing".into(), weight: 2 };
        let backends = [
            BackendConfig::Address("orders".into()),
            BackendConfig::Address("orders:80".into()),
            BackendConfig::Weighted(weighted),
        ];
        let (origins, problems) = Origin::parse_all(&backends);
        assert_eq!(origins.len(), 1);
        let paths: Vec<_> = problems.iter().map(|problem| problem.path.as_str()).collect();
        assert_eq!(paths, ["backends[0]", "backends[2].address"]);
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
