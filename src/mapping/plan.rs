//! Compiled rules, and bodies going through them.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    rule::Step,
    scan::{Malformed, scan},
    tree::Node,
};

/// What becomes of a value after a rule has looked at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It stays, changed or not.
    Keep,
    /// It is removed.
    Remove,
}

/// Why a body cannot be mapped. Names of members come from rules, nothing from the body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    /// It is not the JSON that everybody reads alike.
    #[error("not usable JSON: {0}")]
    Malformed(#[from] Malformed),
    /// A value is not what a rule needs.
    #[error("`{at}` is not {expected}")]
    Unfit {
        /// The path in the rule.
        at: Box<str>,
        /// What it would have to be.
        expected: &'static str,
    },
    /// Where a rule wants to put something, there is something already.
    #[error("`{0}` is there already")]
    Taken(Box<str>),
    /// On the way to where a rule wants to put something there is no object.
    #[error("`{0}` is no object")]
    InTheWay(Box<str>),
}

impl MappingError {
    /// A name that is taken.
    pub fn taken(name: &str) -> Self {
        Self::Taken(name.into())
    }

    /// A value in the way.
    pub fn in_the_way(name: &str) -> Self {
        Self::InTheWay(name.into())
    }

    /// A value that is not what a rule needs.
    pub fn unfit(at: &str, expected: &'static str) -> Self {
        Self::Unfit { at: at.into(), expected }
    }
}

/// One list of rules, compiled.
#[derive(Debug, Default)]
pub struct Plan {
    steps: Vec<Step>,
}

impl Plan {
    /// A plan of steps, in order.
    pub fn new(steps: Vec<Step>) -> Self {
        Self { steps }
    }

    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    fn apply<'a>(&'a self, root: &mut Node<'a>) -> Result<(), MappingError> {
        self.steps.iter().try_for_each(|step| step.apply(root))
    }
}

/// What takes a body from one version to another: one plan, or a chain of them.
#[derive(Clone, Debug)]
pub struct Transform {
    plans: Arc<[Arc<Plan>]>,
}

impl Transform {
    /// A chain, in the order of the versions that are passed. Plans without rules are left
    /// out; `None` if nothing is left.
    pub fn chain(plans: impl IntoIterator<Item = Arc<Plan>>) -> Option<Self> {
        let plans: Arc<[Arc<Plan>]> = plans.into_iter().filter(|plan| !plan.is_empty()).collect();
        (!plans.is_empty()).then_some(Self { plans })
    }

    /// Maps a body: read once, written once, whatever the length of the chain.
    ///
    /// # Errors
    /// Why the body cannot be mapped.
    pub fn apply(&self, body: &[u8]) -> Result<Bytes, MappingError> {
        let (text, extents) = scan(body)?;
        let mut root = Node::root(text, &extents);
        self.plans.iter().try_for_each(|plan| plan.apply(&mut root))?;
        // Names may get longer and constants are added: a little room saves a copy.
        let mut out = Vec::with_capacity(body.len() + body.len() / 4 + 64);
        root.write(&mut out);
        Ok(out.into())
    }
}
