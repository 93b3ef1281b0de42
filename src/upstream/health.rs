//! Active health checks: probes, and what a backend's health becomes by them.

use std::{
    sync::atomic::{AtomicU8, AtomicU16, Ordering::Relaxed},
    time::Duration,
};

use http::{HeaderValue, Method, uri::PathAndQuery};
use pingora_core::{
    connectors::http::v2::Connector, protocols::http::client::HttpSession, upstreams::peer::HttpPeer,
};
use pingora_error::{Error, ErrorType, Result};
use pingora_http::RequestHeader;
use serde::Serialize;

use crate::config::{finding::Problem, upstream::HealthCheckConfig};

/// What probes say about a backend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Health {
    /// Not probed yet: used, on trust.
    #[default]
    Unknown,
    /// Used.
    Healthy,
    /// Not used.
    Unhealthy,
}

/// The health of one backend over time. Only one round of probes writes at a time.
#[derive(Debug, Default)]
pub(super) struct Vigil {
    health: AtomicU8,
    /// Probes in a row that contradict it.
    streak: AtomicU16,
}

impl Vigil {
    pub(super) fn health(&self) -> Health {
        match self.health.load(Relaxed) {
            1 => Health::Healthy,
            2 => Health::Unhealthy,
            _ => Health::Unknown,
        }
    }

    /// Takes a probe into account; the new health if it changed. The first
    /// probe of all decides alone, later ones by the thresholds.
    pub(super) fn observe(&self, good: bool, check: &HealthCheck) -> Option<Health> {
        let (says, threshold) = match good {
            true => (Health::Healthy, check.healthy),
            false => (Health::Unhealthy, check.unhealthy),
        };
        let health = self.health();
        let streak = if health == says { 0 } else { self.streak.load(Relaxed).saturating_add(1) };
        let changes = health != says && (health == Health::Unknown || streak >= threshold);
        self.streak.store(if changes { 0 } else { streak }, Relaxed);
        changes.then(|| {
            self.health.store(says as u8, Relaxed);
            says
        })
    }

    /// Back to trust, for when nobody probes any more.
    pub(super) fn forget(&self) {
        self.health.store(Health::Unknown as u8, Relaxed);
        self.streak.store(0, Relaxed);
    }
}

/// The compiled `health_check:` section.
#[derive(Clone, Debug)]
pub(super) struct HealthCheck {
    path: Option<PathAndQuery>,
    host: Option<HeaderValue>,
    timeout: Duration,
    healthy: u16,
    unhealthy: u16,
}

impl HealthCheck {
    pub(super) fn compile(config: &HealthCheckConfig) -> std::result::Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let path = config.path.as_deref().and_then(|path| {
            let parsed = PathAndQuery::try_from(path).ok().filter(|_| path.starts_with('/'));
            if parsed.is_none() {
                problems
                    .push(Problem::new("path", format!("`{path}` is not a path: it must begin with `/`")));
            }
            parsed
        });
        let host = config.host.as_deref().and_then(|host| {
            let parsed = http::uri::Authority::try_from(host).ok().and(HeaderValue::try_from(host).ok());
            if parsed.is_none() {
                problems.push(Problem::new("host", format!("`{host}` is not a host")));
            }
            parsed
        });
        if host.is_some() && config.path.is_none() {
            problems.push(
                Problem::new("host", "there is no request to put it in")
                    .hint("add `path:`, or remove `host:`"),
            );
        }
        if problems.is_empty() {
            let (healthy, unhealthy) = (config.healthy, config.unhealthy);
            Ok(Self { path, host, timeout: config.timeout.get(), healthy, unhealthy })
        } else {
            Err(problems)
        }
    }
}

/// Connects to backends to see whether they are well. Keeps no connection: an
/// established one hides faults that a new request would meet.
pub struct Prober {
    connector: Connector,
}

impl Default for Prober {
    fn default() -> Self {
        Self::new()
    }
}

impl Prober {
    /// A prober, for all upstreams. It reads the system's certificate authorities.
    pub fn new() -> Self {
        Self { connector: Connector::new(None) }
    }

    /// One probe, by the same peer that requests use: TLS, ALPN and all.
    pub(super) async fn probe(&self, name: &str, peer: &HttpPeer, check: &HealthCheck) -> Result<()> {
        let attempt = async {
            match &check.path {
                Some(path) => self.get(name, peer, path, check.host.as_ref()).await,
                None => self.connector.transport().new_stream(peer).await.map(drop),
            }
        };
        tokio::time::timeout(check.timeout, attempt).await.unwrap_or_else(|_| {
            Error::e_explain(ErrorType::ReadTimedout, format!("after {:?}", check.timeout))
        })
    }

    async fn get(
        &self,
        name: &str,
        peer: &HttpPeer,
        path: &PathAndQuery,
        host: Option<&HeaderValue>,
    ) -> Result<()> {
        let mut request = RequestHeader::build(Method::GET, path.as_str().as_bytes(), Some(4))?;
        match host {
            Some(host) => request.insert_header(http::header::HOST, host)?,
            None => request.insert_header(http::header::HOST, name)?,
        }
        request.insert_header(http::header::USER_AGENT, "nilegate-probe")?;
        let mut session: HttpSession<()> = self.connector.new_http_session(peer).await?;
        if matches!(session, HttpSession::H1(_)) {
            // A connection-specific field: HTTP/2 forbids it (RFC 9113 section 8.2.2).
            request.insert_header(http::header::CONNECTION, "close")?;
        }
        session.write_request_header(Box::new(request)).await?;
        session.finish_request_body().await?;
        session.read_response_header().await?;
        let status = session.response_header().map(|header| header.status);
        session.shutdown().await;
        match status {
            Some(status) if status.is_success() => Ok(()),
            Some(status) => Error::e_explain(ErrorType::HTTPStatus(status.as_u16()), "not 200 to 299"),
            None => Error::e_explain(ErrorType::InvalidHTTPHeader, "no response header"),
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
