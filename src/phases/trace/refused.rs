//! The trace of a request that was refused before its head was understood.

use std::{
    net::IpAddr,
    time::{Instant, SystemTime},
};

use http::{Method, Version};

use super::finish::{push, telling};
use crate::{
    phases::context::Telling,
    runtime::{listener::Listener, resources::Resources},
    telemetry::{
        reason::ErrorReason,
        trace::{Ending, RequestRecord, RequestTrace, TraceId},
    },
};

/// Nothing that it said of a trace can be believed: it has one of its own.
pub struct Refused {
    trace: RequestTrace,
    telling: Option<Telling>,
}

impl Refused {
    /// The trace of a request that gets this status. `None`: there is no tracing.
    pub fn new(status: u16, started: Instant, resources: &Resources) -> Option<Self> {
        let tracing = resources.tracing.as_ref()?;
        let mut trace = RequestTrace::fresh();
        // Nobody asked for it to be sampled, so there is nobody to be limited.
        let _ = trace.sample(tracing.common.threshold, &tracing.parents, started);
        resources.metrics.traces().context(trace.format, trace.result);
        let ending = || Ending { failed: status >= 500, attempts: 0, duration: started.elapsed() };
        let tell = |spans| telling(&trace, spans, tracing.common.keep, ending, Instant::now());
        let telling = tracing.spans.as_ref().map(tell);
        Some(Self { trace, telling })
    }

    /// Its ids.
    pub fn trace(&self) -> &RequestTrace {
        &self.trace
    }

    /// The trace, if its spans are told.
    pub fn told_trace(&self) -> Option<TraceId> {
        self.telling?.told().then_some(self.trace.trace)
    }

    /// Tells its one span, if it is to be told.
    pub fn finish(
        &self,
        status: u16,
        error: ErrorReason,
        started: Instant,
        (peer, request_id): (Option<IpAddr>, &str),
        listener: &Listener,
        resources: &Resources,
    ) {
        let spans = resources.tracing.as_ref().and_then(|tracing| tracing.spans.as_ref());
        let Some((spans, telling)) = spans.zip(self.telling.filter(|it| it.told())) else { return };
        push(
            spans,
            &RequestRecord {
                trace: &self.trace,
                kept: telling.kept(),
                revalidation: false,
                inner: false,
                started,
                ended: Instant::now(),
                ended_at: SystemTime::now(),
                method: &unknown_method(),
                tls: listener.tls,
                host: "",
                path: "",
                query: None,
                pattern: None,
                route: None,
                port: Some(listener.address.port()),
                version: Version::HTTP_11,
                peer,
                client: peer,
                request_id,
                user_agent: None,
                status: Some(status),
                error: Some(error),
                upstream: None,
                graphql: None,
                api_version: None,
                attempts: &[],
                cache: None,
                mapped: &[],
            },
        );
    }
}

/// The method of a request whose head was not understood: told as `_OTHER`.
pub fn unknown_method() -> Method {
    Method::from_bytes(b"UNKNOWN").unwrap_or_default()
}
