//! What the tests of several rooms share.

use crate::config::upstream::{
    BackendConfig, BalanceConfig, DnsConfig, EjectionConfig, KeepaliveConfig, RetryConfig, TimeoutsConfig,
    UpstreamConfig, UpstreamProtocol,
};

/// An upstream of these backends, everything else by default.
pub(super) fn config(backends: &[&str]) -> UpstreamConfig {
    UpstreamConfig {
        backends: backends.iter().map(|b| BackendConfig::Address((*b).to_owned())).collect(),
        balance: BalanceConfig::default(),
        protocol: UpstreamProtocol::default(),
        tls: None,
        timeouts: TimeoutsConfig::default(),
        retry: RetryConfig::default(),
        health_check: None,
        ejection: EjectionConfig::default(),
        circuit_breaker: None,
        concurrency: None,
        dns: DnsConfig::default(),
        keepalive: KeepaliveConfig::default(),
        required: false,
    }
}
