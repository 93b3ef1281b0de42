//! The admin port: probes, metrics, the running configuration, reload.
//!
//! It has a listener, a thread and no route of its own in `traffic:`, so that a
//! broken configuration cannot cut off its operator.

mod cache;
mod log;
mod page;
mod refresh;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, Response, StatusCode, header};
use pingora_core::{apps::http_app::ServeHttp, protocols::http::ServerSession};
use serde_json::json;

use crate::{
    api_version::listing::listing,
    auth::has_bearer,
    config::{print, values::Secret},
    runtime::{
        reload::{Outcome, Reloader},
        resources::Resources,
        snapshot::{NamedUpstream, Snapshot},
    },
    telemetry::{label::EndpointState, log::LogHandle, metrics::open_metrics},
    upstream::Health,
};

/// Longest time an admin request may take to send a piece of its body.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of the longest body that is read.
const BODY_LIMIT: usize = 16 << 20;

/// Answers the admin port.
pub struct Admin {
    resources: Arc<Resources>,
    reloader: Arc<Reloader>,
    token: Option<Secret>,
    log: LogHandle,
}

impl Admin {
    /// An admin port over the running state; `token` opens what changes or shows it.
    pub fn new(
        resources: Arc<Resources>,
        reloader: Arc<Reloader>,
        token: Option<Secret>,
        log: LogHandle,
    ) -> Self {
        Self { resources, reloader, token, log }
    }

    /// Whether a request has what its path asks for. Probes, metrics and the page ask for nothing.
    fn may(&self, path: &str, headers: &HeaderMap) -> bool {
        match &self.token {
            Some(token) if !matches!(path, "/" | "/livez" | "/readyz" | "/metrics") => {
                has_bearer(headers, token.expose())
            }
            _ => true,
        }
    }

    async fn route(&self, method: &Method, path: &str, open: bool) -> Response<Vec<u8>> {
        let read = matches!(*method, Method::GET | Method::HEAD);
        match path {
            "/" if read => page::page(),
            "/errors" if read => page::errors(&self.resources.recent_errors),
            "/livez" if read => text(StatusCode::OK, "alive\n"),
            "/readyz" if read => self.readiness(),
            "/metrics" if read => self.metrics(open),
            "/config" if read => self.config(),
            "/versions" if read => self.versions(),
            "/reload" if *method == Method::POST => self.reload().await,
            "/log" if read => log::show(&self.log),
            "/" | "/errors" | "/livez" | "/readyz" | "/metrics" | "/config" | "/versions" => {
                not_allowed("GET, HEAD")
            }
            "/reload" => not_allowed("POST"),
            "/log" => not_allowed("GET, HEAD, PUT, DELETE"),
            _ => problem(
                StatusCode::NOT_FOUND,
                "not_found",
                "The admin port knows /, /errors, /livez, /readyz, /metrics, /config, /versions, /cache/stats, \
                 /cache/entry, POST /cache/purge, POST /reload, and GET, PUT and DELETE /log.",
            ),
        }
    }

    async fn cache(&self, method: &Method, path: &str, session: &mut ServerSession) -> Response<Vec<u8>> {
        let Some(body) = read_body(session).await else {
            return problem(
                StatusCode::PAYLOAD_TOO_LARGE,
                "body_too_large",
                "The body is too large or broke off.",
            );
        };
        let request = session.req_header();
        let query = request.uri.query().unwrap_or_default();
        let asked = cache::Asked { method, path, query, headers: &request.headers, body };
        let snapshot = self.reloader.cell().load_full();
        match cache::answer(&asked, &self.resources, &snapshot).await {
            Some(response) => response,
            None => self.route(method, path, false).await,
        }
    }

    fn readiness(&self) -> Response<Vec<u8>> {
        let snapshot = self.reloader.cell().load();
        let mut reasons = Vec::new();
        if !self.resources.lifecycle.is_ready() {
            reasons.push("starting".to_owned());
        }
        if self.resources.lifecycle.is_draining() {
            reasons.push("draining".to_owned());
        }
        for name in snapshot.unready_upstreams() {
            reasons.push(format!("upstream {name} has no healthy backend"));
        }
        let (status, word) = if reasons.is_empty() {
            (StatusCode::OK, "ready")
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, "not_ready")
        };
        json_response(
            status,
            &json!({ "status": word, "generation": snapshot.generation, "reasons": reasons }),
        )
    }

    fn metrics(&self, open: bool) -> Response<Vec<u8>> {
        let snapshot = self.reloader.cell().load();
        observe_upstreams(&snapshot);
        if let Some(versions) = &snapshot.versions {
            let sunsets = versions
                .all()
                .filter_map(|version| Some((versions.name(version), versions.life(version).sunset_time()?)));
            self.resources.metrics.api_versions().set_sunsets(sunsets);
        }
        self.resources.cache.observe();
        let limits = &self.resources.rate_limits;
        let (in_use, capacity) = (limits.buckets.in_use(), limits.buckets.capacity());
        self.resources.metrics.rate_limits().set_buckets(in_use, capacity);
        if let Some(shared) = &limits.shared {
            shared.observe();
        }
        let metrics = self.resources.metrics.process();
        metrics.set_draining(self.resources.lifecycle.is_draining());
        let certificates: Vec<(String, i64)> = self
            .resources
            .certificates
            .iter()
            .flat_map(|store| store.certificates())
            .map(|info| (info.path.display().to_string(), info.not_after))
            .collect();
        metrics.set_certificates(certificates.iter().map(|(path, expiry)| (path.as_str(), *expiry)));
        metrics.set_configured(snapshot.routes.values().count(), snapshot.upstreams.len());
        if let Some(log) = &self.resources.access_log {
            metrics.set_access_log_queue(log.waiting());
        }
        self.resources.metrics.runtime().observe();
        if open {
            return respond(StatusCode::OK, open_metrics::CONTENT_TYPE, self.resources.metrics.render_open());
        }
        let text = self.resources.metrics.render();
        respond(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", text)
    }

    fn config(&self) -> Response<Vec<u8>> {
        let text = print::print(&self.reloader.loaded());
        respond(StatusCode::OK, "application/yaml", text.into_bytes())
    }

    /// The versions of the API, and who calls those that end.
    fn versions(&self) -> Response<Vec<u8>> {
        let snapshot = self.reloader.cell().load();
        let Some(versions) = &snapshot.versions else {
            return problem(
                StatusCode::NOT_FOUND,
                "no_versions",
                "The configuration names no versions of the API.",
            );
        };
        let mut data = listing(versions, SystemTime::now());
        let callers = self.resources.metrics.api_versions().callers();
        let calls = callers.iter().map(|calls| {
            let last = UNIX_EPOCH + Duration::from_secs(calls.last);
            json!({
                "version": calls.version,
                "route": calls.route,
                "consumer": calls.consumer,
                "count": calls.count,
                "last": humantime::format_rfc3339_seconds(last).to_string(),
            })
        });
        data["calls"] = calls.collect();
        json_response(StatusCode::OK, &json!({ "success": true, "data": data }))
    }

    async fn reload(&self) -> Response<Vec<u8>> {
        let outcome = self.reloader.reload().await;
        let status = match outcome {
            Outcome::Applied { .. } | Outcome::Unchanged { .. } => StatusCode::OK,
            Outcome::NeedsRestart { .. } => StatusCode::CONFLICT,
            Outcome::Refused { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        };
        match serde_json::to_value(&outcome) {
            Ok(value) => json_response(status, &value),
            Err(error) => problem(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                &format!("cannot say what happened: {error}"),
            ),
        }
    }
}

/// Gauges that stand for state are brought up to date when somebody looks.
fn observe_upstreams(snapshot: &Snapshot) {
    let now = Instant::now();
    for NamedUpstream { upstream, metrics } in snapshot.upstreams.values() {
        let state = upstream.state(now);
        metrics.set_endpoints(state.backends.iter().map(|backend| {
            let state = match (backend.health, backend.ejected) {
                (Health::Unhealthy, _) => EndpointState::Unhealthy,
                (_, true) => EndpointState::Ejected,
                _ => EndpointState::Healthy,
            };
            (backend.name.as_str(), state)
        }));
        metrics.connections().observe();
        metrics.set_concurrency(upstream.concurrency().unwrap_or_default());
        // A name may lead to several addresses.
        let mut attempts: BTreeMap<&str, u64> = BTreeMap::new();
        for backend in &state.backends {
            *attempts.entry(&backend.name).or_default() += backend.attempts;
        }
        for (name, total) in attempts {
            metrics.set_endpoint_requests(name, total);
        }
        if let Some(breaker) = state.breaker {
            metrics.set_breaker(breaker, |state| upstream.breaker_entered(state));
        }
    }
}

#[async_trait]
impl ServeHttp for Admin {
    async fn response(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        session.set_read_timeout(Some(BODY_TIMEOUT));
        let method = session.req_header().method.clone();
        let path = session.req_header().uri.path().to_owned();
        let mut response = match (path.as_str(), &method) {
            _ if !self.may(&path, &session.req_header().headers) => unauthorized(),
            (cache, _) if cache.starts_with("/cache/") => self.cache(&method, &path, session).await,
            ("/log", &Method::PUT) => log::change(&self.log, read_body(session).await),
            ("/log", &Method::DELETE) => log::reset(&self.log),
            _ => {
                let accept = session.req_header().headers.get(header::ACCEPT).and_then(|v| v.to_str().ok());
                let open = accept.is_some_and(open_metrics::is_wanted);
                self.route(&method, &path, open).await
            }
        };
        if method == Method::HEAD {
            response.body_mut().clear();
        }
        response
    }
}

/// The whole body; `None` if it is too large or broke off.
async fn read_body(session: &mut ServerSession) -> Option<Bytes> {
    let mut body = BytesMut::new();
    while let Some(piece) = session.read_request_body().await.ok()? {
        body.extend_from_slice(&piece);
        if body.len() > BODY_LIMIT {
            return None;
        }
    }
    Some(body.freeze())
}

fn respond(status: StatusCode, content_type: &str, body: Vec<u8>) -> Response<Vec<u8>> {
    let length = body.len();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    if let Ok(content_type) = content_type.parse() {
        headers.insert(header::CONTENT_TYPE, content_type);
    }
    headers.insert(header::CONTENT_LENGTH, length.into());
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    response
}

fn text(status: StatusCode, body: &str) -> Response<Vec<u8>> {
    respond(status, "text/plain; charset=utf-8", body.as_bytes().to_vec())
}

fn json_response(status: StatusCode, value: &serde_json::Value) -> Response<Vec<u8>> {
    respond(status, "application/json", format!("{value:#}\n").into_bytes())
}

fn problem(status: StatusCode, code: &str, detail: &str) -> Response<Vec<u8>> {
    let body = json!({
        "type": format!("urn:nilegate:problem:{code}"),
        "title": status.canonical_reason().unwrap_or("Error"),
        "status": status.as_u16(),
        "code": code,
        "detail": detail,
    });
    respond(status, "application/problem+json", body.to_string().into_bytes())
}

fn unauthorized() -> Response<Vec<u8>> {
    let mut response = problem(StatusCode::UNAUTHORIZED, "unauthorized", "This needs a bearer token.");
    let challenge = header::HeaderValue::from_static("Bearer realm=\"admin\"");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    response
}

fn not_allowed(allow: &'static str) -> Response<Vec<u8>> {
    let mut response =
        problem(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "This path has other methods.");
    response.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static(allow));
    response
}
