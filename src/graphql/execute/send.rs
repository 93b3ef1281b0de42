//! Making the calls of a level, so many at once.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures::future::join_all;
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout_at},
};

use super::{
    gather::Pending,
    level::{Answered, Run},
};
use crate::graphql::{
    call::{Answer, CacheResult, Call, CallFailure, CallRecord, Fetch},
    failure::Refusal,
    json::Json,
    schema::SourceId,
};

/// What came of a call.
struct Sent {
    result: Result<Answer, CallFailure>,
    started: Instant,
    took: Duration,
}

impl Run<'_> {
    /// Makes calls, and notes what they came to.
    pub(super) async fn send(&mut self, mut calls: Vec<Pending>, fetch: &dyn Fetch) {
        if calls.is_empty() {
            return;
        }
        if self.cx.ask.deadline <= Instant::now() {
            let refusal = Arc::new(Refusal::too_late());
            for pending in calls {
                self.answers[pending.id.0] = Answered::Refused(Arc::clone(&refusal));
            }
            return;
        }
        let requests: Vec<Call> = calls.iter_mut().map(|pending| pending.call.clone()).collect();
        let sent = self.all(requests, fetch).await;
        for (pending, sent) in calls.into_iter().zip(sent) {
            self.receive(pending, sent);
        }
    }

    /// Makes calls, no more of a source at once than it may have.
    async fn all(&self, calls: Vec<Call>, fetch: &dyn Fetch) -> Vec<Sent> {
        let mut calls = calls;
        if calls.len() == 1
            && let Some(call) = calls.pop()
        {
            return vec![self.one(call, fetch, None).await];
        }
        let mut gates: HashMap<SourceId, Semaphore> = HashMap::new();
        for call in &calls {
            let source = self.cx.schema.source(call.source);
            let at_once = source.max_concurrent.unwrap_or(self.cx.limits.concurrency).max(1);
            gates.entry(call.source).or_insert_with(|| Semaphore::new(at_once.min(Semaphore::MAX_PERMITS)));
        }
        let gates = &gates;
        join_all(calls.into_iter().map(|call| {
            let gate = gates.get(&call.source);
            self.one(call, fetch, gate)
        }))
        .await
    }

    async fn one(&self, call: Call, fetch: &dyn Fetch, gate: Option<&Semaphore>) -> Sent {
        let mut call = call;
        let last = call.deadline;
        let pass = async {
            match gate {
                // The gate is never closed.
                Some(gate) => gate.acquire().await.ok(),
                None => None,
            }
        };
        // Waiting for others counts for the operation, not for the call.
        let Ok(_permit) = timeout_at(last, pass).await else {
            return Sent { result: Err(CallFailure::Timeout), started: Instant::now(), took: Duration::ZERO };
        };
        let started = Instant::now();
        if let Some(timeout) = self.cx.schema.source(call.source).timeout {
            call.deadline = last.min(started + timeout);
        }
        let deadline = call.deadline;
        let result = timeout_at(deadline, fetch.fetch(call)).await.unwrap_or(Err(CallFailure::Timeout));
        Sent { result, started, took: started.elapsed() }
    }

    fn receive(&mut self, pending: Pending, sent: Sent) {
        let Pending { id, call, parents, invalidates } = pending;
        let (result, cache) = match &sent.result {
            Ok(answer) => (Ok(answer.status), answer.cache),
            Err(failure) => (Err(*failure), CacheResult::Bypass),
        };
        self.answers[id.0] = match sent.result {
            Ok(answer) if answer.status.is_success() => {
                self.invalidated.extend(invalidates);
                self.allowed.add(answer.reuse);
                self.read(&call.service, answer)
            }
            Ok(answer) => {
                self.allowed.add(answer.reuse);
                Answered::Refused(Arc::new(Refusal::of_answer(&call.service, &answer)))
            }
            Err(failure) => Answered::Refused(Arc::new(Refusal::of_failure(&call.service, failure))),
        };
        self.records.push(CallRecord {
            service: call.service,
            method: call.method,
            target: call.target,
            field: call.field,
            parents,
            result,
            cache,
            started: sent.started.saturating_duration_since(self.begun),
            took: sent.took,
        });
    }

    fn read(&mut self, service: &str, answer: Answer) -> Answered {
        let Some(left) = self.bytes_left.checked_sub(answer.body.len()) else {
            return Answered::Refused(Arc::new(Refusal::of_failure(service, CallFailure::TooLarge)));
        };
        self.bytes_left = left;
        if answer.body.is_empty() {
            return Answered::Nothing;
        }
        match Json::read(answer.body) {
            Ok(json) => Answered::Json(Arc::new(json)),
            Err(_) => Answered::Refused(Arc::new(Refusal::no_json(service, answer.status))),
        }
    }
}
