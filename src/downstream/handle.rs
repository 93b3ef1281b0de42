//! What others may do to a gate while Pingora holds the stream.

use std::{sync::Arc, time::Instant};

use parking_lot::Mutex;

use crate::telemetry::reason::CloseReason;

/// Ends waits for the client, turns the connection into a tunnel, and says why it will
/// be closed, from outside the stream. Clones are the same handle; it outlives the stream.
#[derive(Clone, Default)]
pub struct GateHandle(Arc<Mutex<State>>);

/// All of the current request.
#[derive(Default)]
struct State {
    deadline: Option<Instant>,
    tunnel: bool,
    close_reason: Option<CloseReason>,
}

impl GateHandle {
    /// Ends the next wait at this moment; `None` lets it go on.
    pub fn set_deadline(&self, at: Option<Instant>) {
        self.0.lock().deadline = at;
    }

    /// The protocol has been switched (101): from now on everything goes through.
    pub fn set_tunnel(&self) {
        self.0.lock().tunnel = true;
    }

    /// Says why the connection will not survive the current request.
    pub fn set_close_reason(&self, reason: CloseReason) {
        self.0.lock().close_reason = Some(reason);
    }

    /// Why the connection did not survive the request, if somebody said so.
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.0.lock().close_reason
    }

    /// The deadline of the current wait, and whether the connection is a tunnel.
    pub(super) fn orders(&self) -> (Option<Instant>, bool) {
        let state = self.0.lock();
        (state.deadline, state.tunnel)
    }

    /// The next request begins.
    pub(super) fn reset(&self) {
        *self.0.lock() = State::default();
    }
}
