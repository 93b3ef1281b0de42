//! What others may do to a gate while Pingora holds the stream.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use parking_lot::Mutex;

use crate::telemetry::reason::CloseReason;

/// Turns the connection into a tunnel, and says why it will be closed, from outside the
/// stream. Clones are the same handle; it outlives the stream.
#[derive(Clone, Default)]
pub struct GateHandle(Arc<State>);

/// All of the current request.
#[derive(Default)]
struct State {
    tunnel: AtomicBool,
    close_reason: Mutex<Option<CloseReason>>,
}

impl GateHandle {
    /// The protocol has been switched (101): from now on everything goes through.
    pub fn set_tunnel(&self) {
        self.0.tunnel.store(true, Ordering::Release);
    }

    /// Says why the connection will not survive the current request.
    pub fn set_close_reason(&self, reason: CloseReason) {
        *self.0.close_reason.lock() = Some(reason);
    }

    /// Why the connection did not survive the request, if somebody said so.
    pub fn close_reason(&self) -> Option<CloseReason> {
        *self.0.close_reason.lock()
    }

    /// Whether the connection is a tunnel.
    pub(super) fn is_tunnel(&self) -> bool {
        self.0.tunnel.load(Ordering::Acquire)
    }

    /// The next request begins.
    pub(super) fn reset(&self) {
        self.0.tunnel.store(false, Ordering::Release);
        *self.0.close_reason.lock() = None;
    }
}
