//! Where keys come from, and when they are fetched again.

mod load;

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use arc_swap::{ArcSwap, Guard};
use parking_lot::Mutex;
use rand::Rng as _;

use self::load::{fetched, file, pem};
use super::{
    AuthError,
    fetch::Fetch,
    key_set::{self, KeySet},
};
use crate::{
    config::{
        auth::{JwksConfig, KeysConfig},
        finding::Problem,
    },
    telemetry::{label::Outcome, metrics::AuthMetrics},
};

/// Time between two looks at a file.
const FILE_REFRESH: Duration = Duration::from_secs(5);
/// Time until a fetch that failed is tried again; it doubles with each failure.
const RETRY: Duration = Duration::from_secs(1);

/// The keys of one provider. The set is replaced whole, and only by one that is of use: while
/// fetches fail, the old keys stay.
pub(super) struct KeySource {
    provider: Arc<str>,
    origin: Origin,
    set: ArcSwap<KeySet>,
    state: Mutex<State>,
    /// One fetch at a time.
    turn: tokio::sync::Mutex<()>,
    metrics: Arc<AuthMetrics>,
}

enum Origin {
    /// The configuration itself. The hash notices when a file it names has changed.
    Fixed(blake3::Hash),
    File(PathBuf),
    Upstream(JwksConfig),
}

/// When to fetch.
struct State {
    due: Instant,
    failures: u32,
    /// Of what is in use.
    content: Option<blake3::Hash>,
    /// When a token of an unknown key last caused a fetch.
    asked: Option<Instant>,
}

impl KeySource {
    /// The keys of a provider; those of an upstream are still to be fetched.
    ///
    /// # Errors
    /// A key that is none. The path is relative to `keys`.
    pub fn new(
        provider: &Arc<str>,
        config: &KeysConfig,
        metrics: &Arc<AuthMetrics>,
    ) -> Result<Self, Problem> {
        let (origin, keys, content) = match config {
            KeysConfig::Secret(secret) => {
                let hash = blake3::hash(secret.expose().as_bytes());
                (Origin::Fixed(hash), vec![key_set::secret(secret.expose())], Some(hash))
            }
            KeysConfig::Pem(text) => {
                let (hash, key) = pem(text)?;
                (Origin::Fixed(hash), vec![key], Some(hash))
            }
            KeysConfig::JwksFile(path) => {
                let (hash, keys) = file(path)
                    .map_err(|why| Problem::new("jwks_file", format!("`{}` {why}", path.display())))?;
                (Origin::File(path.clone()), keys, Some(hash))
            }
            KeysConfig::Jwks(jwks) => (Origin::Upstream(jwks.clone()), Vec::new(), None),
        };
        if content.is_some() {
            metrics.keys_loaded(keys.len(), SystemTime::now());
        }
        let due =
            Instant::now() + if matches!(origin, Origin::File(_)) { FILE_REFRESH } else { Duration::ZERO };
        Ok(Self {
            provider: Arc::clone(provider),
            origin,
            set: ArcSwap::from_pointee(KeySet::new(keys, 1)),
            state: Mutex::new(State { due, failures: 0, content, asked: None }),
            turn: tokio::sync::Mutex::default(),
            metrics: Arc::clone(metrics),
        })
    }

    /// Whether the configuration still stands for the same keys.
    pub fn is_current(&self, config: &KeysConfig) -> bool {
        match (&self.origin, config) {
            (Origin::Fixed(known), KeysConfig::Pem(text)) => pem(text).is_ok_and(|(hash, _)| hash == *known),
            _ => true,
        }
    }

    /// The keys in use.
    pub fn current(&self) -> Guard<Arc<KeySet>> {
        self.set.load()
    }

    /// Whether the keys are to be looked at again.
    pub fn is_due(&self, now: Instant) -> bool {
        !matches!(self.origin, Origin::Fixed(_)) && self.state.lock().due <= now
    }

    /// Looks at the keys again, if it is time and nobody does already.
    pub async fn maintain(&self, fetch: &dyn Fetch) {
        let Ok(_turn) = self.turn.try_lock() else { return };
        if self.is_due(Instant::now()) {
            self.refresh(fetch).await;
        }
    }

    /// What to say to a token whose key is not among those of this generation: to look whether
    /// there are newer ones, or that it is not to be believed.
    ///
    /// # Errors
    /// [`AuthError::UnknownKey`], or [`AuthError::Unavailable`] while nothing is known of the keys
    /// as they are now.
    pub fn may_ask(&self, generation: u64) -> Result<(), AuthError> {
        let Origin::Upstream(jwks) = &self.origin else { return Err(AuthError::UnknownKey) };
        if self.set.load().generation != generation || self.turn.try_lock().is_err() {
            return Ok(());
        }
        let state = self.state.lock();
        match state.asked {
            Some(asked) if asked.elapsed() < jwks.cooldown.get() => Err(unknown(&state)),
            _ => Ok(()),
        }
    }

    /// Fetches the keys for a token whose key is not among those of this generation, once for
    /// all who wait for it, and not again before the cooldown is over.
    ///
    /// # Errors
    /// As [`Self::may_ask`], if there are no newer keys.
    pub async fn ask(&self, generation: u64, fetch: &dyn Fetch) -> Result<Guard<Arc<KeySet>>, AuthError> {
        let _turn = self.turn.lock().await;
        if self.set.load().generation == generation {
            let Origin::Upstream(jwks) = &self.origin else { return Err(AuthError::UnknownKey) };
            {
                let mut state = self.state.lock();
                if state.asked.is_some_and(|asked| asked.elapsed() < jwks.cooldown.get()) {
                    return Err(unknown(&state));
                }
                state.asked = Some(Instant::now());
            }
            self.refresh(fetch).await;
        }
        let now = self.set.load();
        if now.generation == generation { Err(unknown(&self.state.lock())) } else { Ok(now) }
    }

    /// To be called by whoever has the turn.
    async fn refresh(&self, fetch: &dyn Fetch) {
        let (found, period) = match &self.origin {
            Origin::Fixed(_) => return,
            Origin::File(path) => {
                let path = path.clone();
                let read = tokio::task::spawn_blocking(move || file(&path)).await;
                (read.unwrap_or_else(|error| Err(error.to_string())), FILE_REFRESH)
            }
            Origin::Upstream(jwks) => (fetched(jwks, fetch).await, jwks.refresh.get()),
        };
        let mut state = self.state.lock();
        match found {
            Ok((content, keys)) => {
                self.metrics.refreshed(Outcome::Success);
                self.metrics.keys_loaded(keys.len(), SystemTime::now());
                if state.content.replace(content) != Some(content) {
                    let generation = self.set.load().generation + 1;
                    tracing::info!(provider = %self.provider, keys = keys.len(), "keys replaced");
                    self.set.store(Arc::new(KeySet::new(keys, generation)));
                }
                state.failures = 0;
                state.due = Instant::now() + jittered(period);
            }
            Err(why) => {
                self.metrics.refreshed(Outcome::Failure);
                tracing::warn!(provider = %self.provider, "keys could not be fetched, the old ones stay: {why}");
                let wait = RETRY.saturating_mul(1 << state.failures.min(10)).min(period);
                state.failures += 1;
                state.due = Instant::now() + jittered(wait);
            }
        }
    }
}

fn unknown(state: &State) -> AuthError {
    // Whoever signs may have new keys that we cannot see.
    if state.failures > 0 || state.content.is_none() { AuthError::Unavailable } else { AuthError::UnknownKey }
}

/// Give or take a tenth, so that many nodes do not act in step.
fn jittered(period: Duration) -> Duration {
    period.mul_f64(rand::rng().random_range(0.9..1.1))
}
