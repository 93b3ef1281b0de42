//! What lives as long as the process.

use std::{net::SocketAddr, sync::Arc};

use super::{lifecycle::Lifecycle, listener::Listener};
use crate::{
    config::process::{LimitsConfig, ProcessConfig},
    telemetry::{
        access_log::AccessLog,
        metrics::{Metrics, MetricsError},
    },
    tls::CertificateStore,
};

/// Built once, before the first snapshot; shared by everything after.
pub struct Resources {
    /// Every metric family of the process.
    pub metrics: Arc<Metrics>,
    /// Where finished requests are written down. `None` when turned off.
    pub access_log: Option<Arc<AccessLog>>,
    /// The listeners, in the order of the configuration.
    pub listeners: Vec<Arc<Listener>>,
    /// The certificate stores of the TLS listeners, to be watched.
    pub certificates: Vec<Arc<CertificateStore>>,
    /// Limits on what a client may send.
    pub limits: LimitsConfig,
    /// Starting, serving or draining.
    pub lifecycle: Lifecycle,
}

impl Resources {
    /// Everything that the `process:` section describes, apart from sockets and threads.
    ///
    /// # Errors
    /// Never for a correct table of metric families.
    pub fn new(
        config: &ProcessConfig,
        certificates: Vec<Arc<CertificateStore>>,
    ) -> Result<Self, MetricsError> {
        let revision = option_env!("NILEGATE_REVISION").unwrap_or("unknown");
        let metrics = Arc::new(Metrics::new(env!("CARGO_PKG_VERSION"), revision)?);
        let listeners = config
            .listeners
            .iter()
            .map(|listener| {
                let handles = metrics.listener(&listener.name());
                Arc::new(Listener::new(listener, handles))
            })
            .collect();
        let log = &config.telemetry.access_log;
        let dropped = metrics.process().access_log_dropped();
        Ok(Self {
            access_log: AccessLog::from_config(log, dropped).map(Arc::new),
            metrics,
            listeners,
            certificates,
            limits: config.limits.clone(),
            lifecycle: Lifecycle::default(),
        })
    }

    /// The listener that a connection accepted at this local address came through.
    pub fn listener_at(&self, local: &SocketAddr) -> Option<&Arc<Listener>> {
        self.listeners.iter().find(|listener| listener.accepts(local))
    }

    /// Connections open now, over all listeners.
    pub fn open_connections(&self) -> usize {
        self.listeners.iter().map(|listener| listener.open_connections()).sum()
    }
}
