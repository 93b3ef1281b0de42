//! A service that is asked who it is.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use http::{HeaderMap, HeaderName, Method, StatusCode};
use serde_json::Value;

use super::{
    AuthError,
    credential::{CREDENTIAL_MAX, Place},
    fetch::{Call, Fetch, Reply},
    identity::{Facts, Identity, Maker, split},
    memo::{Digest, Known, Memo},
    provider::Undecided,
};
use crate::{
    config::auth::ForwardAuthConfig,
    telemetry::{auth::Remembered, metrics::AuthMetrics},
};

/// Bytes of the answer's body, which says nothing.
const BODY_MAX: usize = 64 * 1024;
/// How long a refusal is remembered at most: whoever gets leave wants it soon.
const REFUSAL_REMEMBERED: Duration = Duration::from_secs(1);

/// Asks for one provider.
pub(super) struct Asker {
    config: ForwardAuthConfig,
    method: Method,
    send: Box<[HeaderName]>,
    maker: Maker,
    memo: Memo<Decision>,
    metrics: Arc<AuthMetrics>,
}

/// What the service said.
#[derive(Clone)]
struct Decision {
    result: Result<Arc<Identity>, AuthError>,
    /// When it said so, for those who waited for that.
    answered: Instant,
}

impl Asker {
    pub fn new(config: &ForwardAuthConfig, maker: Maker, metrics: &Arc<AuthMetrics>) -> Self {
        // Names and methods that are none have been reported.
        let send = config.send.iter().filter_map(|name| HeaderName::from_bytes(name.as_bytes()).ok());
        Self {
            method: config.method.parse().unwrap_or_default(),
            send: send.collect(),
            config: config.clone(),
            maker,
            memo: Memo::new(),
            metrics: Arc::clone(metrics),
        }
    }

    /// Where it finds credentials.
    pub fn place(&self) -> Place {
        Place::Fields(self.send.clone())
    }

    /// The fields that are sent; `None` if the request has none of them.
    ///
    /// # Errors
    /// Fields that are too large together.
    pub fn fields(&self, headers: &HeaderMap) -> Result<Option<HeaderMap>, AuthError> {
        let (mut fields, mut bytes) = (HeaderMap::new(), 0);
        for name in &self.send {
            for value in headers.get_all(name) {
                bytes += value.len();
                fields.append(name, value.clone());
            }
        }
        match (fields.is_empty(), bytes > CREDENTIAL_MAX) {
            (true, _) => Ok(None),
            (false, true) => Err(AuthError::TooLarge),
            (false, false) => Ok(Some(fields)),
        }
    }

    /// Decides at once if the service was asked a short time ago.
    pub fn check(&self, fields: &HeaderMap, now: SystemTime) -> Result<Arc<Identity>, Undecided> {
        let known = self.memo.get(&self.digest(fields), now);
        self.metrics.remembered(if known.is_some() { Remembered::Hit } else { Remembered::Miss });
        match known {
            Some(decision) => decision.result.map_err(Undecided::Refused),
            None => Err(Undecided::Service),
        }
    }

    /// Decides by asking, once for all who wait with the same credentials.
    pub async fn resolve(
        &self,
        fields: HeaderMap,
        fetch: &dyn Fetch,
        now: SystemTime,
    ) -> Result<Arc<Identity>, AuthError> {
        if self.config.cache.get().is_zero() {
            return self.ask(fields, fetch).await;
        }
        let (digest, began) = (self.digest(&fields), Instant::now());
        loop {
            match self.memo.entries().get_value_or_guard_async(&digest).await {
                Ok(known) if now < known.until || known.value.answered >= began => return known.value.result,
                Ok(_) => {
                    // It is over, unless somebody else has asked again meanwhile.
                    self.memo.entries().remove_if(&digest, |known| known.value.answered < began);
                }
                Err(guard) => {
                    let result = self.ask(fields, fetch).await;
                    let until = now + self.remembered(&result);
                    let decision = Decision { result: result.clone(), answered: Instant::now() };
                    // Replaced meanwhile: whoever did that has asked later.
                    let _ = guard.insert(Known { value: decision, until });
                    return result;
                }
            }
        }
    }

    /// How long an answer is remembered. What is no answer is for those who waited alone.
    fn remembered(&self, result: &Result<Arc<Identity>, AuthError>) -> Duration {
        let limit = self.config.cache.get();
        match result {
            Ok(_) => limit,
            Err(AuthError::Unavailable) => Duration::ZERO,
            Err(_) => limit.min(REFUSAL_REMEMBERED),
        }
    }

    fn digest(&self, fields: &HeaderMap) -> Digest {
        let lines = fields.iter().flat_map(|(name, value)| [name.as_str().as_bytes(), value.as_bytes()]);
        self.memo.digest_of(lines)
    }

    async fn ask(&self, headers: HeaderMap, fetch: &dyn Fetch) -> Result<Arc<Identity>, AuthError> {
        let call = Call {
            upstream: self.config.upstream.as_str(),
            method: self.method.clone(),
            path: &self.config.path,
            host: self.config.host.as_deref(),
            headers,
            body_max: BODY_MAX,
            timeout: self.config.timeout.get(),
        };
        let provider = &self.maker.provider;
        let reply = fetch.fetch(call).await.map_err(|error| {
            tracing::warn!(%provider, "nobody could be asked: {error}");
            AuthError::Unavailable
        })?;
        match reply.status {
            status if status.is_success() => self.identity(&reply).ok_or_else(|| {
                let field = &self.config.identity.subject;
                tracing::warn!(%provider, field, "an admission does not say who it is");
                AuthError::Unavailable
            }),
            StatusCode::UNAUTHORIZED => Err(AuthError::Refused),
            StatusCode::FORBIDDEN => Err(AuthError::Forbidden),
            status => {
                tracing::warn!(%provider, status = status.as_u16(), "neither an admission nor a refusal");
                Err(AuthError::Unavailable)
            }
        }
    }

    fn identity(&self, reply: &Reply) -> Option<Arc<Identity>> {
        let names = &self.config.identity;
        let field = |name: &str| reply.headers.get(name)?.to_str().ok().filter(|text| !text.is_empty());
        let list = |name: &Option<String>| name.as_deref().and_then(field).map(split).unwrap_or_default();
        let claims = names.claims.iter();
        let claims = claims.filter_map(|(claim, name)| Some((claim.clone(), Value::from(field(name)?))));
        Some(self.maker.identity(Facts {
            subject: field(&names.subject)?.into(),
            scopes: list(&names.scopes),
            roles: list(&names.roles),
            claims: claims.collect(),
            expires_at: None,
        }))
    }
}

#[cfg(test)]
#[path = "forward/tests.rs"]
mod tests;
