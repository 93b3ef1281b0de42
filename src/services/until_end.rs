//! A service that listens while the process drains.

use std::{future::pending, sync::Arc};

use async_trait::async_trait;
use pingora_core::{
    server::{ListenFds, ShutdownWatch},
    services::Service,
};
use tokio::sync::watch;

use crate::runtime::{lifecycle::stopped, resources::Resources};

/// Pingora stops every service as soon as a drain begins; this one goes on to the end of the
/// process, so that probes and scrapes are answered meanwhile. When a successor has taken
/// the listeners over, answering is its business.
pub struct UntilEnd<S> {
    service: S,
    resources: Arc<Resources>,
}

impl<S> UntilEnd<S> {
    /// The service in a process with these resources.
    pub fn new(service: S, resources: Arc<Resources>) -> Self {
        Self { service, resources }
    }
}

#[async_trait]
impl<S: Service> Service for UntilEnd<S> {
    async fn start_service(
        &mut self,
        fds: Option<ListenFds>,
        mut shutdown: ShutdownWatch,
        listeners_per_fd: usize,
    ) {
        let (stop, until) = watch::channel(false);
        let lifecycle = &self.resources.lifecycle;
        let watch = async {
            stopped(&mut shutdown).await;
            if !lifecycle.is_handing_over() {
                pending::<()>().await;
            }
            let _ = stop.send(true);
        };
        tokio::join!(self.service.start_service(fds, until, listeners_per_fd), watch);
    }

    fn name(&self) -> &str {
        self.service.name()
    }

    fn threads(&self) -> Option<usize> {
        self.service.threads()
    }

    fn listen_addresses(&self) -> Option<Vec<String>> {
        self.service.listen_addresses()
    }
}
