//! What is counted for each upstream.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{
    connections::{ConnectionFamilies, UpstreamConnections},
    family::Family,
    handles::Handles,
    instrument::{CONNECT, Counter, Gauge, Histogram, REQUEST},
    registry::{MetricsError, Registrar},
    route::InFlight,
    scope::Scope,
};
use crate::telemetry::{
    label::{BreakerState, EndpointState, Label, Outcome, ShedReason, StatusClass},
    reason::{TimeoutPhase, UpstreamFailure},
};

/// The families that have an `upstream` label, and the upstreams in use.
pub struct UpstreamFamilies {
    requests: Family<Counter>,
    durations: Family<Histogram>,
    connect: Family<Histogram>,
    tls: Family<Histogram>,
    first_byte: Family<Histogram>,
    probe_durations: Family<Histogram>,
    endpoint_requests: Family<Counter>,
    opened: Family<Counter>,
    reused: Family<Counter>,
    connections: ConnectionFamilies,
    errors: Family<Counter>,
    timeouts: Family<Counter>,
    retries: Family<Counter>,
    budget_exhausted: Family<Counter>,
    in_flight: Family<Gauge>,
    endpoint_up: Family<Gauge>,
    endpoints: Family<Gauge>,
    health_checks: Family<Counter>,
    breaker_state: Family<Gauge>,
    breaker_transitions: Family<Counter>,
    breaker_rejected: Family<Counter>,
    permits: Family<Gauge>,
    permits_taken: Family<Gauge>,
    queued: Family<Gauge>,
    queue_wait: Family<Histogram>,
    shed: Family<Counter>,
    upstreams: Scope<UpstreamMetrics>,
}

const UPSTREAM: &[&str] = &["upstream"];

impl UpstreamFamilies {
    /// Registers the families.
    #[rustfmt::skip]
    pub fn register(r: &Registrar<'_>) -> Result<Arc<Self>, MetricsError> {
        let reason = &["upstream", "reason"];
        Ok(Arc::new(Self {
            requests: r.counter("proxy_upstream_requests_total",
                "Attempts at backends.", &["upstream", "status_class"])?,
            durations: r.histogram("proxy_upstream_request_duration_seconds",
                "Time from the start of an attempt to the end of its response.", UPSTREAM, REQUEST)?,
            connect: r.histogram("proxy_upstream_connect_duration_seconds",
                "Time to open a connection to a backend, TLS included.", UPSTREAM, CONNECT)?,
            tls: r.histogram("proxy_upstream_tls_handshake_duration_seconds",
                "Time of a TLS handshake with a backend.", UPSTREAM, CONNECT)?,
            first_byte: r.histogram("proxy_upstream_time_to_first_byte_seconds",
                "Time from the start of an attempt to the head of its response.", UPSTREAM, REQUEST)?,
            probe_durations: r.histogram("proxy_health_check_duration_seconds",
                "Time of an active health check.", UPSTREAM, CONNECT)?,
            endpoint_requests: r.counter("proxy_upstream_endpoint_requests_total",
                "Attempts at a backend.", &["upstream", "endpoint"])?,
            opened: r.counter("proxy_upstream_connections_opened_total",
                "Connections opened to backends.", UPSTREAM)?,
            reused: r.counter("proxy_upstream_connections_reused_total",
                "Attempts made on a kept-alive connection.", UPSTREAM)?,
            connections: ConnectionFamilies::register(r)?,
            errors: r.counter("proxy_upstream_errors_total",
                "Attempts that failed.", reason)?,
            timeouts: r.counter("proxy_upstream_timeouts_total",
                "Attempts that failed because a wait took too long.", &["upstream", "phase"])?,
            retries: r.counter("proxy_upstream_retries_total",
                "Attempts made again, by what failed before.", reason)?,
            budget_exhausted: r.counter("proxy_upstream_retry_budget_exhausted_total",
                "Attempts not made again because the retry budget was used up.", UPSTREAM)?,
            in_flight: r.gauge("proxy_upstream_requests_in_flight",
                "Attempts not yet finished.", UPSTREAM)?,
            endpoint_up: r.gauge("proxy_upstream_endpoint_up",
                "Whether a backend may be selected: 1 or 0.", &["upstream", "endpoint"])?,
            endpoints: r.gauge("proxy_upstream_endpoints",
                "Backends by state.", &["upstream", "state"])?,
            health_checks: r.counter("proxy_health_checks_total",
                "Active health checks.", &["upstream", "result"])?,
            breaker_state: r.gauge("proxy_circuit_breaker_state",
                "State of the circuit breaker: 0 closed, 1 half open, 2 open.", UPSTREAM)?,
            breaker_transitions: r.counter("proxy_circuit_breaker_transitions_total",
                "Changes of the circuit breaker's state.", &["upstream", "to"])?,
            breaker_rejected: r.counter("proxy_circuit_breaker_rejected_total",
                "Requests refused because the circuit breaker was open.", UPSTREAM)?,
            permits: r.gauge("proxy_upstream_permits",
                "Requests that may be at the backends at once; 0: as many as come.", UPSTREAM)?,
            permits_taken: r.gauge("proxy_upstream_permits_taken",
                "Requests at the backends of an upstream that has a limit of them.", UPSTREAM)?,
            queued: r.gauge("proxy_upstream_queue_length",
                "Requests that wait to be let through to the backends.", UPSTREAM)?,
            queue_wait: r.histogram("proxy_upstream_queue_wait_seconds",
                "Time that requests waited before they were let through.", UPSTREAM, REQUEST)?,
            shed: r.counter("proxy_upstream_shed_total",
                "Requests refused because the upstream had as many as it may.", reason)?,
            upstreams: Scope::default(),
        }))
    }

    /// The handle of an upstream.
    pub fn upstream(self: &Arc<Self>, name: &str) -> Arc<UpstreamMetrics> {
        let owner = &[name];
        self.upstreams.get(name, || UpstreamMetrics {
            name: name.to_owned(),
            families: Arc::clone(self),
            requests: Handles::new(&self.requests, owner),
            durations: self.durations.get(owner),
            connect: self.connect.get(owner),
            tls: self.tls.get(owner),
            first_byte: self.first_byte.get(owner),
            probe_durations: self.probe_durations.get(owner),
            opened: self.opened.get(owner),
            reused: self.reused.get(owner),
            connections: self.connections.upstream(name),
            errors: Handles::new(&self.errors, owner),
            timeouts: Handles::new(&self.timeouts, owner),
            retries: Handles::new(&self.retries, owner),
            budget_exhausted: self.budget_exhausted.get(owner),
            in_flight: self.in_flight.get(owner),
            endpoints: Handles::new(&self.endpoints, owner),
            health_checks: Handles::new(&self.health_checks, owner),
            breaker_state: self.breaker_state.get(owner),
            breaker_transitions: Handles::new(&self.breaker_transitions, owner),
            breaker_entered: Default::default(),
            breaker_rejected: self.breaker_rejected.get(owner),
            permits: self.permits.get(owner),
            permits_taken: self.permits_taken.get(owner),
            queued: self.queued.get(owner),
            queue_wait: self.queue_wait.get(owner),
            shed: Handles::new(&self.shed, owner),
        })
    }

    fn remove(&self, name: &str) {
        self.connections.remove(name);
        let counters = [
            &self.requests,
            &self.opened,
            &self.reused,
            &self.errors,
            &self.timeouts,
            &self.retries,
            &self.budget_exhausted,
            &self.health_checks,
            &self.breaker_transitions,
            &self.breaker_rejected,
            &self.shed,
            &self.endpoint_requests,
        ];
        counters.iter().for_each(|family| family.remove(0, name));
        let gauges = [
            &self.in_flight,
            &self.endpoint_up,
            &self.endpoints,
            &self.breaker_state,
            &self.permits,
            &self.permits_taken,
            &self.queued,
        ];
        gauges.iter().for_each(|family| family.remove(0, name));
        [
            &self.durations,
            &self.connect,
            &self.queue_wait,
            &self.tls,
            &self.first_byte,
            &self.probe_durations,
        ]
        .iter()
        .for_each(|family| family.remove(0, name));
    }
}

/// The series of one upstream. Keep it in the upstream.
pub struct UpstreamMetrics {
    name: String,
    families: Arc<UpstreamFamilies>,
    requests: Handles<StatusClass, Counter>,
    durations: Histogram,
    connect: Histogram,
    tls: Histogram,
    first_byte: Histogram,
    probe_durations: Histogram,
    opened: Counter,
    reused: Counter,
    connections: UpstreamConnections,
    errors: Handles<UpstreamFailure, Counter>,
    timeouts: Handles<TimeoutPhase, Counter>,
    retries: Handles<UpstreamFailure, Counter>,
    budget_exhausted: Counter,
    in_flight: Gauge,
    endpoints: Handles<EndpointState, Gauge>,
    health_checks: Handles<Outcome, Counter>,
    breaker_state: Gauge,
    breaker_transitions: Handles<BreakerState, Counter>,
    /// The totals shown last.
    breaker_entered: [AtomicU64; 3],
    breaker_rejected: Counter,
    permits: Gauge,
    permits_taken: Gauge,
    queued: Gauge,
    queue_wait: Histogram,
    shed: Handles<ShedReason, Counter>,
}

impl UpstreamMetrics {
    /// The value of the `upstream` label.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Counts an attempt as in flight until the guard is dropped.
    pub fn begin(&self) -> InFlight {
        InFlight::new(&self.in_flight)
    }

    /// Counts a finished attempt; `status` is `None` when no response came.
    pub fn attempted(&self, status: Option<u16>, duration: Duration) {
        self.requests.get(StatusClass::from(status)).inc();
        self.durations.observe(duration);
    }

    /// Counts a connection opened, and the time it took.
    pub fn connected(&self, duration: Duration) {
        self.opened.inc();
        self.connect.observe(duration);
    }

    /// Records the time of a TLS handshake.
    pub fn handshake(&self, duration: Duration) {
        self.tls.observe(duration);
    }

    /// Records the time from the start of an attempt to the head of its response.
    pub fn first_byte(&self, duration: Duration) {
        self.first_byte.observe(duration);
    }

    /// Records the times of active health checks.
    pub fn probes_took(&self, durations: &[Duration]) {
        durations.iter().for_each(|&duration| self.probe_durations.observe(duration));
    }

    /// Shows how often a backend has been tried so far. Called before a scrape.
    pub fn set_endpoint_requests(&self, endpoint: &str, total: u64) {
        self.families.endpoint_requests.get(&[&self.name, endpoint]).show(total);
    }

    /// Counts an attempt made on a kept-alive connection.
    pub fn reused(&self) {
        self.reused.inc();
    }

    /// The connections to its backends.
    pub fn connections(&self) -> &UpstreamConnections {
        &self.connections
    }

    /// Counts an attempt that failed.
    pub fn failure(&self, failure: UpstreamFailure) {
        self.errors.get(failure).inc();
    }

    /// Counts a wait that took too long; count the failure as well.
    pub fn timeout(&self, phase: TimeoutPhase) {
        self.timeouts.get(phase).inc();
    }

    /// Counts a further attempt, made because the one before failed.
    pub fn retry(&self, after: UpstreamFailure) {
        self.retries.get(after).inc();
    }

    /// Counts an attempt not made again because the retry budget was used up.
    pub fn retry_budget_exhausted(&self) {
        self.budget_exhausted.inc();
    }

    /// Counts active health checks.
    pub fn health_checks(&self, outcome: Outcome, count: usize) {
        self.health_checks.get(outcome).add(count as u64);
    }

    /// Shows the circuit breaker: its state, and how often it has entered each one so
    /// far. Called before a scrape. A total that shrank belongs to a new breaker.
    pub fn set_breaker(&self, state: BreakerState, entered: impl Fn(BreakerState) -> u64) {
        self.breaker_state.set(state.index() as i64);
        for (&to, last) in BreakerState::ALL.iter().zip(&self.breaker_entered) {
            let total = entered(to);
            let before = last.swap(total, Ordering::Relaxed);
            self.breaker_transitions.get(to).add(total.checked_sub(before).unwrap_or(total));
        }
    }

    /// Counts a request refused because the circuit breaker was open.
    pub fn breaker_rejected(&self) {
        self.breaker_rejected.inc();
    }

    /// Records the time that a request waited before it was let through.
    pub fn queue_waited(&self, time: Duration) {
        self.queue_wait.observe(time);
    }

    /// Counts a request that was not let through.
    pub fn shed(&self, reason: ShedReason) {
        self.shed.get(reason).inc();
    }

    /// Shows how many requests may be at the backends, are there, and wait: called before a scrape.
    pub fn set_concurrency(&self, (limit, in_flight, waiting): (u32, u32, u32)) {
        self.permits.set(limit.into());
        self.permits_taken.set(in_flight.into());
        self.queued.set(waiting.into());
    }

    /// Shows the backends as they are now: called before a scrape, with all of them.
    /// Backends not named any more lose their series.
    pub fn set_endpoints<'a>(&self, endpoints: impl IntoIterator<Item = (&'a str, EndpointState)>) {
        let mut counts = vec![0; EndpointState::ALL.len()];
        let mut known: Vec<&str> = Vec::new();
        for (endpoint, state) in endpoints {
            let up = state == EndpointState::Healthy;
            self.families.endpoint_up.get(&[&self.name, endpoint]).set(i64::from(up));
            counts[state.index()] += 1;
            known.push(endpoint);
        }
        for (&state, &count) in EndpointState::ALL.iter().zip(&counts) {
            self.endpoints.get(state).set(count);
        }
        let keep = |labels: &[String]| match labels {
            [upstream, endpoint] => *upstream != self.name || known.contains(&endpoint.as_str()),
            _ => true,
        };
        self.families.endpoint_up.retain(keep);
        self.families.endpoint_requests.retain(keep);
    }
}

impl Drop for UpstreamMetrics {
    fn drop(&mut self) {
        let families = &self.families;
        families.upstreams.release(&self.name, || families.remove(&self.name));
    }
}
