//! What the service manager is told of the process's life: systemd's notifications
//! (`Type=notify`).
//!
//! Nothing is sent where no manager asks for it, which is to say without `NOTIFY_SOCKET`. A
//! manager that cannot be told is a line in the log and nothing more.

use std::time::Duration;

use sd_notify::NotifyState;

/// The listeners are open. A successor becomes the main process of its unit.
pub fn ready(is_successor: bool) {
    let status = NotifyState::Status("serving");
    if is_successor {
        tell(&[NotifyState::MainPid(std::process::id()), NotifyState::Ready, status]);
    } else {
        tell(&[NotifyState::Ready, status]);
    }
}

/// A reload begins; [`reloaded`] must follow.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!("no monotonic clock for the service manager: {error}"),
    }
}

/// The reload is over, and this is what serves.
pub fn reloaded(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// The end has begun; it takes at most `limit`.
pub fn stopping(limit: Duration) {
    let limit = u32::try_from(limit.as_micros()).unwrap_or(u32::MAX);
    tell(&[NotifyState::Stopping, NotifyState::ExtendTimeoutUsec(limit), NotifyState::Status("draining")]);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!("the service manager cannot be told: {error}");
    }
}
