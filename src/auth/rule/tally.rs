//! What the credentials of one request amount to.

use std::{sync::Arc, time::SystemTime};

use crate::auth::{
    AuthError, Identity, Provider,
    provider::{Credential, Undecided},
};

/// Why a request may not go on, and who says so.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// Why.
    pub error: AuthError,
    /// `None`: nobody in particular.
    pub(super) by: Option<Arc<Provider>>,
}

impl Refusal {
    pub(super) fn new(error: AuthError, by: Option<&Arc<Provider>>) -> Self {
        Self { error, by: by.cloned() }
    }
}

/// Counts up what was found. Empty, it owns no memory.
#[derive(Default)]
pub(super) struct Tally {
    pub found: Option<Arc<Identity>>,
    /// The first: credentials that are no good are never passed over.
    pub error: Option<Refusal>,
    pub pending: Vec<Pending>,
}

/// A credential that nobody has admitted or refused yet.
pub(super) struct Pending {
    /// Those who might admit it.
    pub candidates: Vec<(Arc<Provider>, Undecided)>,
    pub credential: Credential<'static>,
    /// What those said who will not.
    pub error: Option<Refusal>,
}

impl Tally {
    pub fn is_empty(&self) -> bool {
        self.found.is_none() && self.error.is_none() && self.pending.is_empty()
    }

    /// Adds a credential that any of these may admit.
    pub fn add(&mut self, providers: &[Arc<Provider>], credential: &Credential<'_>, now: SystemTime) {
        let (mut error, mut candidates) = (None, Vec::new());
        for provider in providers {
            match provider.check(credential, now) {
                Ok(identity) => return self.admit(identity, provider),
                Err(Undecided::Refused(why)) => {
                    error = Some(graver(error, Refusal::new(why, Some(provider))))
                }
                Err(undecided) => candidates.push((Arc::clone(provider), undecided)),
            }
        }
        match error {
            _ if !candidates.is_empty() => {
                let credential = credential.clone().into_owned();
                self.pending.push(Pending { candidates, credential, error });
            }
            Some(refusal) => self.refuse(refusal),
            None => {}
        }
    }

    fn admit(&mut self, identity: Arc<Identity>, provider: &Arc<Provider>) {
        match agree(self.found.take(), identity, provider) {
            Ok(one) => self.found = Some(one),
            Err(refusal) => self.refuse(refusal),
        }
    }

    pub fn refuse(&mut self, refusal: Refusal) {
        self.error.get_or_insert(refusal);
    }
}

/// The first of two identities that are the same caller.
pub(super) fn agree(
    old: Option<Arc<Identity>>,
    new: Arc<Identity>,
    provider: &Arc<Provider>,
) -> Result<Arc<Identity>, Refusal> {
    match old {
        None => Ok(new),
        Some(old) if old.subject() == new.subject() => Ok(old),
        Some(_) => Err(Refusal::new(AuthError::Conflict, Some(provider))),
    }
}

/// The refusal that says more, where several providers refuse one credential: one that knew the
/// key, before one to which it was strange.
pub(super) fn graver(old: Option<Refusal>, new: Refusal) -> Refusal {
    match old {
        None => new,
        Some(old) if rank(old.error) >= rank(new.error) => old,
        Some(_) => new,
    }
}

fn rank(error: AuthError) -> u8 {
    match error {
        AuthError::Unavailable => 3,
        AuthError::Expired | AuthError::NotYetValid | AuthError::WrongAudience | AuthError::WrongIssuer => 2,
        AuthError::UnknownKey | AuthError::Algorithm | AuthError::BadSignature => 0,
        _ => 1,
    }
}
