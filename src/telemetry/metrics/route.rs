//! What is counted for each route.

use std::{
    iter::successors,
    sync::{Arc, OnceLock},
    time::Duration,
};

use super::{
    family::Family,
    handles::Handles,
    instrument::{Counter, Gauge, Histogram, REQUEST},
    registry::{MetricsError, Registrar},
    scope::Scope,
};
use crate::telemetry::{
    label::{Label, MethodLabel},
    reason::{AbortPhase, ErrorReason},
};

/// The families that have a `route` label, and the routes in use.
pub struct RouteFamilies {
    requests: Family<Counter>,
    durations: Family<Histogram>,
    in_flight: Family<Gauge>,
    first_byte: Family<Histogram>,
    errors: Family<Counter>,
    aborts: Family<Counter>,
    routes: Scope<RouteMetrics>,
}

impl RouteFamilies {
    /// Registers the families.
    pub fn register(r: &Registrar<'_>) -> Result<Arc<Self>, MetricsError> {
        let exact = ["method", "route", "status_code"];
        Ok(Arc::new(Self {
            requests: r.counter("http_requests_total", "Requests answered.", &exact)?,
            durations: r.histogram(
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
        let method = MethodLabel::from(method);
        let first = self.answered[method.index()].get_or_init(|| self.series(method, status));
        let mut entry = first;
        while entry.status != status {
            entry = entry.next.get_or_init(|| self.series(method, status));
        }
        entry.requests.inc();
        entry.durations.observe(duration);
    }

    /// Records the time from the head of a request to the first byte of its response.
    pub fn first_byte(&self, duration: Duration) {
        self.first_byte.observe(duration);
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
