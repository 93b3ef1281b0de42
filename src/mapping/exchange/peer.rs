//! Peers that lead to sessions of ours: a protocol of their own in place of the real one.

use std::any::Any;

use pingora_core::{
    protocols::tls::CustomALPN,
    upstreams::peer::{ALPN, HttpPeer, Peer},
};

/// The real protocol, as it is written in place of one.
const HTTP1: &[u8] = b"nilegate-map-h1";
const HTTP2: &[u8] = b"nilegate-map-h2";
const EITHER: &[u8] = b"nilegate-map-h2h1";

/// Set apart from ordinary peers: Pingora would else take an idle connection of its own
/// pool, and a session that maps nothing.
const GROUP: u64 = 0x6d61_7070_696e_6700;

/// Makes the next attempt go through an [`Exchange`](super::Exchange).
pub fn map_over(peer: &mut HttpPeer) {
    let real = match &peer.options.alpn {
        ALPN::H1 => HTTP1,
        ALPN::H2 => HTTP2,
        ALPN::H2H1 => EITHER,
        ALPN::Custom(_) => return,
    };
    peer.options.alpn = ALPN::Custom(CustomALPN::new(real.to_vec()));
    peer.group_key ^= GROUP;
}

/// Whether an attempt goes through an [`Exchange`](super::Exchange).
pub fn is_mapped(peer: &HttpPeer) -> bool {
    matches!(peer.options.alpn, ALPN::Custom(_))
}

/// The peer as it was. `None`: it is none of ours.
pub(super) fn real<P: Peer + 'static>(peer: &P) -> Option<HttpPeer> {
    let peer: &HttpPeer = (peer as &dyn Any).downcast_ref()?;
    let ALPN::Custom(custom) = &peer.options.alpn else { return None };
    let alpn = match custom.protocol() {
        HTTP1 => ALPN::H1,
        HTTP2 => ALPN::H2,
        EITHER => ALPN::H2H1,
        _ => return None,
    };
    let mut peer = peer.clone();
    peer.options.alpn = alpn;
    peer.group_key ^= GROUP;
    Some(peer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_comes_back_as_it_was() {
        for alpn in [ALPN::H1, ALPN::H2, ALPN::H2H1] {
            let mut peer = HttpPeer::new("127.0.0.1:1", false, String::new());
            peer.options.alpn = alpn;
            let hash = peer.reuse_hash();
            let before = peer.clone();
            assert!(real(&peer).is_none() && !is_mapped(&peer));
            map_over(&mut peer);
            assert!(is_mapped(&peer));
            assert_ne!(peer.reuse_hash(), hash);
            let again = real(&peer).unwrap();
            assert_eq!((again.reuse_hash(), &again.options.alpn), (hash, &before.options.alpn));
        }
    }
}
