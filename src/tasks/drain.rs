//! The way out: stop taking requests, let those in flight finish, leave early when they have.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use parking_lot::Mutex;
use pingora_core::{
    server::{ShutdownSignal, ShutdownSignalWatch, ShutdownWatch},
    services::background::BackgroundService,
};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::sleep,
};

use crate::{
    config::process::ShutdownConfig,
    runtime::resources::Resources,
    telemetry::access_log::{AccessLog, AccessLogWriter},
};

/// Time an idle connection is kept after the listeners have closed, so that a
/// request that is already on its way is answered and not cut off.
const IDLE_LINGER: Duration = Duration::from_secs(1);
/// How often the drain looks whether the last connection has gone.
const TICK: Duration = Duration::from_millis(20);

/// Translates signals: TERM drains, QUIT hands the listeners over, INT ends at once.
pub struct Signals {
    /// Whose lifecycle begins to drain.
    pub resources: Arc<Resources>,
    /// How long new connections are still accepted.
    pub config: ShutdownConfig,
}

#[async_trait]
impl ShutdownSignalWatch for Signals {
    async fn recv(&self) -> ShutdownSignal {
        let (mut term, mut quit, mut interrupt) = match signals() {
            Ok(signals) => signals,
            Err(error) => {
                tracing::error!("signals cannot be listened to: {error}");
                return ShutdownSignal::FastShutdown;
            }
        };
        tokio::select! {
            _ = interrupt.recv() => ShutdownSignal::FastShutdown,
            _ = quit.recv() => ShutdownSignal::GracefulUpgrade,
            _ = term.recv() => {
                tracing::info!("draining");
                self.resources.lifecycle.start_draining();
                // Load balancers need a moment to notice that readiness is gone.
                tokio::select! {
                    () = sleep(self.config.delay.get()) => ShutdownSignal::GracefulTerminate,
                    _ = interrupt.recv() => ShutdownSignal::FastShutdown,
                }
            }
        }
    }
}

fn signals() -> std::io::Result<(Signal, Signal, Signal)> {
    Ok((signal(SignalKind::terminate())?, signal(SignalKind::quit())?, signal(SignalKind::interrupt())?))
}

/// Watches connections go once the listeners have closed.
pub struct Drain {
    /// Knows the open connections.
    pub resources: Arc<Resources>,
    /// The longest it may take.
    pub limit: Duration,
    /// What must be on disk before the end.
    pub access_log: Option<(Arc<AccessLog>, Arc<Mutex<AccessLogWriter>>)>,
    /// The file to be removed at the end, if it still names this process.
    pub pid_file: Option<std::path::PathBuf>,
}

#[async_trait]
impl BackgroundService for Drain {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        if shutdown.wait_for(|stop| *stop).await.is_err() {
            return;
        }
        let started = Instant::now();
        self.resources.lifecycle.start_draining();
        let mut interrupt = signal(SignalKind::interrupt()).ok();
        while self.resources.open_connections() > 0 && started.elapsed() < self.limit {
            if started.elapsed() >= IDLE_LINGER {
                self.resources.lifecycle.close_idle();
            }
            let interrupted = async {
                match &mut interrupt {
                    Some(interrupt) => interrupt.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = sleep(TICK) => {}
                _ = interrupted => break,
            }
        }
        let left = self.resources.open_connections();
        let took = started.elapsed();
        if left == 0 {
            tracing::info!("drained in {took:?}");
        } else {
            tracing::warn!("{left} connections cut off after {took:?}");
        }
        self.leave();
    }
}

impl Drain {
    /// Pingora would sleep out its whole grace period; nothing is left to wait for.
    fn leave(&self) -> ! {
        if let Some((log, writer)) = &self.access_log
            && let Err(error) = log.flush_to(&mut *writer.lock())
        {
            tracing::error!("the last access log lines could not be written: {error}");
        }
        if let Some(path) = &self.pid_file {
            let own = std::process::id().to_string();
            if std::fs::read_to_string(path).is_ok_and(|text| text.trim() == own) {
                let _ = std::fs::remove_file(path);
            }
        }
        std::process::exit(0)
    }
}
