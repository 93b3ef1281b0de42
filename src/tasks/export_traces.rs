//! Carries spans from memory to the collector.

use std::sync::Arc;

use async_trait::async_trait;
use pingora_core::{server::ShutdownWatch, services::background::BackgroundService};

use crate::runtime::resources::Resources;

/// Exports spans. It has a thread of its own, so a slow collector delays nobody.
pub struct ExportTraces {
    /// Where requests put them.
    pub resources: Arc<Resources>,
}

#[async_trait]
impl BackgroundService for ExportTraces {
    async fn start(&self, _shutdown: ShutdownWatch) {
        // It goes on during the drain: requests still finish. The drain closes the queue.
        let spans = self.resources.tracing.as_ref().and_then(|tracing| tracing.spans.as_ref());
        if let Some(spans) = spans {
            spans.export.run(&spans.queue, self.resources.metrics.traces()).await;
        }
    }
}
