//! A request of the gateway's own to an upstream: keys, decisions about callers.
//!
//! Such a call is an attempt like any other: the breaker is asked, a healthy backend chosen,
//! and the outcome counts for both. Its connections are not those of the proxy, which Pingora
//! keeps to itself.

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode, header};
use pingora_core::{
    connectors::http::Connector, protocols::http::client::HttpSession, upstreams::peer::HttpPeer,
};
use pingora_error::{Error, ErrorType, Result};
use pingora_http::RequestHeader;
use tokio::time::timeout;

use super::{Attempt, Failure, Outcome, Request, Stage, Tried, Unavailable, Upstream};

/// What is asked. There is no body.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    /// The method.
    pub method: Method,
    /// The path, with its query if it has one.
    pub path: &'a str,
    /// The `Host`; `None`: the backend as the configuration names it.
    pub host: Option<&'a str>,
    /// Further fields.
    pub headers: HeaderMap,
    /// Bytes of the longest body taken.
    pub body_max: usize,
    /// Longest time until the whole answer is there, over all attempts.
    pub timeout: Duration,
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: StatusCode,
    /// The fields.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallFailed {
    /// No backend may be asked.
    #[error("upstream `{upstream}` has no backend that can be asked ({why:?})")]
    Unavailable {
        /// The name of the upstream.
        upstream: Arc<str>,
        /// Why.
        why: Unavailable,
    },
    /// The time is over.
    #[error("upstream `{upstream}` did not answer within {limit:?}")]
    Timeout {
        /// The name of the upstream.
        upstream: Arc<str>,
        /// The limit.
        limit: Duration,
    },
    /// It broke off, or is not what was agreed.
    #[error("upstream `{upstream}` did not answer: {error}")]
    Broken {
        /// The name of the upstream.
        upstream: Arc<str>,
        /// What Pingora says.
        error: Box<Error>,
    },
}

/// Makes calls, with connections of its own that are kept alive.
///
/// The connector reads the system's certificate authorities, so it is made at the first call.
#[derive(Default)]
pub struct Caller(OnceLock<Connector>);

impl Caller {
    /// Asks, again if the upstream's rules allow it.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn call(
        &self,
        upstream: &Arc<Upstream>,
        call: &Call<'_>,
    ) -> std::result::Result<Answer, CallFailed> {
        timeout(call.timeout, self.attempts(upstream, call)).await.unwrap_or_else(|_| {
            Err(CallFailed::Timeout { upstream: Arc::clone(upstream.name()), limit: call.timeout })
        })
    }

    async fn attempts(
        &self,
        upstream: &Arc<Upstream>,
        call: &Call<'_>,
    ) -> std::result::Result<Answer, CallFailed> {
        let retry = upstream.retry();
        retry.deposit(Instant::now());
        let mut tried = Tried::default();
        let mut number = 1;
        loop {
            let mut attempt = upstream
                .attempt(None, &tried, Instant::now())
                .map_err(|why| CallFailed::Unavailable { upstream: Arc::clone(upstream.name()), why })?;
            // A call that is given up because its time is over has failed there.
            let mut watch = Watch { attempt: &mut attempt, done: false };
            let (stage, error) = match self.attempt(upstream, call, &watch).await {
                Ok(answer) => {
                    watch.observe(outcome_of(answer.status));
                    return Ok(answer);
                }
                Err(failed) => failed,
            };
            let failure = if stage == Stage::Connecting { Failure::Connect } else { Failure::Reset };
            watch.observe(Outcome::Failure(failure));
            drop(watch);
            let request = Request { method: &call.method, has_idempotency_key: false, body_replayable: true };
            if !retry.may_retry(request, stage, failure, number) || !retry.withdraw(Instant::now()) {
                return Err(CallFailed::Broken { upstream: Arc::clone(upstream.name()), error });
            }
            tried.add(attempt.backend());
            number = number.saturating_add(1);
        }
    }

    async fn attempt(
        &self,
        upstream: &Upstream,
        call: &Call<'_>,
        watch: &Watch<'_>,
    ) -> std::result::Result<Answer, (Stage, Box<Error>)> {
        let backend = watch.attempt.backend();
        let peer = backend.peer(&upstream.timeouts(None));
        let connector = self.0.get_or_init(|| Connector::new(None));
        loop {
            let got = connector.get_http_session(&*peer).await;
            let (mut session, reused) = got.map_err(|error| (Stage::Connecting, error))?;
            match exchange(&mut session, call, backend.name(), &peer).await {
                Ok(answer) => {
                    connector.release_http_session(session, &*peer, peer.options.idle_timeout).await;
                    return Ok(answer);
                }
                // A kept-alive connection that was closed meanwhile says nothing about the backend.
                Err(_) if reused => session.shutdown().await,
                Err(error) => {
                    session.shutdown().await;
                    return Err((Stage::Sent, error));
                }
            }
        }
    }
}

/// Reports an attempt that nobody lives to report as failed.
struct Watch<'a> {
    attempt: &'a mut Attempt,
    done: bool,
}

impl Watch<'_> {
    fn observe(&mut self, outcome: Outcome) {
        self.done = true;
        self.attempt.observe(outcome, Instant::now());
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if !self.done {
            self.observe(Outcome::Failure(Failure::Timeout));
        }
    }
}

fn outcome_of(status: StatusCode) -> Outcome {
    match status {
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
            Outcome::Failure(Failure::GatewayError)
        }
        _ => Outcome::Success,
    }
}

async fn exchange(
    session: &mut HttpSession<()>,
    call: &Call<'_>,
    backend: &str,
    peer: &HttpPeer,
) -> Result<Answer> {
    session.set_read_timeout(peer.options.read_timeout);
    session.set_write_timeout(peer.options.write_timeout);
    session.write_request_header(Box::new(request(call, backend)?)).await?;
    session.finish_request_body().await?;
    let head = loop {
        session.read_response_header().await?;
        match session.response_header() {
            Some(head) if head.status.is_informational() => {}
            Some(head) => break head.clone(),
            None => return Error::e_explain(ErrorType::InvalidHTTPHeader, "no response header"),
        }
    };
    let mut body = BytesMut::new();
    while let Some(piece) = session.read_response_body().await? {
        body.extend_from_slice(&piece);
        if body.len() > call.body_max {
            return Error::e_explain(ErrorType::new("BodyTooLarge"), format!("over {} bytes", call.body_max));
        }
    }
    Ok(Answer { status: head.status, headers: head.headers.clone(), body: body.freeze() })
}

fn request(call: &Call<'_>, backend: &str) -> Result<RequestHeader> {
    let fields = call.headers.len() + 3;
    let mut request = RequestHeader::build(call.method.clone(), call.path.as_bytes(), Some(fields))?;
    for (name, value) in &call.headers {
        request.append_header(name.clone(), value.clone())?;
    }
    request.insert_header(header::HOST, call.host.unwrap_or(backend))?;
    request.insert_header(header::USER_AGENT, "nilegate")?;
    if call.method == Method::POST {
        request.insert_header(header::CONTENT_LENGTH, "0")?;
    }
    Ok(request)
}

#[cfg(test)]
mod tests;
