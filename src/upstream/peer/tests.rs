use pingora_core::upstreams::peer::Peer as _;

use super::*;
use crate::config::{
    tls::UpstreamTlsConfig,
    upstream::TimeoutsConfig,
    values::{ByteSize, Period},
};

fn peer(
    protocol: UpstreamProtocol,
    keepalive: KeepaliveConfig,
    tls: Option<UpstreamTlsConfig>,
) -> Box<HttpPeer> {
    let tls = tls.map(|config| UpstreamTls::load(&config).unwrap());
    let factory = PeerFactory::new(protocol, keepalive, tls);
    let timeouts = TimeoutsConfig { read: Some(Period::secs(7)), ..TimeoutsConfig::default() };
    let template = factory.template("shop.internal", "10.0.0.1:443".parse().unwrap());
    template.with(&ResolvedTimeouts::resolve(None, &timeouts))
}

#[test]
fn a_peer_carries_the_configuration() {
    let keepalive = KeepaliveConfig {
        idle_timeout: Period::secs(9),
        http2_streams: 7,
        http2_ping: Some(Period::secs(3)),
        receive_buffer: Some(ByteSize::kib(64)),
    };
    let peer = peer(UpstreamProtocol::Http2, keepalive, None);
    let options = &peer.options;
    assert_eq!(peer.address().to_string(), "10.0.0.1:443");
    assert!(!peer.is_tls());
    assert_eq!((options.alpn.get_min_http_version(), options.alpn.get_max_http_version()), (2, 2));
    assert_eq!(options.connection_timeout, Some(Duration::from_secs(5)));
    assert_eq!(options.total_connection_timeout, Some(Duration::from_secs(5)));
    assert_eq!(options.read_timeout, Some(Duration::from_secs(7)));
    assert_eq!(options.write_timeout, Some(Duration::from_secs(60)));
    assert_eq!(options.idle_timeout, Some(Duration::from_secs(9)));
    assert_eq!((options.max_h2_streams, options.tcp_recv_buf), (7, Some(65_536)));
    assert_eq!(options.h2_ping_interval, Some(Duration::from_secs(3)));
}

#[test]
fn tls_always_has_a_name_to_verify() {
    let tls = UpstreamTlsConfig::default();
    let named = peer(UpstreamProtocol::Auto, KeepaliveConfig::default(), Some(tls.clone()));
    assert_eq!((named.sni(), named.verify_cert(), named.verify_hostname()), ("shop.internal", true, true));
    let other = UpstreamTlsConfig { sni: Some("shop.example".into()), verify: false, ..tls };
    let lax = peer(UpstreamProtocol::Auto, KeepaliveConfig::default(), Some(other));
    assert_eq!((lax.sni(), lax.verify_cert()), ("shop.example", false));
}

#[test]
fn connections_are_shared_only_under_the_same_rules() {
    let of = |protocol, verify| {
        let tls = UpstreamTlsConfig { verify, sni: Some("a".into()), ..UpstreamTlsConfig::default() };
        peer(protocol, KeepaliveConfig::default(), Some(tls)).reuse_hash()
    };
    let http1 = of(UpstreamProtocol::Http1, true);
    assert_eq!(http1, of(UpstreamProtocol::Http1, true));
    assert_ne!(http1, of(UpstreamProtocol::Auto, true));
    assert_ne!(http1, of(UpstreamProtocol::Http1, false));
}

#[test]
fn without_keepalive_no_connection_fits_another_attempt() {
    let keepalive = KeepaliveConfig { idle_timeout: Period::secs(0), ..KeepaliveConfig::default() };
    let of = || peer(UpstreamProtocol::Http1, keepalive.clone(), None).reuse_hash();
    assert_ne!(of(), of());
}
