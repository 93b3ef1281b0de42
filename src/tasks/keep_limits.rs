//! The connection to the Redis of shared rate limits.

use std::sync::Arc;

use async_trait::async_trait;
use pingora_core::{server::ShutdownWatch, services::background::BackgroundService};

use crate::{rate_limit::Shared, runtime::lifecycle::stopped};

/// Keeps the connection, once a limit is shared.
pub struct KeepLimits {
    /// The buckets there.
    pub shared: Arc<Shared>,
}

#[async_trait]
impl BackgroundService for KeepLimits {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        tokio::select! {
            () = stopped(&mut shutdown) => {}
            () = self.shared.run() => {}
        }
    }
}
