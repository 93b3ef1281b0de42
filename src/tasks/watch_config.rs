//! SIGHUP and changes of the configuration files lead to a reload.

use std::sync::Arc;

use async_trait::async_trait;
use pingora_core::{server::ShutdownWatch, services::background::BackgroundService};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::sleep,
};

use crate::{
    config::process::ReloadConfig,
    runtime::{lifecycle::stopped, reload::Reloader},
};

/// Asks for reloads.
pub struct WatchConfig {
    /// Does them.
    pub reloader: Arc<Reloader>,
    /// Whether and how often the files are looked at.
    pub config: ReloadConfig,
}

#[async_trait]
impl BackgroundService for WatchConfig {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let mut hangup = match signal(SignalKind::hangup()) {
            Ok(hangup) => hangup,
            Err(error) => {
                tracing::error!("SIGHUP cannot be listened to: {error}");
                return;
            }
        };
        loop {
            let interval = async {
                if self.config.watch {
                    sleep(self.config.interval.get()).await;
                } else {
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                biased;
                () = stopped(&mut shutdown) => return,
                _ = hangup.recv() => {
                    self.reloader.reload().await;
                }
                () = interval => {
                    if self.reloader.is_due().await {
                        self.reloader.reload().await;
                    }
                }
            }
        }
    }
}
