//! A configured way of proving who one is.

use std::{borrow::Cow, fmt, sync::Arc, time::SystemTime};

use http::HeaderMap;

use super::{
    AuthError,
    api_keys::ApiKeys,
    basic::Users,
    credential::Place,
    fetch::Fetch,
    forward::Asker,
    identity::{Identity, Kind, Maker},
    jwt::Tokens,
    key_source::KeySource,
};
use crate::{
    config::{
        auth::{KeysConfig, ProviderConfig},
        finding::Problem,
    },
    telemetry::metrics::AuthMetrics,
};

/// One provider, compiled. Routes pin it by `Arc`.
pub struct Provider {
    name: Arc<str>,
    config: ProviderConfig,
    place: Place,
    means: Means,
    metrics: Arc<AuthMetrics>,
}

enum Means {
    Tokens(Box<Tokens>),
    ApiKeys(ApiKeys),
    Users(Users),
    Asker(Box<Asker>),
}

/// Why a provider does not admit at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Undecided {
    /// It never will.
    Refused(AuthError),
    /// There may be newer keys than those of this generation.
    NewerKeys(u64),
    /// A password is to be hashed.
    Password,
    /// A service is to be asked.
    Service,
}

/// What a request carries for a provider.
#[derive(Clone)]
pub(super) enum Credential<'r> {
    Text(Cow<'r, str>),
    Fields(HeaderMap),
}

impl Credential<'_> {
    pub fn into_owned(self) -> Credential<'static> {
        match self {
            Self::Text(text) => Credential::Text(Cow::Owned(text.into_owned())),
            Self::Fields(fields) => Credential::Fields(fields),
        }
    }
}

impl Provider {
    /// Compiles a provider; `secret` is what names in logs are hashed with.
    ///
    /// # Errors
    /// All problems, with paths relative to the provider.
    pub(super) fn compile(
        name: &str,
        config: &ProviderConfig,
        secret: [u8; 32],
        metrics: Arc<AuthMetrics>,
    ) -> Result<Self, Vec<Problem>> {
        let name: Arc<str> = name.into();
        let maker = |kind| Maker { provider: Arc::clone(&name), kind, secret };
        let within = |key: &'static str| {
            move |found: Vec<Problem>| -> Vec<Problem> {
                found.into_iter().map(|problem| problem.within(key)).collect()
            }
        };
        let (place, means) = match config {
            ProviderConfig::Jwt(section) => {
                let tokens = Tokens::compile(section, maker(Kind::Token), &metrics).map_err(within("jwt"))?;
                (Place::of_token(&section.from), Means::Tokens(Box::new(tokens)))
            }
            ProviderConfig::ApiKeys(section) => {
                let keys = ApiKeys::compile(section, &maker(Kind::ApiKey)).map_err(within("api_keys"))?;
                (Place::of_api_key(section), Means::ApiKeys(keys))
            }
            ProviderConfig::Basic(section) => {
                let users = Users::compile(section, &maker(Kind::Password), &metrics);
                (Place::Scheme("Basic"), Means::Users(users.map_err(within("basic"))?))
            }
            ProviderConfig::Forward(section) => {
                let asker = Asker::new(section, maker(Kind::Forwarded), &metrics);
                (asker.place(), Means::Asker(Box::new(asker)))
            }
        };
        Ok(Self { name, config: config.clone(), place, means, metrics })
    }

    /// Whether the configuration, and the files it names, still say the same.
    pub(super) fn is_current(&self, config: &ProviderConfig) -> bool {
        self.config == *config
            && match (&self.means, config) {
                (Means::Tokens(tokens), ProviderConfig::Jwt(jwt)) => tokens.keys().is_current(&jwt.keys),
                _ => true,
            }
    }

    /// Its name.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// What it was compiled from.
    pub fn config(&self) -> &ProviderConfig {
        &self.config
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    pub(super) fn metrics(&self) -> &AuthMetrics {
        &self.metrics
    }

    /// Where its keys come from, if they are fetched.
    pub fn fetches_keys(&self) -> bool {
        let ProviderConfig::Jwt(jwt) = &self.config else { return false };
        matches!(jwt.keys, KeysConfig::Jwks(_) | KeysConfig::JwksFile(_))
    }

    pub(super) fn keys(&self) -> Option<&KeySource> {
        match &self.means {
            Means::Tokens(tokens) => Some(tokens.keys()),
            _ => None,
        }
    }

    /// What a request carries for it.
    pub(super) fn find<'r>(
        &self,
        headers: &'r HeaderMap,
        query: Option<&'r str>,
    ) -> Result<Option<Credential<'r>>, AuthError> {
        match &self.means {
            Means::Asker(asker) => asker.fields(headers).map(|found| found.map(Credential::Fields)),
            _ => self.place.find(headers, query).map(|found| found.map(Credential::Text)),
        }
    }

    /// Decides what can be decided without waiting.
    pub(super) fn check(
        &self,
        credential: &Credential<'_>,
        now: SystemTime,
    ) -> Result<Arc<Identity>, Undecided> {
        match (&self.means, credential) {
            (Means::Tokens(tokens), Credential::Text(token)) => tokens.check(token, now),
            (Means::ApiKeys(keys), Credential::Text(key)) => keys.check(key).map_err(Undecided::Refused),
            (Means::Users(users), Credential::Text(text)) => users.check(text, now),
            (Means::Asker(asker), Credential::Fields(fields)) => asker.check(fields, now),
            _ => Err(Undecided::Refused(AuthError::Malformed)),
        }
    }

    /// Decides the rest.
    pub(super) async fn resolve(
        &self,
        credential: Credential<'static>,
        undecided: Undecided,
        fetch: &dyn Fetch,
        now: SystemTime,
    ) -> Result<Arc<Identity>, AuthError> {
        match (&self.means, credential, undecided) {
            (_, _, Undecided::Refused(error)) => Err(error),
            (Means::Tokens(tokens), Credential::Text(token), Undecided::NewerKeys(generation)) => {
                tokens.resolve(&token, generation, fetch, now).await
            }
            (Means::Users(users), Credential::Text(text), Undecided::Password) => {
                users.resolve(&text, now).await
            }
            (Means::Asker(asker), Credential::Fields(fields), Undecided::Service) => {
                asker.resolve(fields, fetch, now).await
            }
            _ => Err(AuthError::Unavailable),
        }
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider")
            .field("name", &self.name)
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}
