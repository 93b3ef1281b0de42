//! A way to a server that can be cut: what the server does not notice, its clients do.

use std::net::SocketAddr;

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

use super::ports::Port;

/// Passes connections on until it is cut.
pub struct Relay {
    port: Port,
    to: u16,
    accepting: Option<JoinHandle<()>>,
}

impl Relay {
    /// A way to this port of the same host.
    pub async fn to(port: u16) -> Self {
        let mut relay = Self { port: Port::free(), to: port, accepting: None };
        relay.mend().await;
        relay
    }

    /// Where it begins.
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// Closes every connection and takes no new ones.
    pub async fn cut(&mut self) {
        if let Some(task) = self.accepting.take() {
            task.abort();
            // Ends with "cancelled"; once it has, the sockets are closed.
            let _ = task.await;
        }
    }

    /// Takes connections again.
    pub async fn mend(&mut self) {
        assert!(self.accepting.is_none(), "it is not cut");
        let listener = TcpListener::bind(self.address()).await.unwrap();
        let to = SocketAddr::from(([127, 0, 0, 1], self.to));
        self.accepting = Some(tokio::spawn(async move {
            // Owns the connections: when this task is aborted they are closed with it.
            let mut connections = JoinSet::new();
            while let Ok((mut near, _)) = listener.accept().await {
                connections.spawn(async move {
                    if let Ok(mut far) = TcpStream::connect(to).await {
                        // A connection that breaks off is what this is for.
                        let _ = copy_bidirectional(&mut near, &mut far).await;
                    }
                });
            }
        }));
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if let Some(task) = &self.accepting {
            task.abort();
        }
    }
}
