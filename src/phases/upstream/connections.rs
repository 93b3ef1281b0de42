//! Counting connections to backends where Pingora opens and closes them.

use pingora_core::upstreams::peer::{Tracer, Tracing};

use crate::telemetry::metrics::ConnectionCounter;

/// What a peer carries to have its connection counted, should a new one be made for it.
pub fn counted(counter: &ConnectionCounter) -> Tracer {
    Tracer(Box::new(Counted(counter.clone())))
}

#[derive(Debug)]
struct Counted(ConnectionCounter);

impl Tracing for Counted {
    fn on_connected(&self) {
        self.0.opened();
    }

    fn on_disconnected(&self) {
        self.0.closed();
    }

    fn boxed_clone(&self) -> Box<dyn Tracing> {
        Box::new(Self(self.0.clone()))
    }
}
