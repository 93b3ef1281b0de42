//! How the process speaks about itself: its own log, the access log, traces.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    trace::TracingConfig,
    values::{Period, Secret},
};

/// The `process.telemetry:` section.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TelemetryConfig {
    /// The log of the process itself, on standard error.
    pub log: LogConfig,
    /// One line a request.
    pub access_log: AccessLogConfig,
    /// Traces. Leave out: trace fields pass as they come, and no request has a trace id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tracing: Option<TracingConfig>,
    /// What names of callers in the access log are hashed with, the same on all nodes whose logs
    /// are to be compared. Leave out: a new one for each process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity_secret: Option<Secret>,
    /// Explains single requests in their responses, to whoever can sign the wish. Leave out:
    /// nobody is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explain: Option<ExplainConfig>,
}

/// How requests are explained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExplainConfig {
    /// What wishes are signed with: the same on all nodes, 32 bytes or more.
    pub secret: Secret,
    /// Longest time that a signed wish is good for, at most an hour.
    #[serde(default = "explain_lifetime")]
    pub lifetime: Period,
}

fn explain_lifetime() -> Period {
    Period::secs(60)
}

/// The log of the process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// The lowest level written, or directives such as `info,nilegate=debug`.
    pub level: LogLevel,
    /// The form of a line.
    pub format: LogFormat,
}

/// A filter in the syntax of `RUST_LOG`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct LogLevel(pub String);

impl Default for LogLevel {
    fn default() -> Self {
        Self("info".to_owned())
    }
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    #[default]
    Auto,
    /// One JSON object a line.
    Json,
    /// For human readers.
    Text,
}

/// The access log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AccessLogConfig {
    /// Whether requests are logged at all.
    pub enabled: bool,
    /// Where lines go.
    pub output: AccessLogOutput,
    /// The file, when `output` is `file`. SIGUSR1 reopens it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// The form of a line.
    pub format: LogFormat,
    /// How much of the path is written. The query never is.
    pub path: AccessLogPath,
    /// Lines waiting to be written. When it is full, lines are dropped and counted.
    #[schemars(range(min = 1))]
    pub queue: usize,
    /// The share of requests that are logged, from 0 to 1. Those that failed always are.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub sample: Share,
}

/// A part of a whole, from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Share(pub f64);

/// No configuration holds a value that is not a number: it is out of bounds.
impl Eq for Share {}

/// Where access log lines go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccessLogOutput {
    /// Standard output.
    #[default]
    Stdout,
    /// The file named by `file`.
    File,
}

/// How much of a request's path the access log tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccessLogPath {
    /// The path pattern of the route, such as `/patients/{id}`: no identifiers.
    #[default]
    Pattern,
    /// The path as the client sent it.
    Full,
}

impl Default for AccessLogConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            output: AccessLogOutput::Stdout,
            file: None,
            format: LogFormat::Auto,
            path: AccessLogPath::Pattern,
            queue: 65_536,
            sample: Share(1.0),
        }
    }
}
