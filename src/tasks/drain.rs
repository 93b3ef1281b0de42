//! The way out: stop taking requests, let those in flight finish, leave early when they have.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use parking_lot::Mutex;
use pingora_core::{server::ShutdownWatch, services::background::BackgroundService};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::sleep,
};

use crate::{
    runtime::{lifecycle::stopped, resources::Resources},
    telemetry::access_log::{AccessLog, AccessLogWriter},
};

/// Time an idle connection is kept after the listeners have closed, so that a
/// request that is already on its way is answered and not cut off.
const IDLE_LINGER: Duration = Duration::from_secs(1);
/// Time the process stays when no connection is open: one may have been accepted and not
/// been counted yet.
const LINGER: Duration = Duration::from_millis(250);
/// How often the drain looks whether the last connection has gone.
const TICK: Duration = Duration::from_millis(20);

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

/// The signals that matter to a drain. One that cannot be listened to never comes.
struct Ears {
    terminate: Option<Signal>,
    interrupt: Option<Signal>,
}

impl Ears {
    fn new() -> Self {
        Self {
            terminate: signal(SignalKind::terminate()).ok(),
            interrupt: signal(SignalKind::interrupt()).ok(),
        }
    }
}

async fn heard(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}

#[async_trait]
impl BackgroundService for Drain {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let mut signals = Ears::new();
        if !self.begin(&mut shutdown, &mut signals).await {
            self.leave();
        }
        let started = Instant::now();
        self.resources.lifecycle.start_draining();
        while self.must_stay(started.elapsed()) {
            if started.elapsed() >= IDLE_LINGER {
                self.resources.lifecycle.close_idle();
            }
            tokio::select! {
                () = sleep(TICK) => {}
                () = heard(&mut signals.interrupt) => break,
            }
        }
        self.flush_spans().await;
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
    /// Waits until it is time to drain; `false`: to leave at once.
    async fn begin(&self, shutdown: &mut ShutdownWatch, signals: &mut Ears) -> bool {
        let lifecycle = &self.resources.lifecycle;
        loop {
            // While Pingora hands over, nobody else listens to signals.
            tokio::select! {
                () = stopped(shutdown) => return true,
                () = heard(&mut signals.terminate) => if lifecycle.is_handing_over() {
                    return true;
                },
                () = heard(&mut signals.interrupt) => if lifecycle.is_handing_over() {
                    return false;
                },
            }
        }
    }

    /// Whether there is something to wait for after so long a time.
    fn must_stay(&self, elapsed: Duration) -> bool {
        let expected = self.resources.open_connections() > 0 || elapsed < LINGER;
        expected && elapsed < self.limit
    }

    /// Gives the last spans their time. A collector that is down does not hold up the end.
    async fn flush_spans(&self) {
        let spans = self.resources.tracing.as_ref().and_then(|tracing| tracing.spans.as_ref());
        let Some(spans) = spans else { return };
        let lost = spans.queue.close(spans.flush_timeout).await;
        if lost > 0 {
            tracing::warn!("{lost} spans lost: the collector did not take them in time");
        }
    }

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
