//! The leave to fetch an entry: one node has it, the others wait for what it brings.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use redis::Value;
use tokio::time::sleep;

use super::{
    Leased, Lookup, RedisTier,
    queue::{Job, Queue},
};
use crate::{
    cache::key::EntryKey,
    redis::jittered,
    telemetry::cache::{BackendFailure, BackendOperation},
};

/// Takes the lease if nobody has it. In one piece with a look at the entry: who gets the
/// lease knows that there is none. `ARGV[3]` is how the tokens of this node begin; `ARGV[4]`
/// says that the entry is void, and in the way.
const TAKE: &str = "
if ARGV[4] == '1' then redis.call('DEL', KEYS[2]) end
if redis.call('EXISTS', KEYS[2]) == 1 then return 'stored' end
local holder = redis.call('GET', KEYS[1])
if holder == '-' then return 'declined' end
if holder and string.sub(holder, 1, #ARGV[3]) == ARGV[3] then return 'ours' end
if holder then return 'held' end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 'taken'";

/// Gives the lease back if it is still ours: removed, or marked for a while as not worth
/// waiting for.
pub const RELEASE: &str = "
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == '0' then return redis.call('DEL', KEYS[1]) end
redis.call('SET', KEYS[1], '-', 'PX', ARGV[2])
return 1";

/// How long nobody waits for an entry that could not be stored.
pub const DECLINED: Duration = Duration::from_secs(1);

const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LAST_PAUSE: Duration = Duration::from_millis(50);

/// One leave to fetch one entry.
#[derive(Clone, Debug)]
pub struct Lease {
    /// Of the entry.
    pub key: EntryKey,
    /// Tells our lease from one that was taken after it had run out.
    pub token: String,
}

/// Holds the leave to fetch an entry. Hand it to [`RedisTier::put`] with the entry; if
/// there is nothing to be stored, call [`decline`](Self::decline). Dropped, it lets the
/// next node try.
#[must_use = "dropping it lets the next node fetch"]
pub struct LeaseGuard {
    lease: Option<Lease>,
    /// When Redis forgets it.
    until: Instant,
    queue: Arc<Queue>,
}

impl LeaseGuard {
    /// Whether another node may have it by now.
    pub fn has_run_out(&self) -> bool {
        Instant::now() >= self.until
    }

    /// The response may not be stored: nobody is to wait for it, on any node.
    pub fn decline(mut self) {
        if let Some(lease) = self.lease.take() {
            self.queue.push(Job::Release { lease, declined: true });
        }
    }

    /// The lease, for somebody else to give back.
    pub(super) fn take(mut self) -> Option<Lease> {
        self.lease.take()
    }
}

impl Drop for LeaseGuard {
    fn drop(&mut self) {
        if let Some(lease) = self.lease.take() {
            self.queue.push(Job::Release { lease, declined: false });
        }
    }
}

enum Answer {
    Taken,
    Held,
    /// A request of this node has it: whoever comes later waits for that one, not for Redis.
    Ours,
    Stored,
    Declined,
}

impl RedisTier {
    /// Whether leases are configured.
    pub fn leases(&self) -> bool {
        self.0.lease.is_some()
    }

    /// For an entry that was looked up and is not there: either gives the leave to fetch it, or
    /// waits for the node that has it, until the entry is there, the other node gives up, or the
    /// configured time is over. `is_void`: it is there, but of no use any more; without a lease
    /// each node would fetch it. Without leases configured there is nothing to wait for.
    pub async fn lease(&self, key: EntryKey, mut is_void: bool) -> Leased {
        let Some(config) = &self.0.lease else { return Leased::Absent(None) };
        let deadline = Instant::now() + config.wait.get();
        let token = self.0.token();
        let mut pause = FIRST_PAUSE;
        loop {
            match self.take(key, &token, config.hold.get(), is_void).await {
                Ok(Answer::Taken) => return Leased::Absent(Some(self.guard(key, token, config.hold.get()))),
                // It may be damaged, or gone again: not worth another round.
                Ok(Answer::Stored) => return self.get(key).await.into(),
                Ok(Answer::Declined | Answer::Ours) => return Leased::Absent(None),
                Ok(Answer::Held) => {}
                Err(reason) => return Leased::Unavailable(reason),
            }
            // What comes from now on is another's fetch.
            is_void = false;
            let wait = jittered(pause);
            if Instant::now() + wait > deadline {
                return Leased::Absent(None);
            }
            sleep(wait).await;
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }

    async fn take(
        &self,
        key: EntryKey,
        token: &str,
        hold: Duration,
        is_void: bool,
    ) -> Result<Answer, BackendFailure> {
        let names = &self.0.names;
        let mut command = redis::cmd("EVAL");
        command.arg(TAKE).arg(2).arg(names.lease(key)).arg(names.entry(key));
        command.arg(token).arg(u64::try_from(hold.as_millis()).unwrap_or(u64::MAX).max(1));
        command.arg(Tokens::prefix(self.0.node.as_str())).arg(u8::from(is_void));
        let operation = BackendOperation::Lease;
        match self.0.ask(operation, &command).await? {
            Value::BulkString(answer) => match answer.as_slice() {
                b"taken" => Ok(Answer::Taken),
                b"ours" => Ok(Answer::Ours),
                b"held" => Ok(Answer::Held),
                b"stored" => Ok(Answer::Stored),
                _ => Ok(Answer::Declined),
            },
            _ => Err(self.0.unexpected(operation)),
        }
    }

    fn guard(&self, key: EntryKey, token: String, hold: Duration) -> LeaseGuard {
        LeaseGuard {
            lease: Some(Lease { key, token }),
            until: Instant::now() + hold,
            queue: Arc::clone(&self.0.queue),
        }
    }
}

/// Makes tokens that no other lease has.
#[derive(Default)]
pub struct Tokens(AtomicU64);

impl Tokens {
    /// The next one of this node.
    pub fn next(&self, node: &str) -> String {
        format!("{}{}", Self::prefix(node), self.0.fetch_add(1, Ordering::Relaxed))
    }

    /// How all tokens of this node begin.
    fn prefix(node: &str) -> String {
        format!("{node}/")
    }
}

impl From<Lookup> for Leased {
    fn from(lookup: Lookup) -> Self {
        match lookup {
            Lookup::Found(entry) => Self::Found(entry),
            Lookup::Absent => Self::Absent(None),
            Lookup::Unavailable(reason) => Self::Unavailable(reason),
        }
    }
}
