//! What a route demands of whoever calls.

mod forwarded;
mod requirement;
mod tally;

use std::{sync::Arc, time::SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue, header};

pub use self::tally::Refusal;
use self::{
    forwarded::Forwarded,
    requirement::Requirement,
    tally::{Pending, Tally},
};
use super::{AuthError, Fetch, Identity, Provider, credential::Place, provider::Undecided};
use crate::{
    config::{
        auth::{AuthMode, RouteAuthConfig},
        finding::Problem,
    },
    grammar::query,
    telemetry::metrics::AuthMetrics,
};

/// The compiled `auth:` section of a route.
pub struct AuthRule {
    /// In the order of `with`, those that look at the same place side by side.
    groups: Box<[Group]>,
    /// Those that are asked when nobody else finds credentials.
    askers: Box<[Arc<Provider>]>,
    reads_authorization: bool,
    mode: AuthMode,
    require: Requirement,
    forward: Forwarded,
    none: Arc<AuthMetrics>,
}

/// Providers that look at one place of a request.
type Group = Box<[Arc<Provider>]>;

/// What can be said at once.
pub enum Verdict {
    /// The request may go on, as whoever this is.
    Admitted(Option<Arc<Identity>>),
    /// It may not.
    Refused(Refusal),
    /// To be settled first.
    Undecided(Question),
}

/// What has to be found out before anything can be said.
pub struct Question {
    found: Option<Arc<Identity>>,
    pending: Vec<Pending>,
}

impl AuthRule {
    pub(super) fn compile(
        config: &RouteAuthConfig,
        providers: Vec<Arc<Provider>>,
        none: Arc<AuthMetrics>,
    ) -> Result<Self, Vec<Problem>> {
        let forward = Forwarded::compile(&config.forward)?;
        let mut groups: Vec<(Place, Vec<Arc<Provider>>)> = Vec::new();
        let mut askers = Vec::new();
        let reads_authorization = providers.iter().any(|provider| provider.place().is_in_authorization());
        for provider in providers {
            if matches!(provider.place(), Place::Fields(_)) {
                askers.push(provider);
                continue;
            }
            match groups.iter_mut().find(|(place, _)| place == provider.place()) {
                Some((_, group)) => group.push(provider),
                None => groups.push((provider.place().clone(), vec![provider])),
            }
        }
        let groups = groups.into_iter();
        Ok(Self {
            groups: groups.map(|(_, group)| group.into()).collect(),
            askers: askers.into(),
            reads_authorization,
            mode: config.mode,
            require: config.require.as_ref().map(Requirement::new).unwrap_or_default(),
            forward,
            none,
        })
    }

    /// Decides what can be decided without waiting for anything.
    pub fn judge(&self, headers: &HeaderMap, query: Option<&str>, now: SystemTime) -> Verdict {
        let mut tally = Tally::default();
        for group in &self.groups {
            self.look(group, headers, query, now, &mut tally);
        }
        if tally.is_empty() {
            // What none of the others understands may be meant for a service.
            for asker in &self.askers {
                self.look(std::slice::from_ref(asker), headers, query, now, &mut tally);
            }
        }
        if tally.is_empty() && self.reads_authorization && headers.contains_key(header::AUTHORIZATION) {
            // Credentials of a kind that nobody here reads: they are no good, and not absent.
            tally.refuse(Refusal::new(AuthError::Malformed, None));
        }
        let Tally { found, error, pending } = tally;
        match error {
            Some(refusal) => Verdict::Refused(refusal),
            None if pending.is_empty() => match self.conclude(found) {
                Ok(identity) => Verdict::Admitted(identity),
                Err(refusal) => Verdict::Refused(refusal),
            },
            None => Verdict::Undecided(Question { found, pending }),
        }
    }

    /// Looks at the one place that these providers share.
    fn look(
        &self,
        providers: &[Arc<Provider>],
        headers: &HeaderMap,
        query: Option<&str>,
        now: SystemTime,
        tally: &mut Tally,
    ) {
        let Some(first) = providers.first() else { return };
        match first.find(headers, query) {
            Ok(Some(credential)) => tally.add(providers, &credential, now),
            Ok(None) => {}
            Err(error) => tally.refuse(Refusal::new(error, Some(first))),
        }
    }

    /// Finds out what was undecided.
    ///
    /// # Errors
    /// Why the request may not go on.
    pub async fn settle(
        &self,
        question: Question,
        fetch: &dyn Fetch,
        now: SystemTime,
    ) -> Result<Option<Arc<Identity>>, Refusal> {
        let Question { mut found, pending } = question;
        for pending in pending {
            let (identity, provider) = resolve(pending, fetch, now).await?;
            found = Some(tally::agree(found, identity, &provider)?);
        }
        self.conclude(found)
    }

    fn conclude(&self, found: Option<Arc<Identity>>) -> Result<Option<Arc<Identity>>, Refusal> {
        match found {
            Some(identity) if self.require.is_met(&identity) => Ok(Some(identity)),
            Some(identity) => Err(Refusal::new(AuthError::Forbidden, self.provider_of(&identity))),
            None if self.mode == AuthMode::Optional => Ok(None),
            None => Err(Refusal::new(AuthError::Missing, None)),
        }
    }

    /// Counts a request that was admitted as this.
    pub fn count_admitted(&self, identity: &Identity) {
        if let Some(provider) = self.provider_of(identity) {
            provider.metrics().admitted();
        }
    }

    /// Counts a request that was refused.
    pub fn count_refused(&self, refusal: &Refusal) {
        let metrics = refusal.by.as_ref().map_or(&*self.none, |provider| provider.metrics());
        metrics.refused(refusal.error);
    }

    fn provider_of(&self, identity: &Identity) -> Option<&Arc<Provider>> {
        self.providers().find(|one| Arc::ptr_eq(one.name(), identity.provider()))
    }

    fn providers(&self) -> impl Iterator<Item = &Arc<Provider>> {
        self.groups.iter().flatten().chain(&self.askers)
    }

    /// A query without the credentials that may be in it, which are nobody else's business. `None`: it has none.
    pub fn without_credentials(&self, query: &str) -> Option<String> {
        let parameters = self.providers().filter_map(|provider| provider.place().parameter());
        let take_out = |left: Option<String>, name| {
            query::replace(left.as_deref().unwrap_or(query), name, None).or(left)
        };
        parameters.fold(None, take_out)
    }

    /// The values of `WWW-Authenticate` that go with a refusal.
    pub fn challenges(&self, error: AuthError) -> Vec<HeaderValue> {
        let scopes = self.require.scopes();
        let mut texts: Vec<String> =
            self.providers().filter_map(|provider| provider.challenge(error, scopes)).collect();
        texts.dedup();
        texts.iter().filter_map(|text| HeaderValue::from_str(text).ok()).collect()
    }

    /// The names of the fields that tell the backend who it is.
    pub fn forwarded_names(&self) -> impl Iterator<Item = &HeaderName> {
        self.forward.names()
    }

    /// These fields. What cannot stand in one is left out and counted.
    pub fn forwarded<'a>(
        &'a self,
        identity: &'a Identity,
    ) -> impl Iterator<Item = (&'a HeaderName, HeaderValue)> {
        self.forward.fields(identity).filter_map(|(name, value)| {
            if value.is_none()
                && let Some(provider) = self.provider_of(identity)
            {
                provider.metrics().fact_dropped();
            }
            Some((name, value?))
        })
    }

    /// What it asks for, in words.
    pub fn describe(&self) -> String {
        let names: Vec<&str> = self.providers().map(|provider| &**provider.name()).collect();
        let mode = if self.mode == AuthMode::Optional { "optional" } else { "required" };
        let mut text = format!("{mode}, by {}", names.join(" or "));
        if !self.require.is_empty() {
            text.push_str(&format!("; needs {}", self.require));
        }
        text
    }
}

/// Who admits a credential, of those who may.
async fn resolve(
    pending: Pending,
    fetch: &dyn Fetch,
    now: SystemTime,
) -> Result<(Arc<Identity>, Arc<Provider>), Refusal> {
    let Pending { candidates, credential, mut error } = pending;
    for (provider, undecided) in candidates {
        match provider.resolve(credential.clone(), undecided, fetch, now).await {
            Ok(identity) => return Ok((identity, provider)),
            Err(why) => error = Some(tally::graver(error, Refusal::new(why, Some(&provider)))),
        }
    }
    Err(error.unwrap_or_else(|| Refusal::new(AuthError::Unavailable, None)))
}

impl Question {
    /// What is to be found out, in words.
    pub fn describe(&self) -> String {
        let step = |(provider, undecided): &(Arc<Provider>, Undecided)| {
            let what = match undecided {
                Undecided::NewerKeys(_) => "fetches its keys",
                Undecided::Password => "hashes the password",
                Undecided::Service => "asks its service",
                Undecided::Refused(_) => "refuses",
            };
            format!("{} {what}", provider.name())
        };
        let steps = self.pending.iter().flat_map(|pending| pending.candidates.iter().map(step));
        steps.collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests;
