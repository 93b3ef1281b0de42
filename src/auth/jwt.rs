//! Signed tokens (RFC 7519, RFC 7515).

use std::{sync::Arc, time::SystemTime};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, Validation, errors::ErrorKind};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    AuthError,
    claims::{ClaimRules, Holding},
    crypto,
    fetch::Fetch,
    identity::{Identity, Maker},
    key_set::{self, KeySet},
    key_source::KeySource,
    memo::Memo,
    provider::Undecided,
};
use crate::{
    config::{
        auth::{JwtConfig, KeysConfig},
        finding::Problem,
    },
    telemetry::{auth::Remembered, metrics::AuthMetrics},
};

/// Checks tokens of one provider.
pub(super) struct Tokens {
    keys: KeySource,
    algorithms: Box<[Algorithm]>,
    claims: ClaimRules,
    maker: Maker,
    /// What was verified, with the generation of the keys.
    memo: Memo<(Arc<Identity>, u64)>,
    metrics: Arc<AuthMetrics>,
}

/// What the header of a token must say to be looked at. Other parameters say nothing here.
#[derive(Deserialize)]
struct Head {
    alg: String,
    kid: Option<String>,
    /// Extensions that must be understood (RFC 7515 section 4.1.11): none is.
    crit: Option<Value>,
}

impl Tokens {
    /// # Errors
    /// Problems with paths relative to `jwt`.
    pub fn compile(
        config: &JwtConfig,
        maker: Maker,
        metrics: &Arc<AuthMetrics>,
    ) -> Result<Self, Vec<Problem>> {
        crypto::install();
        let keys = KeySource::new(&maker.provider, &config.keys, metrics)
            .map_err(|problem| vec![problem.within("keys")])?;
        let algorithms = algorithms(config, &keys.current())?;
        let claims = ClaimRules::new(config);
        Ok(Self { keys, algorithms, claims, maker, memo: Memo::new(), metrics: Arc::clone(metrics) })
    }

    /// Where its keys come from.
    pub fn keys(&self) -> &KeySource {
        &self.keys
    }

    /// Decides at once, unless the token's key is unknown and may be fetched.
    pub fn check(&self, token: &str, now: SystemTime) -> Result<Arc<Identity>, Undecided> {
        let keys = self.keys.current();
        let digest = self.memo.digest(token.as_bytes());
        if let Some((identity, generation)) = self.memo.get(&digest, now)
            && generation == keys.generation
        {
            self.metrics.remembered(Remembered::Hit);
            return Ok(identity);
        }
        self.metrics.remembered(Remembered::Miss);
        match self.verify(token, &keys, now) {
            Err(AuthError::UnknownKey) => {
                self.keys.may_ask(keys.generation).map_err(Undecided::Refused)?;
                Err(Undecided::NewerKeys(keys.generation))
            }
            other => other.map_err(Undecided::Refused),
        }
    }

    /// Decides with newer keys than those of this generation.
    pub async fn resolve(
        &self,
        token: &str,
        generation: u64,
        fetch: &dyn Fetch,
        now: SystemTime,
    ) -> Result<Arc<Identity>, AuthError> {
        let keys = self.keys.ask(generation, fetch).await?;
        self.verify(token, &keys, now)
    }

    fn verify(&self, token: &str, keys: &KeySet, now: SystemTime) -> Result<Arc<Identity>, AuthError> {
        let head = head(token)?;
        let algorithm: Algorithm = head.alg.parse().map_err(|_| AuthError::Algorithm)?;
        if head.crit.is_some() || !self.algorithms.contains(&algorithm) {
            return Err(AuthError::Algorithm);
        }
        let claims = signed(token, keys, head.kid.as_deref(), algorithm)?;
        let Holding { facts, until } = self.claims.judge(claims, now)?;
        let identity = self.maker.identity(facts);
        let digest = self.memo.digest(token.as_bytes());
        self.memo.insert(digest, (Arc::clone(&identity), keys.generation), until);
        Ok(identity)
    }
}

/// The algorithms accepted: those named, or else those that go with the keys.
fn algorithms(config: &JwtConfig, keys: &KeySet) -> Result<Box<[Algorithm]>, Vec<Problem>> {
    let fitting: Vec<Algorithm> = match &config.keys {
        KeysConfig::Secret(_) | KeysConfig::Pem(_) => keys.algorithms().collect(),
        // Later sets may have keys of other kinds, but never secrets.
        KeysConfig::JwksFile(_) | KeysConfig::Jwks(_) => key_set::ASYMMETRIC.to_vec(),
    };
    if config.algorithms.is_empty() {
        return Ok(fitting.into());
    }
    let named: Box<[Algorithm]> = config.algorithms.iter().map(|one| key_set::algorithm(*one)).collect();
    let unfit = named.iter().enumerate().filter(|(_, algorithm)| !fitting.contains(algorithm));
    let problems: Vec<Problem> = unfit
        .map(|(index, algorithm)| {
            let words: Vec<_> = fitting.iter().map(|one| format!("{one:?}")).collect();
            Problem::new(format!("algorithms[{index}]"), format!("the key does not go with {algorithm:?}"))
                .hint(format!("it goes with {}", words.join(", ")))
        })
        .collect();
    if problems.is_empty() { Ok(named) } else { Err(problems) }
}

/// The header of a token of three parts.
fn head(token: &str) -> Result<Head, AuthError> {
    let mut parts = token.split('.');
    let (Some(head), Some(_), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(AuthError::Malformed);
    };
    let head = BASE64_URL_SAFE_NO_PAD.decode(head).map_err(|_| AuthError::Malformed)?;
    serde_json::from_slice(&head).map_err(|_| AuthError::Malformed)
}

/// The claims of a token, if one of the keys has signed it.
fn signed(
    token: &str,
    keys: &KeySet,
    id: Option<&str>,
    algorithm: Algorithm,
) -> Result<Map<String, Value>, AuthError> {
    let candidates = keys.candidates(id, algorithm);
    if candidates.is_empty() {
        return Err(AuthError::UnknownKey);
    }
    // Dates, issuer and audience are judged by `claims`, at a time that is an argument.
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    let mut error = AuthError::BadSignature;
    for key in candidates {
        match jsonwebtoken::decode::<Map<String, Value>>(token, &key.decoding, &validation) {
            Ok(decoded) => return Ok(decoded.claims),
            Err(why) => {
                error = match why.kind() {
                    ErrorKind::InvalidSignature => AuthError::BadSignature,
                    ErrorKind::InvalidAlgorithm => AuthError::Algorithm,
                    _ => AuthError::Malformed,
                };
            }
        }
    }
    Err(error)
}

#[cfg(test)]
#[path = "jwt/tests.rs"]
mod tests;
