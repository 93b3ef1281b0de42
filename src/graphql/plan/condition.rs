//! `@skip` and `@include`.

use async_graphql::{Positioned, parser::types::Directive};
use async_graphql_value::Value as Literal;
use serde_json::{Map, Value};

/// A condition, by its place in [`super::Plan::conditions`]. The first is always met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::graphql) struct ConditionId(pub(super) u32);

impl ConditionId {
    pub(in crate::graphql) const ALWAYS: ConditionId = ConditionId(0);

    pub(in crate::graphql) fn index(self) -> usize {
        self.0 as usize
    }
}

/// Variables and what each has to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::graphql) struct Condition(pub(super) Vec<(Box<str>, bool)>);

/// What a condition comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::graphql) enum Verdict {
    /// Included.
    Met,
    /// Left out.
    Unmet,
    /// A variable is null, which no condition may be.
    Invalid,
}

impl Condition {
    /// The verdict with the variables of a request.
    pub(in crate::graphql) fn verdict(&self, variables: &Map<String, Value>) -> Verdict {
        for (name, wanted) in &self.0 {
            match variables.get(&**name) {
                Some(Value::Bool(value)) if value == wanted => {}
                Some(Value::Bool(_)) => return Verdict::Unmet,
                _ => return Verdict::Invalid,
            }
        }
        Verdict::Met
    }

    /// The variables and what each has to be.
    pub(in crate::graphql) fn terms(&self) -> impl Iterator<Item = (&str, bool)> {
        self.0.iter().map(|(name, wanted)| (&**name, *wanted))
    }
}

/// The conditions of an operation, each once.
#[derive(Debug)]
pub(super) struct Conditions(Vec<Condition>);

impl Conditions {
    pub(super) fn new() -> Self {
        Self(vec![Condition::default()])
    }

    pub(super) fn into_boxed(self) -> Box<[Condition]> {
        self.0.into()
    }

    pub(super) fn get(&self, id: ConditionId) -> &Condition {
        &self.0[id.index()]
    }

    /// The condition of a selection within another condition; `None` if it is never met.
    pub(super) fn narrow(
        &mut self,
        outer: ConditionId,
        directives: &[Positioned<Directive>],
    ) -> Option<ConditionId> {
        let mut condition = None;
        for directive in directives {
            let wanted = match directive.node.name.node.as_str() {
                "include" => true,
                "skip" => false,
                _ => continue,
            };
            let given = directive.node.get_argument("if").map(|value| &value.node);
            match given {
                Some(Literal::Boolean(value)) if *value == wanted => {}
                Some(Literal::Variable(name)) => {
                    let terms = &mut condition.get_or_insert_with(|| self.0[outer.index()].clone()).0;
                    let term = (Box::from(name.as_str()), wanted);
                    if !terms.contains(&term) {
                        terms.push(term);
                    }
                }
                // Anything but a truth value was refused by validation.
                _ => return None,
            }
        }
        Some(condition.map_or(outer, |condition| self.intern(condition)))
    }

    fn intern(&mut self, condition: Condition) -> ConditionId {
        let at = self.0.iter().position(|known| *known == condition).unwrap_or_else(|| {
            self.0.push(condition);
            self.0.len() - 1
        });
        ConditionId(u32::try_from(at).unwrap_or(u32::MAX))
    }
}
