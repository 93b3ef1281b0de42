//! All limits of a route together.

use std::sync::Arc;

use http::{HeaderMap, Method};

use super::{
    key::{BucketKey, Caller},
    limit::{Bucket, Limit},
    quota::Decision,
    report::Report,
};

/// The limits that a request must keep: first those of this node, then those that are shared,
/// each in the order written.
#[derive(Default)]
pub struct RouteLimits {
    limits: Vec<Arc<Limit>>,
    /// How many of them are those of this node.
    own: usize,
}

/// What has become of a charge.
pub enum Charged<'a> {
    /// All limits let the request pass. What the limit says of which the fewest requests are
    /// left; `None` when no limit concerns the request.
    Passed(Option<Report>),
    /// Those of this node do; the shared ones have still to be asked.
    Pending(Pending<'a>),
}

impl RouteLimits {
    /// These.
    pub fn new(mut limits: Vec<Arc<Limit>>) -> Self {
        limits.sort_by_key(|limit| limit.is_shared());
        let own = limits.iter().take_while(|limit| !limit.is_shared()).count();
        Self { limits, own }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.limits.is_empty()
    }

    /// Whether there is a limit of this name that concerns requests with this method.
    pub fn concerns(&self, name: &str, method: &Method) -> bool {
        self.limits.iter().any(|limit| limit.name() == name && limit.concerns(method))
    }

    /// Takes what a request owes whoever calls, before that is found out: what is to be given
    /// back when it is charged.
    ///
    /// Of shared limits too: what passes them is taken from this node's bucket as well.
    ///
    /// # Errors
    /// What the limit says that refuses. Then nothing is taken.
    pub fn hold(&self, method: &Method, headers: &HeaderMap, caller: &Caller<'_>) -> Result<Held, Report> {
        let mut held = Held::default();
        for limit in self.limits.iter().filter(|limit| limit.concerns(method) && limit.is_of_anybody()) {
            let key = limit.key(headers, caller);
            let decision = limit.take_own(key);
            if let Decision::Refused { .. } = decision {
                held.give_back();
                limit.metrics().refused();
                return Err(Report::new(limit, decision));
            }
            held.0.push((Arc::clone(limit), key));
        }
        Ok(held)
    }

    /// Charges a request to all limits of this node that concern it, or to none.
    ///
    /// They are asked one after the other. When one refuses, what those before it had given
    /// is given back; for that moment another request may be refused that would have passed.
    ///
    /// # Errors
    /// What the limit says that refuses.
    pub fn charge(
        &self,
        method: &Method,
        headers: &HeaderMap,
        caller: &Caller<'_>,
    ) -> Result<Charged<'_>, Report> {
        let (own, shared) = self.limits.split_at(self.own);
        let own = || own.iter().filter(|limit| limit.concerns(method));
        let mut pressing = Pressing::default();
        for (taken, limit) in own().enumerate() {
            let decision = limit.take_own(limit.key(headers, caller));
            if let Decision::Refused { .. } = decision {
                for before in own().take(taken) {
                    before.give_back_own(before.key(headers, caller));
                }
                limit.metrics().refused();
                return Err(Report::new(limit, decision));
            }
            pressing.note(limit, decision);
        }
        let mut shared = shared.iter().filter(|limit| limit.concerns(method)).peekable();
        if shared.peek().is_none() {
            own().for_each(|limit| limit.metrics().passed());
            return Ok(Charged::Passed(pressing.report()));
        }
        // Keys are made now, because nothing of the caller may be held while Redis is asked.
        let part = |limit| Part { limit, key: Limit::key(limit, headers, caller), from: Bucket::Own };
        let mut parts: Vec<Part<'_>> = own().map(part).collect();
        let taken = parts.len();
        parts.extend(shared.map(part));
        Ok(Charged::Pending(Pending { parts, taken, pressing }))
    }
}

/// What was taken for a request of which it is not known who calls. Dropped, it stays taken.
#[derive(Default)]
pub struct Held(Vec<(Arc<Limit>, BucketKey)>);

impl Held {
    /// Gives it back.
    pub fn give_back(self) {
        self.0.iter().for_each(|(limit, key)| limit.give_back_own(*key));
    }
}

/// A request that the limits of this node let pass.
pub struct Pending<'a> {
    parts: Vec<Part<'a>>,
    /// How many of them are paid.
    taken: usize,
    pressing: Pressing<'a>,
}

/// What a request owes to one limit.
struct Part<'a> {
    limit: &'a Arc<Limit>,
    key: BucketKey,
    /// Where it was taken from.
    from: Bucket,
}

impl Pending<'_> {
    /// Charges the request to the shared limits, one after the other. When one refuses, all
    /// others are given back what they gave.
    ///
    /// # Errors
    /// What the limit says that refuses.
    pub async fn charge(mut self) -> Result<Option<Report>, Report> {
        for index in self.taken..self.parts.len() {
            let part = &mut self.parts[index];
            let (decision, from) = part.limit.take(part.key).await;
            part.from = from;
            if let Decision::Refused { .. } = decision {
                let limit = part.limit;
                limit.metrics().refused();
                for before in &self.parts[..index] {
                    before.limit.give_back(before.key, before.from).await;
                }
                return Err(Report::new(limit, decision));
            }
            self.pressing.note(part.limit, decision);
        }
        self.parts.iter().for_each(|part| part.limit.metrics().passed());
        Ok(self.pressing.report())
    }
}

/// The limit with the fewest requests left; of several alike the first.
#[derive(Default)]
struct Pressing<'a>(Option<(&'a Arc<Limit>, u32, Decision)>);

impl<'a> Pressing<'a> {
    fn note(&mut self, limit: &'a Arc<Limit>, decision: Decision) {
        if let Decision::Passed { left, .. } = decision
            && self.0.is_none_or(|(_, fewest, _)| left < fewest)
        {
            self.0 = Some((limit, left, decision));
        }
    }

    fn report(&self) -> Option<Report> {
        self.0.map(|(limit, _, decision)| Report::new(limit, decision))
    }
}

#[cfg(test)]
mod tests;
