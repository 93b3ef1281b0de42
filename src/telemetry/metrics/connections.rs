//! The connections to the backends of an upstream.
//!
//! Pingora's pool tells nobody what it holds. So connections are counted where they begin and
//! end, and those in use by the attempts that have one; what is left over waits in the pool.

use super::{
    family::Family,
    handles::Handles,
    instrument::{Counter, Gauge},
    registry::{MetricsError, Registrar},
    route::InFlight,
};
use crate::telemetry::label::label;

label! {
    /// What a connection to a backend does.
    ConnectionState {
        /// It waits to be used again.
        Idle = "idle",
        /// An attempt uses it.
        InUse = "in_use",
    }
}

/// The families of connections to backends.
pub(super) struct ConnectionFamilies {
    open: Family<Gauge>,
    closed: Family<Counter>,
}

impl ConnectionFamilies {
    pub(super) fn register(r: &Registrar<'_>) -> Result<Self, MetricsError> {
        Ok(Self {
            open: r.gauge(
                "proxy_upstream_connections",
                "Connections to backends. Of those that attempts share (HTTP/2), as many are in use as there are attempts.",
                &["upstream", "state"],
            )?,
            closed: r.counter(
                "proxy_upstream_connections_closed_total",
                "Connections to backends that have been closed.",
                &["upstream"],
            )?,
        })
    }

    pub(super) fn upstream(&self, name: &str) -> UpstreamConnections {
        UpstreamConnections {
            counter: ConnectionCounter { open: Gauge::default(), closed: self.closed.get(&[name]) },
            held: Gauge::default(),
            shown: Handles::new(&self.open, &[name]),
        }
    }

    pub(super) fn remove(&self, name: &str) {
        self.open.remove(0, name);
        self.closed.remove(0, name);
    }
}

/// The connections to the backends of one upstream.
pub struct UpstreamConnections {
    counter: ConnectionCounter,
    /// Attempts that have a connection.
    held: Gauge,
    shown: Handles<ConnectionState, Gauge>,
}

impl UpstreamConnections {
    /// What connections are counted with.
    pub fn counter(&self) -> &ConnectionCounter {
        &self.counter
    }

    /// Counts an attempt as having a connection until the guard is dropped.
    pub fn hold(&self) -> InFlight {
        InFlight::new(&self.held)
    }

    /// Shows the connections as they are now: called before a scrape.
    pub fn observe(&self) {
        let open = self.counter.open.get().max(0);
        let in_use = self.held.get().clamp(0, open);
        self.shown.get(ConnectionState::InUse).set(in_use);
        self.shown.get(ConnectionState::Idle).set(open - in_use);
    }
}

/// Counts connections. It outlives the upstream's handle, as connections do.
#[derive(Clone, Debug)]
pub struct ConnectionCounter {
    open: Gauge,
    closed: Counter,
}

impl ConnectionCounter {
    /// A connection has been opened.
    pub fn opened(&self) {
        self.open.inc();
    }

    /// A connection has been closed, by whomever.
    pub fn closed(&self) {
        self.open.dec();
        self.closed.inc();
    }
}

#[cfg(test)]
mod tests {
    use crate::telemetry::metrics::Metrics;

    #[test]
    fn what_no_attempt_uses_is_idle() {
        let metrics = Metrics::new("1", "a").unwrap();
        let upstream = metrics.upstream("u");
        let connections = upstream.connections();
        (0..3).for_each(|_| connections.counter().opened());
        let attempt = connections.hold();
        connections.observe();
        let shown = |state: &str| {
            let text = String::from_utf8(metrics.render()).unwrap();
            let series = format!("proxy_upstream_connections{{upstream=\"u\",state=\"{state}\"}} ");
            let other = format!("proxy_upstream_connections{{state=\"{state}\",upstream=\"u\"}} ");
            let line = text.lines().find_map(|l| l.strip_prefix(&series).or(l.strip_prefix(&other)));
            line.unwrap().to_owned()
        };
        assert_eq!((shown("idle"), shown("in_use")), ("2".into(), "1".into()));
        drop(attempt);
        connections.counter().closed();
        connections.observe();
        assert_eq!((shown("idle"), shown("in_use")), ("2".into(), "0".into()));
    }
}
