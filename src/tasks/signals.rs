//! What the process is asked by signals: TERM drains, QUIT hands the listeners over, INT ends at once.

use std::{path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use pingora_core::server::{ShutdownSignal, ShutdownSignalWatch};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::{sleep, timeout},
};

use crate::{config::process::ShutdownConfig, runtime::resources::Resources};

/// How long a successor that is asked for may take to listen on the upgrade socket.
const PATIENCE: Duration = Duration::from_secs(5);
/// Time between two looks for it.
const TICK: Duration = Duration::from_millis(50);

/// The sockets of the host's UNIX domain.
const UNIX_SOCKETS: &str = "/proc/net/unix";
/// The flags of one that listens there (`__SO_ACCEPTCON`).
const LISTENING: &str = "00010000";

/// Translates signals for Pingora.
pub struct Signals {
    /// Whose lifecycle begins to drain.
    pub resources: Arc<Resources>,
    /// How long new connections are still accepted, and where a successor listens.
    pub config: ShutdownConfig,
}

struct Ears {
    terminate: Signal,
    quit: Signal,
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
            tokio::select! {
                _ = ears.interrupt.recv() => return ShutdownSignal::FastShutdown,
                _ = ears.terminate.recv() => return self.terminate(&mut ears).await,
                _ = ears.quit.recv() => {}
            }
            tokio::select! {
                _ = ears.interrupt.recv() => return ShutdownSignal::FastShutdown,
                _ = ears.terminate.recv() => return self.terminate(&mut ears).await,
                there = successor(&self.config.upgrade_socket) => if there {
                    tracing::info!("handing over");
                    self.resources.lifecycle.hand_over();
                    return ShutdownSignal::GracefulUpgrade;
                }
            }
            // Pingora would end the process all the same.
            tracing::warn!(
                "SIGQUIT asks for a hand-over, but nobody listens on {}: start `nilegate run --upgrade` \
                 first; SIGTERM ends without a successor",
                self.config.upgrade_socket.display()
            );
        }
    }
}

impl Signals {
    async fn terminate(&self, ears: &mut Ears) -> ShutdownSignal {
        tracing::info!("draining");
        self.resources.lifecycle.start_draining();
        // Load balancers need a moment to notice that readiness is gone.
        tokio::select! {
            () = sleep(self.config.delay.get()) => ShutdownSignal::GracefulTerminate,
            _ = ears.interrupt.recv() => ShutdownSignal::FastShutdown,
        }
    }
}

impl Ears {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            quit: signal(SignalKind::quit())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }
}

/// Whether a successor waits for the listeners, or does so soon.
async fn successor(socket: &Path) -> bool {
    let there = async {
        while !is_listened_on(socket) {
            sleep(TICK).await;
        }
    };
    timeout(PATIENCE, there).await.is_ok()
}

/// Asks the kernel and not the socket: the successor takes the first connection for the hand-over.
fn is_listened_on(socket: &Path) -> bool {
    match std::fs::read(UNIX_SOCKETS) {
        Ok(table) => names_listener(&String::from_utf8_lossy(&table), &socket.to_string_lossy()),
        // The file is all there is to go by.
        Err(_) => socket.exists(),
    }
}

/// Whether a listening socket of this path is in the kernel's table.
fn names_listener(table: &str, socket: &str) -> bool {
    table.lines().skip(1).any(|line| {
        // Num: RefCount Protocol Flags Type St Inode Path
        let mut columns = line.split_ascii_whitespace();
        columns.nth(3) == Some(LISTENING) && line.strip_suffix(socket).is_some_and(|rest| rest.ends_with(' '))
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_listening_socket_is_told_from_others() {
        let table = "Num       RefCount Protocol Flags    Type St Inode Path\n\
             0000000000000000: 00000002 00000000 00010000 0001 01 17001 /run/up.sock\n\
             0000000000000000: 00000002 00000000 00000000 0001 01 17002 /run/client.sock\n\
             0000000000000000: 00000003 00000000 00000000 0001 03 17003\n";
        assert!(names_listener(table, "/run/up.sock"));
        assert!(!names_listener(table, "up.sock"));
        assert!(!names_listener(table, "/run/client.sock"));
        assert!(!names_listener(table, "/run/other.sock"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_successor_is_there_when_it_listens() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("up.sock");
        assert!(!successor(&path).await);
        let listener = UnixListener::bind(&path).unwrap();
        assert!(successor(&path).await);
        drop(listener);
        assert!(!is_listened_on(&path), "the file alone is nobody");
    }
}
