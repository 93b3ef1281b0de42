//! Free ports that no other test takes, in this process or another.

use std::{
    fmt,
    fs::{self, File},
    net::{SocketAddr, TcpListener},
    sync::atomic::{AtomicU16, Ordering},
};

/// Below the ports that the kernel gives to outgoing connections (`ip_local_port_range`).
const FIRST: u16 = 12_000;
const COUNT: u16 = 20_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A loopback port that is ours until this value is dropped.
#[derive(Debug)]
pub struct Port {
    number: u16,
    // The lock on this file keeps the port from every other test; a process that dies loses it.
    _claim: File,
}

impl Port {
    /// Claims a port on which nobody listens.
    pub fn free() -> Self {
        let claims = std::env::temp_dir().join("nilegate-e2e-ports");
        fs::create_dir_all(&claims).unwrap();
        // Processes start at different places, so that they seldom meet.
        let offset = (std::process::id() % u32::from(COUNT)) as u16;
        for _ in 0..COUNT {
            let step = NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
            let number = FIRST + (u32::from(offset) + u32::from(step)).rem_euclid(u32::from(COUNT)) as u16;
            let claim = File::create(claims.join(number.to_string())).unwrap();
            if claim.try_lock().is_ok() && TcpListener::bind(("127.0.0.1", number)).is_ok() {
                return Self { number, _claim: claim };
            }
        }
        panic!("no free port from {FIRST} to {}", FIRST + COUNT);
    }

    /// The port with the loopback address.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.number))
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address().fmt(f)
    }
}
