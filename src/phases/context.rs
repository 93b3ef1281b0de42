//! What is known of one request while it is served. Data only.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use http::{HeaderValue, StatusCode};

use super::{
    api_version::RequestVersion, cache::CacheUse, graphql::GraphqlUse, inner::Inner, rejection::Rejection,
};
use crate::{
    auth::Identity,
    downstream::DeadlineHandle,
    headers::{Client, RequestId},
    rate_limit::Report,
    runtime::{
        listener::Listener,
        route::{Route, Served, Target},
        snapshot::Snapshot,
    },
    telemetry::{
        label::GrpcStatus,
        metrics::InFlight,
        reason::UpstreamFailure,
        trace::{CacheSteps, Kept, MappedBodies, RequestTrace, SpanId, TraceId},
    },
    upstream::{Attempt, Backend, Permit, Tried},
};

/// The facts of one request, each written once by the phase that finds them out.
pub struct RequestContext {
    /// When the request's head had been read.
    pub started_at: Instant,
    /// Who asks. `None` on connections without an address.
    pub client: Option<Client>,
    /// The listener it came through.
    pub listener: Option<Arc<Listener>>,
    /// The id in logs, answers and upstream requests.
    pub request_id: Option<RequestId>,
    /// The trace it belongs to. `None` when tracing is off.
    pub trace: Option<RequestTrace>,
    /// Where it leaves word for whoever made it. `None`: it is not one of our own.
    pub inner: Option<Inner>,
    /// Whether it is one of our own, which renews a stored response.
    pub revalidation: bool,
    /// Whether its answer is to explain it.
    pub explained: bool,
    /// The bodies that were mapped.
    pub mapped: Option<Arc<MappedBodies>>,
    /// What it took to find out what the cache has, for the trace.
    pub cache_steps: Option<Arc<CacheSteps>>,
    /// Whether its spans are told, once it is over.
    pub telling: Option<Telling>,
    /// The generation this request is served by.
    pub snapshot: Option<Arc<Snapshot>>,
    /// The version of the API it is for. `None` on routes without versions.
    pub version: Option<RequestVersion>,
    /// The plan, once matched.
    pub plan: Option<Plan>,
    /// Who calls. `None`: nobody that is known.
    pub identity: Option<Arc<Identity>>,
    /// What the cache has to do with it. `None`: nothing.
    pub cache: Option<Box<CacheUse>>,
    /// What GraphQL has to do with it. `None`: nothing.
    pub graphql: Option<Box<GraphqlUse>>,
    /// What the most pressing limit of the route said. `None`: no limit concerns it.
    pub rate_limit: Option<Report>,
    /// What was tried upstream.
    pub attempts: Attempts,
    /// Ends waits on the client's side. `None` for an HTTP/2 request without a body.
    pub deadline: Option<DeadlineHandle>,
    /// Bytes of the request's body seen in this attempt.
    pub body_received: u64,
    /// The refusal that ended the request, if one did.
    pub rejection: Option<Rejection>,
    /// Counts the request among those on HTTP/2 connections.
    pub stream: Option<InFlight>,
    /// Counts the connection among the tunnels.
    pub tunnel: Option<InFlight>,
    /// How the gRPC call that it is has ended, as far as is known.
    pub grpc: Option<GrpcStatus>,
}

/// Whether the spans of a finished request are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Telling {
    /// They are not.
    No,
    /// It was sampled.
    Sampled,
    /// It was not, but is worth it.
    Kept(Kept),
}

impl Telling {
    /// Whether they are.
    pub fn told(self) -> bool {
        self != Self::No
    }

    /// Why it was kept, if it was.
    pub fn kept(self) -> Option<Kept> {
        match self {
            Self::Kept(kept) => Some(kept),
            Self::No | Self::Sampled => None,
        }
    }
}

/// What routing decided.
pub struct Plan {
    /// The matched route.
    pub route: Arc<Route>,
    /// The pattern of the path that matched, such as `/patients/{id}`.
    pub pattern: String,
    /// The upstream chosen by weight. `None` when the gateway answers itself.
    pub target: Option<Arc<Target>>,
    /// Where a redirect leads. `None` also when it needs a host and the request names none.
    pub location: Option<HeaderValue>,
    /// The new path and query for the backend, when they are not those that were sent.
    pub rewritten: Option<String>,
    /// The last moment at which the request may still be going on.
    pub deadline: Option<Instant>,
    /// What consistent hashing goes by.
    pub hash: Option<u64>,
    /// Counts the request in the route's gauge.
    pub in_flight: InFlight,
}

/// What was tried upstream for one request.
#[derive(Default)]
pub struct Attempts {
    /// The leave to go to the upstream, where it serves only so many at once.
    pub permit: Option<Permit>,
    /// Whether that leave was refused.
    pub is_shed: bool,
    /// How many attempts were begun.
    pub count: u8,
    /// The backends tried before the current attempt.
    pub tried: Tried,
    /// The attempt that is about to begin, is under way or was the last.
    pub current: Current,
    /// Counts the attempt in the upstream's gauge.
    pub in_flight: Option<InFlight>,
    /// Counts the attempt among those that have a connection.
    pub connection: Option<InFlight>,
    /// The status code of the last attempt's response.
    pub status: Option<u16>,
    /// From the beginning of the last attempt to the head of its response.
    pub first_byte: Option<Duration>,
    /// Whether the last attempt used a kept-alive connection.
    pub reused: bool,
    /// The HTTP version the backend answered in.
    pub version: Option<http::Version>,
    /// Whether the whole request has been handed over.
    pub sent: bool,
    /// Why the last attempt failed.
    pub failure: Option<UpstreamFailure>,
    /// What it took to connect for the last attempt: TCP, then TLS.
    pub connect: [Option<Duration>; 2],
    /// The attempts that are over, for the trace.
    pub ended: Ended,
}

/// The attempts that are over, the last one apart: hardly any request has more, and that one
/// needs no memory of its own.
#[derive(Default)]
pub struct Ended {
    /// All but the last.
    pub earlier: Vec<EndedAttempt>,
    /// The last one.
    pub last: Option<EndedAttempt>,
}

/// An attempt that is over.
pub struct EndedAttempt {
    /// Its span.
    pub span: SpanId,
    /// The backend.
    pub backend: Arc<Backend>,
    /// When it began.
    pub started: Instant,
    /// When it was over.
    pub ended: Instant,
    /// Whether a connection was reused.
    pub reused: bool,
    /// What it took to connect: TCP, then TLS.
    pub connect: [Option<Duration>; 2],
    /// Time to the head of the response.
    pub first_byte: Option<Duration>,
    /// The status of the response.
    pub status: Option<u16>,
    /// Why it failed.
    pub failure: Option<UpstreamFailure>,
}

impl Attempts {
    /// Whether the protocol has been switched: the connection is a tunnel.
    pub fn is_tunnel(&self) -> bool {
        self.status == Some(StatusCode::SWITCHING_PROTOCOLS.as_u16())
    }
}

/// How far the current attempt is.
#[derive(Default)]
pub enum Current {
    /// There is none.
    #[default]
    None,
    /// Its backend is chosen, nothing else has happened.
    Chosen(Attempt),
    /// It has begun, and may have ended.
    Begun(Attempt),
}

impl Current {
    /// The attempt, however far it is.
    pub fn attempt(&self) -> Option<&Attempt> {
        match self {
            Self::None => None,
            Self::Chosen(attempt) | Self::Begun(attempt) => Some(attempt),
        }
    }

    /// The attempt that has begun.
    pub fn begun(&mut self) -> Option<&mut Attempt> {
        match self {
            Self::Begun(attempt) => Some(attempt),
            Self::None | Self::Chosen(_) => None,
        }
    }
}

impl RequestContext {
    /// The context of a request about which nothing is known yet.
    pub fn new() -> Self {
        Self {
            started_at: Instant::now(),
            client: None,
            listener: None,
            request_id: None,
            trace: None,
            inner: None,
            revalidation: false,
            explained: false,
            mapped: None,
            cache_steps: None,
            telling: None,
            snapshot: None,
            version: None,
            plan: None,
            identity: None,
            cache: None,
            graphql: None,
            rate_limit: None,
            attempts: Attempts::default(),
            deadline: None,
            body_received: 0,
            rejection: None,
            stream: None,
            tunnel: None,
            grpc: None,
        }
    }

    /// The id in text, empty before it is known.
    pub fn id(&self) -> &str {
        self.request_id.as_ref().map_or("", RequestId::as_str)
    }

    /// Whether the client speaks TLS.
    pub fn is_tls(&self) -> bool {
        self.listener.as_ref().is_some_and(|listener| listener.tls)
    }

    /// The trace it belongs to, if its spans are told: nobody is sent to a trace that is nowhere.
    pub fn told_trace(&self) -> Option<TraceId> {
        self.trace.as_ref().filter(|_| self.telling.is_some_and(Telling::told)).map(|trace| trace.trace)
    }

    /// The upstream this request goes to.
    pub fn target(&self) -> Option<&Arc<Target>> {
        self.plan.as_ref()?.target.as_ref()
    }

    /// How the route serves the version of the request.
    pub fn served(&self) -> Option<&Served> {
        self.plan.as_ref()?.route.served(self.version.as_ref()?.wish.version)
    }

    /// The plan, or a refusal where a phase ran before routing.
    ///
    /// # Errors
    /// [`Rejection::OutOfOrder`] if routing has not run.
    pub fn planned(&self) -> Result<&Plan, Rejection> {
        self.plan.as_ref().ok_or(Rejection::OutOfOrder)
    }
}

impl Default for RequestContext {
    fn default() -> Self {
        Self::new()
    }
}
