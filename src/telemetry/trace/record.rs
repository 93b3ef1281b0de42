//! What is known of a request when it is over: plain data, borrowed from wherever it is.

use std::{
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant, SystemTime},
};

use http::{Method, Version};
use parking_lot::Mutex;

use super::{Kept, RequestTrace, SpanId};
use crate::telemetry::{
    cache::{CacheResult, RevalidationResult, Tier},
    label::label,
    reason::{ErrorReason, UpstreamFailure},
};

/// A finished request.
#[derive(Clone, Debug)]
pub struct RequestRecord<'a> {
    /// Its trace.
    pub trace: &'a RequestTrace,
    /// Why it is told although it was not sampled.
    pub kept: Option<Kept>,
    /// Whether it is one of our own, which renews a stored response.
    pub revalidation: bool,
    /// Whether it is one of our own, made for a client's.
    pub inner: bool,
    /// When its head had been read.
    pub started: Instant,
    /// When it was over.
    pub ended: Instant,
    /// The same by the clock on the wall.
    pub ended_at: SystemTime,
    /// The method as sent.
    pub method: &'a Method,
    /// Whether the client speaks TLS.
    pub tls: bool,
    /// The host as sent, with its port if it has one.
    pub host: &'a str,
    /// The path as sent.
    pub path: &'a str,
    /// The query as sent.
    pub query: Option<&'a str>,
    /// The path pattern of the route.
    pub pattern: Option<&'a str>,
    /// The name of the route.
    pub route: Option<&'a str>,
    /// The port it came in on.
    pub port: Option<u16>,
    /// The HTTP version spoken with the client.
    pub version: Version,
    /// The address of the connection's other end.
    pub peer: Option<IpAddr>,
    /// The address of the client.
    pub client: Option<IpAddr>,
    /// The id in `X-Request-Id`.
    pub request_id: &'a str,
    /// The value of `User-Agent`.
    pub user_agent: Option<&'a str>,
    /// The status sent; `None` when the client got no response.
    pub status: Option<u16>,
    /// Why it did not get the answer it asked for.
    pub error: Option<ErrorReason>,
    /// The name of the upstream.
    pub upstream: Option<&'a str>,
    /// What it is as an operation of GraphQL: what that does, and its name.
    pub graphql: Option<(&'static str, Option<&'a str>)>,
    /// The version of the API it is for.
    pub api_version: Option<&'a str>,
    /// What was tried upstream, in its order.
    pub attempts: &'a [AttemptRecord<'a>],
    /// What the cache did, on routes that have one.
    pub cache: Option<CacheRecord<'a>>,
    /// The bodies that were mapped.
    pub mapped: &'a [MappedBody],
}

/// A finished attempt.
#[derive(Clone, Debug)]
pub struct AttemptRecord<'a> {
    /// Its span, of which the backend was told.
    pub span: SpanId,
    /// When it began.
    pub started: Instant,
    /// When it was over.
    pub ended: Instant,
    /// The backend as configured.
    pub backend: &'a str,
    /// The address connected to.
    pub address: SocketAddr,
    /// Whether it is spoken to by TLS.
    pub tls: bool,
    /// Whether a connection was reused.
    pub reused: bool,
    /// Time to connect, of a new connection.
    pub connect: Option<Duration>,
    /// Time of the TLS handshake, of a new connection.
    pub handshake: Option<Duration>,
    /// Time to the head of the response.
    pub first_byte: Option<Duration>,
    /// The status of the response.
    pub status: Option<u16>,
    /// Why it failed.
    pub failure: Option<UpstreamFailure>,
}

/// What the cache did for a request.
#[derive(Clone, Copy, Debug)]
pub struct CacheRecord<'a> {
    /// The result.
    pub result: CacheResult,
    /// Where a response was found.
    pub tier: Option<Tier>,
    /// What it took to find out. Empty: it was not asked, or that took no time worth telling.
    pub steps: &'a [CacheStep],
    /// Time spent waiting for another request's fetch.
    pub waited: Option<Duration>,
    /// How a revalidation ended.
    pub revalidation: Option<RevalidationResult>,
}

label! {
    /// What one tier of the cache had.
    LookupResult {
        /// A fresh response.
        Hit = "hit",
        /// A stale response.
        Stale = "stale",
        /// Nothing.
        Miss = "miss",
        /// It could not be asked.
        Failed = "failed",
    }
}

/// A thing that the cache did for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It looked into one tier.
    Lookup(Tier, LookupResult),
    /// It asked Redis for the leave to fetch, or waited for the node that has it.
    Lease,
}

/// The same with its time.
#[derive(Clone, Copy, Debug)]
pub struct CacheStep {
    /// What it did.
    pub what: Step,
    /// When that began.
    pub started: Instant,
    /// How long it took.
    pub took: Duration,
}

/// What the cache did for a request, written down by the cache itself.
#[derive(Debug, Default)]
pub struct CacheSteps(Mutex<Vec<CacheStep>>);

impl CacheSteps {
    /// Notes a step that ends now.
    pub fn note(&self, what: Step, started: Instant) {
        self.0.lock().push(CacheStep { what, started, took: started.elapsed() });
    }

    /// What was done so far.
    pub fn list(&self) -> Vec<CacheStep> {
        self.0.lock().clone()
    }
}

/// A body on its way between two versions of the API.
#[derive(Clone, Copy, Debug)]
pub struct MappedBody {
    /// Whether it is the response's.
    pub response: bool,
    /// When it was complete.
    pub started: Instant,
    /// Time to decode and map it.
    pub took: Duration,
}

/// The bodies of a request that were mapped, written down by whoever maps them.
#[derive(Debug, Default)]
pub struct MappedBodies(Mutex<Vec<MappedBody>>);

impl MappedBodies {
    /// Does the work and notes how long it took.
    pub fn timed<T>(&self, response: bool, work: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        let done = work();
        self.0.lock().push(MappedBody { response, started, took: started.elapsed() });
        done
    }

    /// What was mapped so far.
    pub fn list(&self) -> Vec<MappedBody> {
        self.0.lock().clone()
    }
}
