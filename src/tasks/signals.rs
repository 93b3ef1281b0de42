//! What the process is asked by signals: TERM drains, QUIT hands the listeners over, USR2 starts
//! the successor first, INT ends at once.

mod successor;

use std::{path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use pingora_core::server::{ShutdownSignal, ShutdownSignalWatch};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::sleep,
};

use self::successor::Successor;
use crate::{config::process::ShutdownConfig, runtime::resources::Resources, telemetry::supervisor};

/// Added to what draining may take before a service manager loses its patience.
const MARGIN: Duration = Duration::from_secs(5);

/// Translates signals for Pingora.
pub struct Signals {
    /// Whose lifecycle begins to drain.
    pub resources: Arc<Resources>,
    /// How long new connections are still accepted, and where a successor listens.
    pub config: ShutdownConfig,
    /// The files that a successor is started with. `None`: it could not do what this process does.
    pub succeed_with: Option<PathBuf>,
}

struct Ears {
    terminate: Signal,
    quit: Signal,
    upgrade: Signal,
    interrupt: Signal,
}

#[async_trait]
impl ShutdownSignalWatch for Signals {
    async fn recv(&self) -> ShutdownSignal {
        let mut ears = match Ears::new() {
            Ok(ears) => ears,
            Err(error) => {
                tracing::error!("signals cannot be listened to: {error}");
                return ShutdownSignal::FastShutdown;
            }
        };
        loop {
            let asked = tokio::select! {
                _ = ears.interrupt.recv() => return ShutdownSignal::FastShutdown,
                _ = ears.terminate.recv() => return self.terminate(&mut ears).await,
                _ = ears.quit.recv() => Asked::HandOver,
                _ = ears.upgrade.recv() => Asked::Upgrade,
            };
            let mut started = match asked {
                Asked::HandOver => None,
                Asked::Upgrade => match self.start_successor() {
                    Some(successor) => Some(successor),
                    None => continue,
                },
            };
            tokio::select! {
                _ = ears.interrupt.recv() => return ShutdownSignal::FastShutdown,
                _ = ears.terminate.recv() => return self.terminate(&mut ears).await,
                there = successor::is_there(&self.config.upgrade_socket, started.as_mut()) => if there {
                    tracing::info!("handing over");
                    if let Some(successor) = started {
                        successor.let_go();
                    }
                    self.resources.lifecycle.hand_over();
                    return ShutdownSignal::GracefulUpgrade;
                }
            }
            // Pingora would end the process all the same.
            let socket = self.config.upgrade_socket.display();
            match asked {
                Asked::HandOver => tracing::warn!(
                    "SIGQUIT asks for a hand-over, but nobody listens on {socket}: start `nilegate run \
                     --upgrade` first, or send SIGUSR2; SIGTERM ends without a successor"
                ),
                Asked::Upgrade => tracing::error!("no upgrade: the successor does not listen on {socket}"),
            }
        }
    }
}

/// Which way to hand over.
#[derive(Clone, Copy)]
enum Asked {
    /// To a successor that somebody else has started.
    HandOver,
    /// To one that is yet to be started.
    Upgrade,
}

impl Signals {
    fn start_successor(&self) -> Option<Successor> {
        let Some(config) = &self.succeed_with else {
            tracing::error!("no upgrade: a demo has no successor");
            return None;
        };
        match Successor::start(config) {
            Ok(successor) => {
                tracing::info!(pid = successor.id(), "successor started");
                Some(successor)
            }
            Err(error) => {
                tracing::error!("no upgrade: the successor cannot be started: {error}");
                None
            }
        }
    }

    async fn terminate(&self, ears: &mut Ears) -> ShutdownSignal {
        tracing::info!("draining");
        self.resources.lifecycle.start_draining();
        let delay = self.config.delay.get();
        supervisor::stopping(delay + self.config.drain_timeout.get() + MARGIN);
        // Load balancers need a moment to notice that readiness is gone.
        tokio::select! {
            () = sleep(delay) => ShutdownSignal::GracefulTerminate,
            _ = ears.interrupt.recv() => ShutdownSignal::FastShutdown,
        }
    }
}

impl Ears {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            quit: signal(SignalKind::quit())?,
            upgrade: signal(SignalKind::user_defined2())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }
}
