//! Where the services listen: on the usual ports, or on free ones where those are taken.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::fd::IntoRawFd,
};

use async_trait::async_trait;
use pingora_core::{
    server::{ListenFds, ShutdownWatch},
    services::Service,
};

use super::platform::SERVICES;

/// The port of the first service; the others follow.
const FIRST_PORT: u16 = 7001;

/// One loopback socket for each service, in their order.
///
/// They are open from the moment their ports are chosen: a port that is merely free
/// might be that of another demo by the time its service starts.
#[derive(Debug)]
pub struct Sockets(Vec<Socket>);

/// An open socket.
#[derive(Debug)]
pub struct Socket {
    /// Where it listens.
    pub address: SocketAddr,
    listener: TcpListener,
}

impl Sockets {
    /// 127.0.0.1:7001 and following; a port that is taken is replaced by a free one.
    ///
    /// # Errors
    /// When not even a free port can be had.
    pub fn open() -> io::Result<Self> {
        Self::open_from(FIRST_PORT)
    }

    /// Free ports only, so that several platforms can run side by side.
    ///
    /// # Errors
    /// When no free port can be had.
    pub fn free() -> io::Result<Self> {
        Self::open_from(0)
    }

    fn open_from(first: u16) -> io::Result<Self> {
        let wanted = (0..).map(|index| if first == 0 { 0 } else { first + index });
        let sockets: io::Result<_> =
            SERVICES.iter().zip(wanted).map(|(_, port)| Socket::open(port)).collect();
        sockets.map(Self)
    }

    /// Their addresses.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.0.iter().map(|socket| socket.address)
    }
}

impl IntoIterator for Sockets {
    type Item = Socket;
    type IntoIter = std::vec::IntoIter<Socket>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl Socket {
    fn open(port: u16) -> io::Result<Self> {
        let at = |port| Self::at((Ipv4Addr::LOCALHOST, port).into());
        at(port).or_else(|_| at(0))
    }

    /// Opened at an address; port 0 is a free one.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub fn at(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok(Self { address: listener.local_addr()?, listener })
    }
}

/// A service that listens on an open socket.
pub struct Listening<S> {
    service: S,
    socket: Option<Socket>,
}

impl<S> Listening<S> {
    /// The service, which has been told to listen on the address of this socket.
    pub fn new(service: S, socket: Socket) -> Self {
        Self { service, socket: Some(socket) }
    }
}

#[async_trait]
impl<S: Service> Service for Listening<S> {
    async fn start_service(
        &mut self,
        fds: Option<ListenFds>,
        shutdown: ShutdownWatch,
        listeners_per_fd: usize,
    ) {
        // Pingora finds it where it looks for those that another process has handed over.
        if let (Some(fds), Some(socket)) = (&fds, self.socket.take()) {
            fds.lock().add(socket.address.to_string(), socket.listener.into_raw_fd());
        }
        self.service.start_service(fds, shutdown, listeners_per_fd).await;
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_taken_port_is_replaced() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let sockets = Sockets::open_from(port).unwrap();
        assert!(sockets.addresses().all(|address| address.port() != port && address.ip().is_loopback()));
    }

    #[test]
    fn ports_are_held_from_the_moment_they_are_chosen() {
        let (first, second) = (Sockets::open().unwrap(), Sockets::open().unwrap());
        let ports: BTreeSet<u16> =
            first.addresses().chain(second.addresses()).map(|address| address.port()).collect();
        assert_eq!(ports.len(), 2 * SERVICES.len());
        for address in first.addresses() {
            assert!(TcpListener::bind(address).is_err(), "{address} is free");
        }
    }
}
