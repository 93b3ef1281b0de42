//! Lookups: what requests wait for, and how long.

use std::{sync::Arc, time::Instant};

use futures::FutureExt;
use redis::{Cmd, Value};

use super::{Lookup, RedisTier, Tier, queue::Job};
use crate::{
    cache::key::EntryKey,
    telemetry::cache::{BackendFailure, BackendOperation},
};

impl RedisTier {
    /// Looks an entry up, within the configured time. Lookups of one key at one time share
    /// one command.
    pub async fn get(&self, key: EntryKey) -> Lookup {
        let tier = Arc::clone(&self.0);
        self.0.flights.join(key, move || async move { tier.look_up(key).await }.boxed()).await
    }
}

impl Tier {
    async fn look_up(&self, key: EntryKey) -> Lookup {
        let started = Instant::now();
        let lookup = match self.fetch(key).await {
            Ok(Some(value)) => match self.codec.decode(key, value) {
                Ok(entry) => Lookup::Found(Arc::new(entry)),
                Err(corruption) => {
                    tracing::warn!(%key, reason = %corruption, "dropped a value that is no response of ours");
                    self.metrics.corrupted(corruption);
                    self.queue.push(Job::Remove(key));
                    Lookup::Absent
                }
            },
            Ok(None) => Lookup::Absent,
            Err(reason) => Lookup::Unavailable(reason),
        };
        self.metrics.looked_up(matches!(lookup, Lookup::Found(_)), started.elapsed());
        lookup
    }

    /// The value, `None` if there is none.
    async fn fetch(&self, key: EntryKey) -> Result<Option<Vec<u8>>, BackendFailure> {
        // Not GET: whatever somebody may have put there, no more is read than we would take,
        // and one byte by which to see that it is more.
        let mut command = redis::cmd("GETRANGE");
        command.arg(self.names.entry(key)).arg(0).arg(self.codec.max_stored());
        match self.ask(BackendOperation::Get, &command).await? {
            Value::BulkString(value) => Ok((!value.is_empty()).then_some(value)),
            Value::Nil => Ok(None),
            _ => Err(self.unexpected(BackendOperation::Get)),
        }
    }

    /// Sends a command that a request waits for: within its time, and not at all while the
    /// breaker is open.
    pub(super) async fn ask(
        &self,
        operation: BackendOperation,
        command: &Cmd,
    ) -> Result<Value, BackendFailure> {
        let answer = self.redis.ask(async |connection| connection.query(command).await).await;
        answer.map_err(|failure| self.refuse(operation, failure))
    }

    /// Counts an answer that makes no sense.
    pub(super) fn unexpected(&self, operation: BackendOperation) -> BackendFailure {
        self.refuse(operation, BackendFailure::WrongType)
    }

    /// A token for a lease.
    pub(super) fn token(&self) -> String {
        self.tokens.next(self.node.as_str())
    }

    fn refuse(&self, operation: BackendOperation, failure: BackendFailure) -> BackendFailure {
        self.metrics.failed(operation, failure);
        failure
    }
}
