//! Carries out what is queued: entries to be kept or dropped, leases to be given back.

use std::time::{Duration, Instant};

use futures::future::join_all;
use redis::Cmd;
use tokio::time::timeout;

use super::{
    Tier,
    lease::{DECLINED, Lease, LeaseGuard, RELEASE},
    queue::Job,
};
use crate::{
    cache::{
        entry::{Stamp, StoredEntry},
        key::EntryKey,
    },
    redis::{Connection, classify},
    telemetry::cache::{BackendFailure, BackendOperation, Corruption, WriteResult},
};

/// Commands under way at once. They go out together, without waiting for each other's
/// answers, also to the different nodes of a cluster.
const BATCH: usize = 64;

/// Longest life of an entry in Redis. None is useful for so long, and Redis refuses
/// lives that end after its calendar does.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

impl Tier {
    /// Works on the queue. Never ends.
    pub async fn write(&self) {
        loop {
            let jobs = self.queue.take(BATCH).await;
            let connection = self.connected().await;
            join_all(jobs.into_iter().map(|job| self.carry_out(&connection, job))).await;
        }
    }

    /// Waits for a connection: entries stay in the queue meanwhile, as far as it goes.
    async fn connected(&self) -> std::sync::Arc<Connection> {
        let mut generation = self.link().generation();
        loop {
            if let Some(connection) = self.link().connection() {
                return connection;
            }
            // The sender lives as long as the link.
            let _ = generation.changed().await;
        }
    }

    async fn carry_out(&self, connection: &Connection, job: Job) {
        match job {
            Job::Put { key, entry, lease } => {
                let result = self.set(connection, key, &entry).await;
                self.metrics.written(result);
                if let Some(lease) = lease.and_then(LeaseGuard::take) {
                    // Not stored: whoever waits would wait in vain.
                    self.release(connection, &lease, result != WriteResult::Stored).await;
                }
            }
            Job::Remove(key) => {
                let mut command = redis::cmd("DEL");
                command.arg(self.names.entry(key));
                // What went wrong is counted.
                let _ = self.send(connection, BackendOperation::Delete, &command).await;
            }
            Job::Release { lease, declined } => self.release(connection, &lease, declined).await,
        }
    }

    async fn set(&self, connection: &Connection, key: EntryKey, entry: &StoredEntry) -> WriteResult {
        let life = entry.times().useless_at.since(self.clock.now().unwrap_or_else(Stamp::now)).min(LONGEST);
        if life.is_zero() {
            return WriteResult::Useless;
        }
        let value = match self.codec.encode(key, entry) {
            Ok(value) => value,
            Err(Corruption::TooLarge) => return WriteResult::TooLarge,
            Err(_) => return WriteResult::Failed,
        };
        let started = Instant::now();
        let mut command = redis::cmd("SET");
        command.arg(self.names.entry(key)).arg(value).arg("PX").arg(millis(life));
        let sent = self.send(connection, BackendOperation::Set, &command).await;
        self.metrics.write_took(started.elapsed());
        if sent.is_ok() { WriteResult::Stored } else { WriteResult::Failed }
    }

    async fn release(&self, connection: &Connection, lease: &Lease, declined: bool) {
        let mut command = redis::cmd("EVAL");
        command.arg(RELEASE).arg(1).arg(self.names.lease(lease.key)).arg(&lease.token);
        command.arg(if declined { millis(DECLINED) } else { 0 });
        // What went wrong is counted, and the lease runs out by itself.
        let _ = self.send(connection, BackendOperation::Lease, &command).await;
    }

    /// Sends a command that no request waits for.
    pub(super) async fn send(
        &self,
        connection: &Connection,
        operation: BackendOperation,
        command: &Cmd,
    ) -> Result<redis::Value, BackendFailure> {
        let failure = match timeout(self.link().target().patience(), connection.query(command)).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => classify(&error),
            Err(_) => BackendFailure::Timeout,
        };
        self.metrics.failed(operation, failure);
        self.link().doubt(failure);
        Err(failure)
    }
}

/// Whole milliseconds, at least one.
pub fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1)
}
