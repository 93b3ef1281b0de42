//! From the rules as they are written to steps.

mod rules;

use std::sync::Arc;

use http::StatusCode;

use self::rules::Compiler;
use super::{
    conflict,
    plan::{Plan, Transform},
};
use crate::config::{
    finding::Problem,
    mapping::{MappingConfig, MappingTestConfig, OnError, OnOversize, RuleConfig},
    values::Name,
};

/// What leads from one version to the next, and back.
#[derive(Debug)]
pub struct Mapping {
    /// The older version.
    pub from: Name,
    /// The newer version.
    pub to: Name,
    /// What makes a body of the older version one of the newer.
    pub up: Arc<Plan>,
    /// What makes a body of the newer version one of the older.
    pub down: Arc<Plan>,
    /// The responses that are mapped.
    pub statuses: Statuses,
    /// The largest request body, in bytes.
    pub max_request: usize,
    /// The largest response body, in bytes, decoded.
    pub max_response: usize,
    /// What becomes of a larger response.
    pub on_oversize: OnOversize,
    /// What becomes of a response that cannot be mapped.
    pub on_error: OnError,
    pub(super) lossy: bool,
    pub(super) tests: Vec<MappingTestConfig>,
}

/// Status codes of responses that are mapped: by every mapping on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statuses(Arc<[Box<[u16]>]>);

impl Statuses {
    /// Those that a mapping names. None named: 200 to 299.
    pub fn new(named: &[u16]) -> Self {
        Self([named.into()].into())
    }

    /// Those that all mappings of a chain map.
    pub fn of_all<'a>(chain: impl IntoIterator<Item = &'a Self>) -> Self {
        Self(chain.into_iter().flat_map(|statuses| statuses.0.iter().cloned()).collect())
    }

    /// Whether a response with this status is mapped.
    pub fn cover(&self, status: StatusCode) -> bool {
        self.0.iter().all(|named| {
            if named.is_empty() { status.is_success() } else { named.contains(&status.as_u16()) }
        })
    }
}

impl Mapping {
    /// Compiles a mapping. Its tests are not run: see [`Self::run_tests`].
    ///
    /// # Errors
    /// All problems, with paths relative to the mapping.
    pub fn compile(config: &MappingConfig) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let (up, down) = Self::plans(config, &mut problems);
        if config.from == config.to {
            let message = format!("leads from `{0}` to `{0}`", config.from);
            problems.push(Problem::new("to", message).hint("name the version before and the version after"));
        }
        for (index, status) in config.statuses.iter().enumerate() {
            if !(200..=599).contains(status) {
                problems.push(Problem::new(
                    format!("statuses[{index}]"),
                    format!("{status} is no status of a response with a body"),
                ));
            }
        }
        for (key, size) in [("max_request", config.max_request), ("max_response", config.max_response)] {
            if size.get() == 0 {
                problems.push(Problem::new(key, "must be more than zero"));
            }
        }
        for (index, test) in config.tests.iter().enumerate() {
            problems.extend(incomplete(test).map(|problem| problem.within(&format!("tests[{index}]"))));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        Ok(Self {
            from: config.from.clone(),
            to: config.to.clone(),
            up: Arc::new(up),
            down: Arc::new(down),
            statuses: Statuses::new(&config.statuses),
            max_request: size(config.max_request.get()),
            max_response: size(config.max_response.get()),
            on_oversize: config.on_oversize,
            on_error: config.on_error,
            lossy: config.lossy.is_lossy(),
            tests: config.tests.clone(),
        })
    }

    fn plans(config: &MappingConfig, problems: &mut Vec<Problem>) -> (Plan, Plan) {
        let mut compiled =
            [("request", &config.request), ("response", &config.response)].map(|(key, rules)| {
                let mut compiler = Compiler::default();
                let steps = compiler.rules(key, rules);
                if compiler.problems.is_empty() {
                    compiler.problems = conflict::between(&compiler.effects);
                }
                problems.append(&mut compiler.problems);
                (Plan::new(steps), compiler.effects)
            });
        let [(up, there), (down, back)] = &mut compiled;
        if !config.lossy.is_lossy() && !up.is_empty() && !down.is_empty() && problems.is_empty() {
            problems.extend(conflict::losses("request", there, back));
            problems.extend(conflict::losses("response", back, there));
        }
        let [(up, _), (down, _)] = compiled;
        (up, down)
    }

    /// The way of a body from the older version to the newer; `None` if nothing changes.
    pub fn upwards(&self) -> Option<Transform> {
        Transform::chain([Arc::clone(&self.up)])
    }

    /// The way of a body from the newer version to the older; `None` if nothing changes.
    pub fn downwards(&self) -> Option<Transform> {
        Transform::chain([Arc::clone(&self.down)])
    }
}

/// A test says what goes in and what comes out, or what comes back.
fn incomplete(test: &MappingTestConfig) -> Option<Problem> {
    let hint = "write `direction`, `input` and `output`, or `round_trip` alone";
    let parts = (test.direction.is_some(), test.input.is_some(), test.output.is_some());
    match (parts, test.round_trip.is_some()) {
        ((true, true, true), false) | ((false, false, false), true) => None,
        (_, true) => Some(Problem::new("round_trip", "stands beside parts of another test").hint(hint)),
        _ => Some(Problem::new("", "is not a whole test").hint(hint)),
    }
}

/// What a rule does to places, for finding rules that cannot work together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// Needs a value.
    Read,
    /// Needs a value and leaves nothing.
    Take,
    /// Throws a value away.
    Drop,
    /// Puts a value where nothing may be.
    Write,
    /// Puts a constant whatever there is.
    Set,
    /// Puts a constant where nothing is.
    Default,
    /// Makes different values one.
    Blur,
}

/// A deed, where it is done, and the key that says so.
#[derive(Clone, Debug)]
pub(super) struct Effect {
    pub deed: Deed,
    pub path: super::path::Path,
    pub key: String,
}

impl Effect {
    fn key_of(rule: &RuleConfig) -> &'static str {
        match rule {
            RuleConfig::Rename(_) => "rename",
            RuleConfig::Move(_) => "move",
            RuleConfig::Drop(_) => "drop",
            RuleConfig::Default(_) => "default",
            RuleConfig::Set(_) => "set",
            RuleConfig::Enum(_) => "enum",
            RuleConfig::Wrap(_) => "wrap",
            RuleConfig::Unwrap(_) => "unwrap",
            RuleConfig::Split(_) => "split",
            RuleConfig::Join(_) => "join",
            RuleConfig::Each(_) => "each",
            RuleConfig::Convert(_) => "convert",
            RuleConfig::Date(_) => "date",
        }
    }
}
