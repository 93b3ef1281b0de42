//! What is counted for each way of proving who one is.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use super::{
    family::Family,
    handles::Handles,
    instrument::{Counter, Gauge},
    registry::{MetricsError, Registrar},
    scope::Scope,
};
use crate::telemetry::{
    auth::{AuthError, Remembered},
    label::Outcome,
};

/// The families that have a `provider` label, and the providers in use.
pub struct AuthFamilies {
    admitted: Family<Counter>,
    refused: Family<Counter>,
    remembered: Family<Counter>,
    refreshes: Family<Counter>,
    loaded: Family<Gauge>,
    keys: Family<Gauge>,
    dropped: Family<Counter>,
    providers: Scope<AuthMetrics>,
}

impl AuthFamilies {
    /// Registers the families.
    #[rustfmt::skip]
    pub fn register(r: &Registrar<'_>) -> Result<Arc<Self>, MetricsError> {
        Ok(Arc::new(Self {
            admitted: r.counter("proxy_auth_admissions_total",
                "Requests whose credentials were accepted.", &["provider"])?,
            refused: r.counter("proxy_auth_refusals_total",
                "Requests whose credentials were not accepted; missing ones count for _none.",
                &["provider", "reason"])?,
            remembered: r.counter("proxy_auth_lookups_total",
                "Looks for credentials that were verified before.", &["provider", "result"])?,
            refreshes: r.counter("proxy_auth_key_refreshes_total",
                "Times that a set of public keys was fetched.", &["provider", "result"])?,
            loaded: r.gauge("proxy_auth_keys_loaded_timestamp_seconds",
                "When the public keys in use were last fetched, in seconds since 1970; 0 before that.",
                &["provider"])?,
            keys: r.gauge("proxy_auth_keys",
                "Keys that tokens may be signed with.", &["provider"])?,
            dropped: r.counter("proxy_auth_facts_dropped_total",
                "Facts that backends were not told because no field can hold them.", &["provider"])?,
            providers: Scope::default(),
        }))
    }

    /// The handle of a provider.
    pub fn provider(self: &Arc<Self>, name: &str) -> Arc<AuthMetrics> {
        self.providers.get(name, || AuthMetrics {
            name: name.to_owned(),
            families: Arc::clone(self),
            admitted: self.admitted.get(&[name]),
            refused: Handles::new(&self.refused, &[name]),
            remembered: Handles::new(&self.remembered, &[name]),
            refreshes: Handles::new(&self.refreshes, &[name]),
            loaded: self.loaded.get(&[name]),
            keys: self.keys.get(&[name]),
            dropped: self.dropped.get(&[name]),
        })
    }
}

/// The series of one provider. Keep it in the provider.
pub struct AuthMetrics {
    name: String,
    families: Arc<AuthFamilies>,
    admitted: Counter,
    refused: Handles<AuthError, Counter>,
    remembered: Handles<Remembered, Counter>,
    refreshes: Handles<Outcome, Counter>,
    loaded: Gauge,
    keys: Gauge,
    dropped: Counter,
}

impl AuthMetrics {
    /// Counts credentials that were accepted.
    pub fn admitted(&self) {
        self.admitted.inc();
    }

    /// Counts credentials that were not.
    pub fn refused(&self, reason: AuthError) {
        self.refused.get(reason).inc();
    }

    /// Counts a look for credentials that were verified before.
    pub fn remembered(&self, result: Remembered) {
        self.remembered.get(result).inc();
    }

    /// Counts a fact that no field can hold.
    pub fn fact_dropped(&self) {
        self.dropped.inc();
    }

    /// Counts a fetch of the keys.
    pub fn refreshed(&self, outcome: Outcome) {
        self.refreshes.get(outcome).inc();
    }

    /// Tells how many keys are in use since now.
    pub fn keys_loaded(&self, count: usize, now: SystemTime) {
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        self.loaded.set(i64::try_from(since).unwrap_or(i64::MAX));
        self.keys.set(i64::try_from(count).unwrap_or(i64::MAX));
    }
}

impl Drop for AuthMetrics {
    fn drop(&mut self) {
        let Self { name, families: all, .. } = self;
        all.providers.release(name, || {
            all.admitted.remove(0, name);
            all.refused.remove(0, name);
            all.remembered.remove(0, name);
            all.refreshes.remove(0, name);
            all.loaded.remove(0, name);
            all.keys.remove(0, name);
            all.dropped.remove(0, name);
        });
    }
}
