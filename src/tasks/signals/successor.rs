//! The process that takes over: whether it is there, and how it is started.

use std::{
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use tokio::time::{sleep, timeout};

/// How long a successor may take to listen on the upgrade socket.
const PATIENCE: Duration = Duration::from_secs(5);
/// Time between two looks for it.
const TICK: Duration = Duration::from_millis(50);

/// The sockets of the host's UNIX domain.
const UNIX_SOCKETS: &str = "/proc/net/unix";
/// The flags of one that listens there (`__SO_ACCEPTCON`).
const LISTENING: &str = "00010000";

/// A successor that this process has started. It ends with this value unless it was let go.
pub struct Successor(Option<Child>);

impl Successor {
    /// Starts the program that is in this one's place now, with the same configuration.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(config: &Path) -> std::io::Result<Self> {
        // Not the file that runs: a new version has taken its name.
        let program = std::env::args_os().next().unwrap_or_else(|| "nilegate".into());
        let child = Command::new(program)
            .args(["run", "--upgrade", "--config"])
            .arg(config)
            .stdin(Stdio::null())
            .spawn()?;
        Ok(Self(Some(child)))
    }

    /// The id of its process.
    pub fn id(&self) -> Option<u32> {
        self.0.as_ref().map(Child::id)
    }

    /// How it ended, if it has.
    fn ended(&mut self) -> Option<ExitStatus> {
        self.0.as_mut().and_then(|child| child.try_wait().ok().flatten())
    }

    /// It has the listeners: it outlives this process.
    pub fn let_go(mut self) {
        self.0 = None;
    }
}

impl Drop for Successor {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Whether a successor waits for the listeners, or does so soon.
pub async fn is_there(socket: &Path, mut started: Option<&mut Successor>) -> bool {
    let there = async {
        loop {
            if is_listened_on(socket) {
                return true;
            }
            if let Some(status) = started.as_mut().and_then(|successor| successor.ended()) {
                tracing::error!("the successor ended with {status}: its log says why");
                return false;
            }
            sleep(TICK).await;
        }
    };
    timeout(PATIENCE, there).await.unwrap_or(false)
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
        assert!(!is_there(&path, None).await);
        let listener = UnixListener::bind(&path).unwrap();
        assert!(is_there(&path, None).await);
        drop(listener);
        assert!(!is_listened_on(&path), "the file alone is nobody");
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_has_ended_is_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let mut ended = Command::new("false").spawn().unwrap();
        ended.wait().unwrap();
        let mut successor = Successor(Some(ended));
        let began = tokio::time::Instant::now();
        assert!(!is_there(&directory.path().join("up.sock"), Some(&mut successor)).await);
        assert!(began.elapsed() < PATIENCE, "its end is the answer");
    }
}
