//! Carries access log lines from memory to where they are kept.

use std::sync::Arc;

use async_trait::async_trait;
use pingora_core::{server::ShutdownWatch, services::background::BackgroundService};
use tokio::signal::unix::{SignalKind, signal};

use parking_lot::Mutex;

use crate::telemetry::access_log::{AccessLog, AccessLogWriter};

/// Writes the access log. It has a thread of its own, so a slow disk delays nobody.
pub struct WriteAccessLog {
    /// Where requests write.
    pub log: Arc<AccessLog>,
    /// Where lines end up.
    pub writer: Arc<Mutex<AccessLogWriter>>,
}

#[async_trait]
impl BackgroundService for WriteAccessLog {
    async fn start(&self, _shutdown: ShutdownWatch) {
        // It goes on during the drain: requests still finish. The drain flushes the rest.
        let mut reopen = match signal(SignalKind::user_defined1()) {
            Ok(reopen) => reopen,
            Err(error) => {
                tracing::error!("SIGUSR1 cannot be listened to: {error}");
                return;
            }
        };
        loop {
            tokio::select! {
                biased;
                _ = reopen.recv() => match self.writer.lock().reopen() {
                    Ok(()) => tracing::info!("access log reopened"),
                    Err(error) => tracing::error!("access log could not be reopened: {error}"),
                },
                () = self.log.ready() => {
                    if let Err(error) = self.log.flush_to(&mut *self.writer.lock()) {
                        tracing::error!("access log could not be written: {error}");
                    }
                }
            }
        }
    }
}
