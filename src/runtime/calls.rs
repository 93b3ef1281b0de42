//! The gateway's own requests to its upstreams.

use async_trait::async_trait;

use super::{resources::Resources, snapshot::Snapshot};
use crate::{
    auth::{self, Fetch, Reply, Unreachable},
    upstream,
};

/// Asks the upstreams of one snapshot.
#[derive(Clone, Copy)]
pub struct Calls<'a> {
    snapshot: &'a Snapshot,
    resources: &'a Resources,
}

impl<'a> Calls<'a> {
    /// Asks those of this snapshot.
    pub fn new(snapshot: &'a Snapshot, resources: &'a Resources) -> Self {
        Self { snapshot, resources }
    }
}

#[async_trait]
impl Fetch for Calls<'_> {
    async fn fetch(&self, call: auth::Call<'_>) -> Result<Reply, Unreachable> {
        // By its name: providers outlive a snapshot, and its upstreams may be other ones then.
        let named = self.snapshot.upstreams.get(call.upstream);
        let named = named.ok_or_else(|| Unreachable(format!("there is no upstream `{}`", call.upstream)))?;
        let auth::Call { method, path, host, headers, body_max, timeout, .. } = call;
        let call = upstream::Call { method, path, host, headers, body_max, timeout };
        let answer = self.resources.caller.call(&named.upstream, &call).await;
        let upstream::Answer { status, headers, body } =
            answer.map_err(|error| Unreachable(error.to_string()))?;
        Ok(Reply { status, headers, body })
    }
}
