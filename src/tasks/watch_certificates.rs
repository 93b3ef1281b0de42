//! Changed certificate files are taken over without a restart.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use pingora_core::{server::ShutdownWatch, services::background::BackgroundService};

use crate::{
    runtime::{lifecycle::pause, resources::Resources},
    telemetry::label::Outcome,
    tls::ReloadReport,
};

/// How often the files are looked at.
const INTERVAL: Duration = Duration::from_secs(1);

/// Reloads the certificate stores of the listeners.
pub struct WatchCertificates {
    /// Holds the stores.
    pub resources: Arc<Resources>,
}

#[async_trait]
impl BackgroundService for WatchCertificates {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        while pause(&mut shutdown, INTERVAL).await {
            for store in &self.resources.certificates {
                let store = Arc::clone(store);
                let look = move || store.changed().then(|| store.reload());
                match tokio::task::spawn_blocking(look).await {
                    Ok(None) => {}
                    Ok(Some(report)) => self.report(&report),
                    Err(error) => tracing::error!("certificates could not be looked at: {error}"),
                }
            }
        }
    }
}

impl WatchCertificates {
    fn report(&self, report: &ReloadReport) {
        let metrics = self.resources.metrics.process();
        for path in &report.replaced {
            metrics.certificates_reloaded(Outcome::Success);
            tracing::info!("certificate {} taken over", path.display());
        }
        for error in &report.refused {
            metrics.certificates_reloaded(Outcome::Failure);
            tracing::error!("certificate refused, the old one stays in use: {error}");
        }
    }
}
