//! A gate that holds something back until the story opens it.

use tokio::sync::watch;

/// Closed at first; once open, it stays open. Clones are the same gate.
#[derive(Clone, Debug)]
pub struct Gate(watch::Sender<bool>);

impl Gate {
    /// A closed gate.
    pub fn closed() -> Self {
        Self(watch::Sender::new(false))
    }

    /// Lets everything through that waits now or later.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    /// Ends when the gate is open.
    pub async fn wait(&self) {
        let mut receiver = self.0.subscribe();
        // The sender lives in `self`, so this cannot fail while we wait.
        receiver.wait_for(|open| *open).await.unwrap();
    }
}
