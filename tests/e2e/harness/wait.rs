//! Waiting for something to become true, never for a time to pass.

use std::time::{Duration, Instant};

/// The longest any condition may take. Generous: it is only ever used up by a failure.
pub const DEADLINE: Duration = Duration::from_secs(15);

const POLL: Duration = Duration::from_millis(5);

/// Waits until the condition holds; panics with `what` when it does not in time.
pub async fn wait_until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    wait_for(what, async || condition().await.then_some(())).await;
}

/// Waits until there is a value and returns it; panics with `what` when there is none in time.
pub async fn wait_for<T>(what: &str, mut attempt: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(value) = attempt().await {
            return value;
        }
        assert!(Instant::now() < deadline, "waited {DEADLINE:?} for: {what}");
        tokio::time::sleep(POLL).await;
    }
}

/// Runs a future that must end within the deadline.
pub async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(DEADLINE, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited {DEADLINE:?} for: {what}"),
    }
}
