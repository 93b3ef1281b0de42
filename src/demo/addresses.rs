//! Where the services listen: the usual ports, or free ones where those are taken.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
};

use super::platform::SERVICES;

/// The port of the first service; the others follow.
const FIRST_PORT: u16 = 7001;

/// One loopback address for each service, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses([SocketAddr; SERVICES.len()]);

impl Addresses {
    /// 127.0.0.1:7001 and following; a port that is taken is replaced by a free one.
    ///
    /// # Errors
    /// When not even a free port can be had.
    pub fn choose() -> io::Result<Self> {
        Self::choose_from(FIRST_PORT)
    }

    /// Free ports only, so that several platforms can run side by side.
    ///
    /// # Errors
    /// When no free port can be had.
    pub fn free() -> io::Result<Self> {
        Self::choose_from(0)
    }

    fn choose_from(first: u16) -> io::Result<Self> {
        let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut addresses = [loopback(0); SERVICES.len()];
        // The sockets stay open until all are chosen, so that no port is chosen twice.
        let mut held = Vec::with_capacity(SERVICES.len());
        for (address, index) in addresses.iter_mut().zip(0..) {
            let wanted = if first == 0 { 0 } else { first + index };
            let socket = TcpListener::bind(loopback(wanted)).or_else(|_| TcpListener::bind(loopback(0)))?;
            *address = socket.local_addr()?;
            held.push(socket);
        }
        Ok(Self(addresses))
    }

    /// The addresses in the order of the services.
    pub fn iter(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.0.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_replaced() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let chosen = Addresses::choose_from(port).unwrap();
        assert!(chosen.iter().all(|address| address.port() != port && address.ip().is_loopback()));
    }

    #[test]
    fn free_ports_are_all_different() {
        let ports: std::collections::BTreeSet<u16> =
            Addresses::free().unwrap().iter().map(|address| address.port()).collect();
        assert_eq!(ports.len(), SERVICES.len());
    }
}
