//! The peers whose word about the client is believed.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

/// A set of networks, asked once a request.
///
/// Kept as sorted, disjoint ranges, so that a lookup is a binary search whatever the
/// operator listed. An IPv4 address inside IPv6 (`::ffff:a.b.c.d`) counts as the IPv4 one.
#[derive(Clone, Debug, Default)]
pub struct TrustedPeers {
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u128)>,
}

impl TrustedPeers {
    /// The set of these networks. No network: nobody is trusted.
    pub fn new(networks: &[IpNet]) -> Self {
        let mut peers = Self::default();
        for network in networks {
            match unmap(*network) {
                IpNet::V4(net) => peers.v4.push((net.network().to_bits(), net.broadcast().to_bits())),
                IpNet::V6(net) => peers.v6.push((net.network().to_bits(), net.broadcast().to_bits())),
            }
        }
        merge(&mut peers.v4);
        merge(&mut peers.v6);
        peers
    }

    /// Whether an address is in the set.
    pub fn contains(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(address) => covers(&self.v4, address.to_bits()),
            IpAddr::V6(address) => covers(&self.v6, address.to_bits()),
        }
    }
}

/// An IPv4 network written inside IPv6, as the IPv4 network.
fn unmap(network: IpNet) -> IpNet {
    let IpNet::V6(inner) = network else { return network };
    let address = inner.network().to_ipv4_mapped();
    let length = inner.prefix_len().checked_sub(96);
    match address.zip(length).map(|(address, length)| Ipv4Net::new(address, length)) {
        Some(Ok(inner)) => IpNet::V4(inner),
        _ => network,
    }
}

fn merge<T: Ord + Copy>(ranges: &mut Vec<(T, T)>) {
    ranges.sort_unstable();
    ranges.dedup_by(|next, kept| {
        let overlaps = next.0 <= kept.1;
        if overlaps {
            kept.1 = kept.1.max(next.1);
        }
        overlaps
    });
}

fn covers<T: Ord + Copy>(ranges: &[(T, T)], address: T) -> bool {
    let after = ranges.partition_point(|range| range.0 <= address);
    after > 0 && address <= ranges[after - 1].1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn peers(networks: &[&str]) -> TrustedPeers {
        TrustedPeers::new(&networks.iter().map(|network| network.parse().unwrap()).collect::<Vec<_>>())
    }

    #[test]
    fn nobody_is_trusted_by_default() {
        assert!(!peers(&[]).contains("127.0.0.1".parse().unwrap()));
    }

    #[test]
    fn addresses_are_found_in_either_notation() {
        let peers =
            peers(&["10.0.0.0/8", "10.1.0.0/16", "192.0.2.7/32", "2001:db8::/32", "::ffff:172.16.0.0/108"]);
        for inside in
            ["10.0.0.0", "10.255.255.255", "192.0.2.7", "2001:db8::1", "::ffff:10.2.3.4", "172.31.0.1"]
        {
            assert!(peers.contains(inside.parse().unwrap()), "{inside}");
        }
        for outside in ["9.255.255.255", "11.0.0.0", "192.0.2.8", "2001:db9::1", "::a00:1", "172.32.0.0"] {
            assert!(!peers.contains(outside.parse().unwrap()), "{outside}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_asking_every_network(
            networks in prop::collection::vec((any::<[u8; 4]>(), 0u8..=32), 0..8),
            address in any::<[u8; 4]>(),
        ) {
            let networks: Vec<IpNet> = networks
                .into_iter()
                .map(|(address, length)| IpNet::new(IpAddr::from(address), length).unwrap())
                .collect();
            let address = IpAddr::from(address);
            let expected = networks.iter().any(|network| network.contains(&address));
            prop_assert_eq!(TrustedPeers::new(&networks).contains(address), expected);
        }
    }
}
