//! The stages of the process's life: starting, serving, handing over, draining, closing.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use pingora_core::server::ShutdownWatch;
use tokio::{sync::Notify, time::sleep};

/// The stages of the process's life that requests and probes must know about.
#[derive(Default)]
pub struct Lifecycle {
    ready: AtomicBool,
    handing_over: AtomicBool,
    draining: AtomicBool,
    closing: AtomicBool,
    closing_notify: Notify,
}

impl Lifecycle {
    /// The upstreams are warm and the listeners open.
    pub fn set_ready(&self) {
        self.ready.store(true, Ordering::Release);
    }

    /// Whether the process has started.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    /// A successor gets the listeners; this process will drain.
    pub fn hand_over(&self) {
        self.handing_over.store(true, Ordering::Release);
    }

    /// Whether a successor has the listeners, or is about to get them.
    pub fn is_handing_over(&self) -> bool {
        self.handing_over.load(Ordering::Acquire)
    }

    /// From now on every response ends its connection and `/readyz` says no.
    pub fn start_draining(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Whether the process is on its way out.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// From now on idle connections are closed.
    pub fn close_idle(&self) {
        self.closing.store(true, Ordering::Release);
        self.closing_notify.notify_waiters();
    }

    /// Whether idle connections are to be closed.
    pub fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// Waits until idle connections are to be closed.
    pub async fn closing(&self) {
        let notified = self.closing_notify.notified();
        tokio::pin!(notified);
        // Registered before the flag is read, so the call in between is not missed.
        notified.as_mut().enable();
        if !self.closing.load(Ordering::Acquire) {
            notified.await;
        }
    }
}

/// Waits until the process shuts down.
pub async fn stopped(shutdown: &mut ShutdownWatch) {
    // The sender lives as long as the server: its end means the same.
    let _ = shutdown.wait_for(|stop| *stop).await;
}

/// Waits for a period. `false`: the process shuts down.
pub async fn pause(shutdown: &mut ShutdownWatch, period: Duration) -> bool {
    tokio::select! {
        biased;
        () = stopped(shutdown) => false,
        () = sleep(period) => true,
    }
}
