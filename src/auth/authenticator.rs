//! All providers of a configuration.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use super::{AuthRule, Fetch, Provider};
use crate::{
    config::{
        auth::{AuthConfig, RouteAuthConfig},
        finding::Problem,
        path,
        values::Name,
    },
    telemetry::metrics::{AuthMetrics, Metrics},
};

/// The provider label of requests without credentials. Names of providers cannot start with `_`.
const NONE: &str = "_none";

/// The compiled `traffic.auth:` section.
pub struct Authenticator {
    providers: BTreeMap<Name, Arc<Provider>>,
    none: Arc<AuthMetrics>,
}

impl Authenticator {
    /// Compiles the section. A provider that did not change is taken over with its keys and
    /// what it remembers. `secret` is what names in logs are hashed with.
    ///
    /// # Errors
    /// All problems, with paths relative to the section.
    pub fn build(
        config: &AuthConfig,
        previous: Option<&Self>,
        secret: [u8; 32],
        metrics: &Metrics,
    ) -> Result<Self, Vec<Problem>> {
        let (mut providers, mut problems, mut sound) = (BTreeMap::new(), Vec::new(), true);
        for (name, section) in &config.providers {
            let before = previous.and_then(|previous| previous.providers.get(name));
            if let Some(same) = before.filter(|provider| provider.is_current(section)) {
                providers.insert(name.clone(), Arc::clone(same));
                continue;
            }
            let handles = metrics.auth_provider(name.as_str());
            match Provider::compile(name.as_str(), section, secret, handles) {
                Ok(provider) => drop(providers.insert(name.clone(), Arc::new(provider))),
                Err(found) => {
                    // Even if what is wrong was found elsewhere and is not said twice.
                    sound = false;
                    let at = path::key("providers", name.as_str());
                    problems.extend(found.into_iter().map(|problem| problem.within(&at)));
                }
            }
        }
        let none = metrics.auth_provider(NONE);
        if sound { Ok(Self { providers, none }) } else { Err(problems) }
    }

    /// Compiles what a route demands.
    ///
    /// # Errors
    /// All problems, with paths relative to the route's `auth`.
    pub fn rule(&self, config: &RouteAuthConfig) -> Result<AuthRule, Vec<Problem>> {
        let (mut providers, mut problems) = (Vec::new(), Vec::new());
        for (index, name) in config.with.as_slice().iter().enumerate() {
            match self.providers.get(name) {
                Some(provider) => providers.push(Arc::clone(provider)),
                None => {
                    problems
                        .push(Problem::new(config.with_path(index), format!("unknown provider `{name}`")));
                }
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        AuthRule::compile(config, providers, Arc::clone(&self.none))
    }

    /// The providers whose keys are to be looked at again.
    pub fn due(&self, now: Instant) -> impl Iterator<Item = &Arc<Provider>> {
        self.providers.values().filter(move |one| one.keys().is_some_and(|keys| keys.is_due(now)))
    }
}

impl Provider {
    /// Looks at the keys again, if it is time.
    pub async fn maintain(&self, fetch: &dyn Fetch) {
        if let Some(keys) = self.keys() {
            keys.maintain(fetch).await;
        }
    }
}
