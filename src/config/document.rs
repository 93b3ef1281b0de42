//! The whole configuration as one type.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{process::ProcessConfig, traffic::TrafficConfig};

/// What an operator wrote, with its two lifetimes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "nilegate configuration")]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Fixed until restart.
    pub process: ProcessConfig,
    /// Swapped whole on reload.
    #[serde(default)]
    pub traffic: TrafficConfig,
}
