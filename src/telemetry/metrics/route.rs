//! What is counted for each route.

use std::{
    iter::successors,
    sync::{Arc, OnceLock},
    time::Duration,
};

use super::{
    family::Family,
    handles::Handles,
    instrument::{BYTES, Counter, Gauge, Histogram, REQUEST},
    registry::{MetricsError, Registrar},
    scope::Scope,
};
use crate::telemetry::{
    label::{GrpcStatus, Label, MethodLabel},
    reason::{AbortPhase, ErrorReason},
    trace::TraceId,
};

/// The families that have a `route` label, and the routes in use.
pub struct RouteFamilies {
    requests: Family<Counter>,
    durations: Family<Histogram>,
    in_flight: Family<Gauge>,
    first_byte: Family<Histogram>,
    errors: Family<Counter>,
    aborts: Family<Counter>,
    request_sizes: Family<Histogram>,
    response_sizes: Family<Histogram>,
    tunnels: Family<Gauge>,
    grpc: Family<Counter>,
    routes: Scope<RouteMetrics>,
}

impl RouteFamilies {
    /// Registers the families.
    pub fn register(r: &Registrar<'_>) -> Result<Arc<Self>, MetricsError> {
        let exact = ["method", "route", "status_code"];
        Ok(Arc::new(Self {
            requests: r.counter("http_requests_total", "Requests answered.", &exact)?,
            durations: r.histogram_with_examples(
                "http_request_duration_seconds",
                "Time from the head of a request to the last byte of its response.",
                &exact,
                REQUEST,
            )?,
            in_flight: r.gauge("proxy_requests_in_flight", "Requests not yet answered.", &["route"])?,
            first_byte: r.histogram(
                "proxy_time_to_first_byte_seconds",
                "Time from the head of a request to the first byte of its response.",
                &["route"],
                REQUEST,
            )?,
            errors: r.counter(
                "proxy_request_errors_total",
                "Requests that did not get the answer they asked for.",
                &["route", "reason"],
            )?,
            aborts: r.counter(
                "proxy_client_aborts_total",
                "Requests whose client went away before the end.",
                &["route", "phase"],
            )?,
            request_sizes: r.histogram(
                "proxy_request_size_bytes",
                "Bytes of the bodies of requests.",
                &["route"],
                BYTES,
            )?,
            response_sizes: r.histogram(
                "proxy_response_size_bytes",
                "Bytes of the bodies of responses, as sent to clients.",
                &["route"],
                BYTES,
            )?,
            tunnels: r.gauge(
                "proxy_websocket_connections",
                "Connections that have become tunnels: WebSocket and other protocols.",
                &["route"],
            )?,
            grpc: r.counter(
                "proxy_grpc_responses_total",
                "gRPC calls, by how they ended.",
                &["route", "grpc_status"],
            )?,
            routes: Scope::default(),
        }))
    }

    /// The handle of a route.
    pub fn route(self: &Arc<Self>, name: &str) -> Arc<RouteMetrics> {
        self.routes.get(name, || RouteMetrics {
            name: name.to_owned(),
            families: Arc::clone(self),
            answered: std::array::from_fn(|_| OnceLock::new()),
            in_flight: self.in_flight.get(&[name]),
            first_byte: self.first_byte.get(&[name]),
            errors: Handles::new(&self.errors, &[name]),
            aborts: Handles::new(&self.aborts, &[name]),
            request_sizes: self.request_sizes.get(&[name]),
            response_sizes: self.response_sizes.get(&[name]),
            tunnels: self.tunnels.get(&[name]),
            grpc: OnceLock::new(),
        })
    }
}

/// The series of one route. Keep it in the route's plan.
pub struct RouteMetrics {
    name: String,
    families: Arc<RouteFamilies>,
    /// For each method, the statuses seen so far.
    answered: [OnceLock<Box<Answered>>; MethodLabel::ALL.len()],
    in_flight: Gauge,
    first_byte: Histogram,
    errors: Handles<ErrorReason, Counter>,
    aborts: Handles<AbortPhase, Counter>,
    request_sizes: Histogram,
    response_sizes: Histogram,
    tunnels: Gauge,
    /// Made at the first call: most routes carry none.
    grpc: OnceLock<Handles<GrpcStatus, Counter>>,
}

/// The series of one route, method and status: a list that only grows, so that
/// reading it takes neither a lock nor a reference count.
struct Answered {
    status: u16,
    requests: Counter,
    durations: Histogram,
    next: OnceLock<Box<Answered>>,
}

impl RouteMetrics {
    /// The value of the `route` label.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Counts a request as in flight until the guard is dropped.
    pub fn begin(&self) -> InFlight {
        InFlight::new(&self.in_flight)
    }

    /// Counts a request that ended with `status`, `duration` after its head arrived.
    pub fn answered(&self, method: &http::Method, status: u16, duration: Duration) {
        self.answered_in(method, status, duration, None);
    }

    /// The same for a request that may belong to a trace.
    pub fn answered_in(
        &self,
        method: &http::Method,
        status: u16,
        duration: Duration,
        trace: Option<TraceId>,
    ) {
        let method = MethodLabel::from(method);
        let first = self.answered[method.index()].get_or_init(|| self.series(method, status));
        let mut entry = first;
        while entry.status != status {
            entry = entry.next.get_or_init(|| self.series(method, status));
        }
        entry.requests.inc();
        entry.durations.observe_in(duration, trace);
    }

    /// Records the time from the head of a request to the first byte of its response.
    pub fn first_byte(&self, duration: Duration) {
        self.first_byte.observe(duration);
    }

    /// Records how large the bodies of a request and its response were.
    pub fn sizes(&self, request: u64, response: u64) {
        self.request_sizes.observe_amount(request);
        self.response_sizes.observe_amount(response);
    }

    /// Counts a tunnel until the guard is dropped.
    pub fn tunnel(&self) -> InFlight {
        InFlight::new(&self.tunnels)
    }

    /// Counts a gRPC call that has ended.
    pub fn grpc(&self, status: GrpcStatus) {
        self.grpc.get_or_init(|| Handles::new(&self.families.grpc, &[&self.name])).get(status).inc();
    }

    /// Counts a request that did not get the answer it asked for.
    pub fn error(&self, reason: ErrorReason) {
        self.errors.get(reason).inc();
    }

    /// Counts a request whose client went away.
    pub fn client_abort(&self, phase: AbortPhase) {
        self.aborts.get(phase).inc();
    }

    #[cold]
    fn series(&self, method: MethodLabel, status: u16) -> Box<Answered> {
        let mut digits = itoa::Buffer::new();
        let labels = [method.as_str(), &self.name, digits.format(status)];
        Box::new(Answered {
            status,
            requests: self.families.requests.get(&labels),
            durations: self.families.durations.get(&labels),
            next: OnceLock::new(),
        })
    }

    /// Requests answered with this method and status.
    pub fn count(&self, method: &http::Method, status: u16) -> u64 {
        let first = self.answered[MethodLabel::from(method).index()].get();
        successors(first, |entry| entry.next.get())
            .find(|entry| entry.status == status)
            .map_or(0, |entry| entry.requests.get())
    }
}

impl Drop for RouteMetrics {
    fn drop(&mut self) {
        let Self { name, families: all, .. } = self;
        all.routes.release(name, || {
            all.requests.remove(1, name);
            all.durations.remove(1, name);
            all.in_flight.remove(0, name);
            all.first_byte.remove(0, name);
            all.errors.remove(0, name);
            all.aborts.remove(0, name);
            all.request_sizes.remove(0, name);
            all.response_sizes.remove(0, name);
            all.tunnels.remove(0, name);
            all.grpc.remove(0, name);
        });
    }
}

/// Something that is going on; dropping it ends it.
#[must_use = "dropping the guard ends what it counts"]
pub struct InFlight(Gauge);

impl InFlight {
    pub(super) fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}
