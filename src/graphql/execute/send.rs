//! Making the calls of a level, so many at once.

use std::{
    collections::HashMap,
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use futures::future::join_all;
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep_until, timeout_at},
};

use super::{
    gather::Pending,
    level::{Answered, Run},
};
use crate::graphql::{
    call::{Answer, CacheResult, Call, CallFailure, CallRecord, Fetch},
    failure::Refusal,
    schema::SourceId,
};

/// What came of a call.
struct Sent {
    result: Result<Answer, CallFailure>,
    started: Instant,
    took: Duration,
}

/// The result of a call, or a timeout. The timer is set only if there is something to wait for:
/// what is in memory is there at once.
async fn within<F>(deadline: Instant, mut call: Pin<Box<F>>) -> Result<Answer, CallFailure>
where
    F: Future<Output = Result<Answer, CallFailure>> + ?Sized,
{
    let mut timer = None;
    poll_fn(|cx| {
        if let Poll::Ready(result) = call.as_mut().poll(cx) {
            return Poll::Ready(result);
        }
        let timer = timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        timer.as_mut().poll(cx).map(|()| Err(CallFailure::Timeout))
    })
    .await
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
        // Waiting for others counts for the operation, not for the call.
        let _permit = match gate {
            None => None,
            Some(gate) => match timeout_at(last, gate.acquire()).await {
                Ok(permit) => permit.ok(),
                Err(_) => {
                    let started = Instant::now();
                    return Sent { result: Err(CallFailure::Timeout), started, took: Duration::ZERO };
                }
            },
        };
        let started = Instant::now();
        if let Some(timeout) = self.cx.schema.source(call.source).timeout {
            call.deadline = last.min(started + timeout);
        }
        let deadline = call.deadline;
        let result = within(deadline, fetch.fetch(call)).await;
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
        match self.read_before.read(&answer) {
            Ok(json) => Answered::Json(json),
            Err(_) => Answered::Refused(Arc::new(Refusal::no_json(service, answer.status))),
        }
    }
}
