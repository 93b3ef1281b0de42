//! Which nodes there are, and how far each has come in the stream of invalidations.

use std::{
    fmt,
    time::{Duration, Instant},
};

use rand::Rng;
use redis::Value;
use tokio::time::sleep;

use super::{RedisTier, Tier, follow::time, invalidation::StreamId};
use crate::{
    cache::entry::Stamp,
    telemetry::cache::{BackendFailure, BackendOperation},
};

/// A node that was not heard of for so long does not count.
const ALIVE: Duration = Duration::from_secs(10);
/// A node that was not heard of for so long is taken from the list, milliseconds.
const FORGOTTEN: u64 = 3_600_000;
/// Life of the list after the last heartbeat, milliseconds.
const LIFE: u64 = 24 * 3_600_000;

const FIRST_PAUSE: Duration = Duration::from_millis(3);
const LAST_PAUSE: Duration = Duration::from_millis(50);

/// Each node has a line: where it stands, and when it said so. `PEXPIRE` comes first, so that
/// a full Redis takes it. One beat in 64, by the microseconds of the clock, takes the forgotten
/// off: among a thousand nodes that takes Redis a millisecond, and the beat alone a hundredth.
const BEAT: &str = "
redis.call('PEXPIRE', KEYS[1], ARGV[4])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. '@' .. string.format('%.0f', now))
redis.call('PEXPIRE', KEYS[1], ARGV[4])
if time[2] % 64 ~= 0 then return 1 end
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local said = tonumber(string.match(all[i + 1], '@(%d+)$') or '0')
  if now - said > tonumber(ARGV[3]) then redis.call('HDEL', KEYS[1], all[i]) end
end
return 1";

const LIST: &str = "return {redis.call('TIME'), redis.call('HGETALL', KEYS[1])}";

/// The name of a node among those that share the tier.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(String);

impl NodeId {
    /// A name that nobody else has, with something in front that people know it by.
    pub fn unique(label: &str) -> Self {
        Self(format!("{label}-{:08x}", rand::rng().random::<u32>()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which nodes have applied a record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Confirmation {
    /// Those that have.
    pub confirmed: Vec<NodeId>,
    /// Those that have not yet. They will, or forget what they hold.
    pub pending: Vec<NodeId>,
}

impl RedisTier {
    /// Waits until every living node has applied the record at `id`, but no longer than
    /// `wait`, and says which have.
    ///
    /// # Errors
    /// Why Redis cannot be asked.
    pub async fn confirmed(&self, id: StreamId, wait: Duration) -> Result<Confirmation, BackendFailure> {
        let deadline = Instant::now() + wait;
        let mut pause = FIRST_PAUSE;
        loop {
            let mut so_far = Confirmation::default();
            for (node, applied) in self.0.nodes().await? {
                if applied >= id { so_far.confirmed.push(node) } else { so_far.pending.push(node) }
            }
            if so_far.pending.is_empty() || Instant::now() + pause > deadline {
                return Ok(so_far);
            }
            sleep(pause).await;
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }

    /// Takes this node from the list, so that nobody waits for it: call it at the end.
    pub async fn leave(&self) {
        let mut command = redis::cmd("HDEL");
        command.arg(self.0.names.nodes()).arg(self.0.node.as_str());
        // What went wrong is counted, and the others find out by themselves.
        let _ = self.0.tell(BackendOperation::Nodes, &command).await;
    }
}

impl Tier {
    /// Says that this node lives and how far it has come.
    pub(super) async fn beat(&self, applied: StreamId) -> Result<(), BackendFailure> {
        let mut command = redis::cmd("EVAL");
        command.arg(BEAT).arg(1).arg(self.names.nodes());
        command.arg(self.node.as_str()).arg(applied.to_string()).arg(FORGOTTEN).arg(LIFE);
        self.tell(BackendOperation::Nodes, &command).await.map(drop)
    }

    /// The living nodes and how far each has come.
    async fn nodes(&self) -> Result<Vec<(NodeId, StreamId)>, BackendFailure> {
        let mut command = redis::cmd("EVAL");
        command.arg(LIST).arg(1).arg(self.names.nodes());
        let answer = self.tell(BackendOperation::Nodes, &command).await?;
        living(&answer).ok_or_else(|| self.unexpected(BackendOperation::Nodes))
    }
}

fn living(answer: &Value) -> Option<Vec<(NodeId, StreamId)>> {
    let Value::Array(parts) = answer else { return None };
    let [now, Value::Array(lines)] = parts.as_slice() else { return None };
    let now = time(now)?;
    let text = |value: &Value| match value {
        Value::BulkString(text) => String::from_utf8(text.clone()).ok(),
        _ => None,
    };
    let (pairs, _) = lines.as_chunks::<2>();
    let node = |[name, line]: &[Value; 2]| {
        let line = text(line)?;
        let (applied, said) = line.split_once('@')?;
        let said = Stamp(said.parse().ok()?);
        let is_alive = now.since(said) <= ALIVE;
        is_alive.then_some((NodeId(text(name)?), applied.parse().ok()?))
    };
    // A line that makes no sense is that of no node of ours.
    let mut nodes: Vec<_> = pairs.iter().filter_map(node).collect();
    nodes.sort_unstable();
    Some(nodes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_living_nodes_count() {
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let lines = ["b", "5-1@99000", "a", "7-0@95000", "dead", "9-9@1000", "odd", "?", "odd2", "1-1@x"];
        let lines = lines.iter().map(|line| text(line)).collect();
        let now = Value::Array(vec![text("100"), text("0")]);
        let nodes = living(&Value::Array(vec![now, Value::Array(lines)])).unwrap();
        let shown: Vec<_> = nodes.iter().map(|(node, id)| format!("{node} {id}")).collect();
        assert_eq!(shown, ["a 7-0", "b 5-1"]);
        assert!(living(&Value::Nil).is_none());
    }

    #[test]
    fn no_two_nodes_share_a_name() {
        let (one, other) = (NodeId::unique("gate"), NodeId::unique("gate"));
        assert_ne!(one, other);
        assert!(one.as_str().starts_with("gate-"));
    }
}
