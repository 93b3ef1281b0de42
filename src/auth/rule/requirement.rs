//! Conditions on an identity.

use std::fmt;

use crate::{
    auth::Identity,
    config::auth::{ConditionGroup, ConditionNode, Demand, RequireConfig},
};

/// The compiled `require:` section. Empty, it holds for everybody.
#[derive(Default)]
pub(super) struct Requirement {
    config: RequireConfig,
    /// The scopes it names, for those who have to ask for them.
    scopes: String,
}

impl Requirement {
    pub fn new(config: &RequireConfig) -> Self {
        let demands = config.all.iter().chain(&config.any).flat_map(|node| match node {
            ConditionNode::One(demand) => vec![demand],
            ConditionNode::Group(ConditionGroup { all, any }) => all.iter().chain(any).collect(),
        });
        let scopes: Vec<&str> = demands
            .filter_map(|demand| match demand {
                Demand::Scope(name) => Some(name.as_str()),
                _ => None,
            })
            .collect();
        Self { config: config.clone(), scopes: scopes.join(" ") }
    }

    pub fn is_empty(&self) -> bool {
        self.config.all.is_empty() && self.config.any.is_empty()
    }

    /// The scopes it names, with spaces.
    pub fn scopes(&self) -> &str {
        &self.scopes
    }

    pub fn is_met(&self, identity: &Identity) -> bool {
        both(&self.config.all, &self.config.any, |node| match node {
            ConditionNode::One(demand) => identity.meets(demand),
            ConditionNode::Group(ConditionGroup { all, any }) => {
                both(all, any, |demand| identity.meets(demand))
            }
        })
    }
}

/// All of one list, and any of the other if it has items.
fn both<T>(all: &[T], any: &[T], holds: impl Fn(&T) -> bool) -> bool {
    all.iter().all(&holds) && (any.is_empty() || any.iter().any(&holds))
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let node = |node: &ConditionNode| match node {
            ConditionNode::One(demand) => demand.to_string(),
            ConditionNode::Group(group) => {
                format!("({})", joined(&group.all, &group.any, ToString::to_string))
            }
        };
        f.write_str(&joined(&self.config.all, &self.config.any, node))
    }
}

fn joined<T>(all: &[T], any: &[T], shown: impl Fn(&T) -> String) -> String {
    let mut parts: Vec<String> = all.iter().map(&shown).collect();
    let alternatives: Vec<String> = any.iter().map(&shown).collect();
    match alternatives.len() {
        0 => {}
        1 => parts.extend(alternatives),
        _ if parts.is_empty() => return alternatives.join(" or "),
        _ => parts.push(format!("({})", alternatives.join(" or "))),
    }
    parts.join(" and ")
}
