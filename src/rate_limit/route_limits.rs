//! All limits of a route together.

use std::sync::Arc;

use http::{HeaderMap, Method};

use super::{key::Caller, limit::Limit, quota::Decision, report::Report};

/// The limits that a request must keep, in the order written.
#[derive(Default)]
pub struct RouteLimits(Vec<Arc<Limit>>);

impl RouteLimits {
    /// These.
    pub fn new(limits: Vec<Arc<Limit>>) -> Self {
        Self(limits)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Charges a request to all limits that concern it, or to none.
    ///
    /// They are asked one after the other. When one refuses, what those before it had given
    /// is given back; for that moment another request may be refused that would have passed.
    ///
    /// Returns what the limit says of which the fewest requests are left; `None` when no
    /// limit concerns the request.
    ///
    /// # Errors
    /// What the limit says that refuses.
    pub fn charge(
        &self,
        method: &Method,
        headers: &HeaderMap,
        caller: &Caller<'_>,
    ) -> Result<Option<Report>, Report> {
        let mut pressing: Option<(&Arc<Limit>, u32, Decision)> = None;
        let concerned = || self.0.iter().filter(|limit| limit.concerns(method));
        for (taken, limit) in concerned().enumerate() {
            let decision = limit.take(limit.key(headers, caller));
            match decision {
                Decision::Passed { left, .. } => {
                    if pressing.is_none_or(|(_, fewest, _)| left < fewest) {
                        pressing = Some((limit, left, decision));
                    }
                }
                Decision::Refused { .. } => {
                    for before in concerned().take(taken) {
                        before.give_back(before.key(headers, caller));
                    }
                    limit.metrics().refused();
                    return Err(Report::new(limit, decision));
                }
            }
        }
        concerned().for_each(|limit| limit.metrics().passed());
        Ok(pressing.map(|(limit, _, decision)| Report::new(limit, decision)))
    }
}

#[cfg(test)]
mod tests;
