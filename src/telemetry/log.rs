//! The log of the process: on standard error, as JSON or for human readers.
//!
//! Our own code speaks through `tracing`, Pingora and rustls through `log`; both
//! come out here. The level can be changed while running. `RUST_LOG` is not read:
//! what is logged is in the configuration, like everything else.
//!
//! # Quiet targets
//! Pingora logs an error for each request that a client or a backend spoils, with
//! the query of the request in it. Such lines would let any client fill a disk, and
//! tell nothing that the access log and the counters by reason do not tell, so the
//! targets in [`QUIET`] are held back. Naming one of them, or a prefix, in
//! `process.telemetry.log.level` lifts that: `info,pingora_proxy=warn`.

use std::{
    io::{self, IsTerminal},
    sync::Arc,
};

use parking_lot::Mutex;
use thiserror::Error;
use tracing::{Event, Level, Subscriber, level_filters::LevelFilter};
use tracing_log::AsLog as _;
use tracing_subscriber::{
    Layer, Registry,
    filter::Targets,
    fmt,
    fmt::MakeWriter,
    layer::{Context, SubscriberExt as _},
    registry::LookupSpan,
    reload,
    util::SubscriberInitExt as _,
};

use super::{
    label::LogLine,
    metrics::{Counter, Handles},
};
use crate::config::{
    finding::Problem,
    telemetry::{LogConfig, LogFormat, LogLevel},
};

/// Targets that are held back, and the least that is still told.
const QUIET: &[(&str, LevelFilter)] = &[
    // Start, sockets, handing over.
    ("pingora_core", LevelFilter::WARN),
    // One line for each connection that ends in a bad request.
    ("pingora_core::apps", LevelFilter::OFF),
    // Oddities of peers are warnings, broken invariants are errors.
    ("pingora_core::protocols", LevelFilter::ERROR),
    // One line for each failed request or attempt, with its query.
    ("pingora_proxy", LevelFilter::OFF),
    ("pingora_cache", LevelFilter::ERROR),
    ("pingora_pool", LevelFilter::ERROR),
    // A line for each alert that a client provokes.
    ("rustls", LevelFilter::ERROR),
    ("h2", LevelFilter::ERROR),
];

/// The log could not be set up, or not be changed.
#[derive(Debug, Error)]
pub enum LogError {
    /// `level` is not a filter.
    #[error("`{}`: {}", .0.path, .0.message)]
    Level(Problem),
    /// Something else in this process has set up a log already.
    #[error("the log is set up already")]
    AlreadySet(#[from] tracing_subscriber::util::TryInitError),
    /// The log is gone.
    #[error("the log cannot be changed")]
    Gone(#[from] reload::Error),
}

/// Changes the log while the process runs.
#[derive(Clone, Debug)]
pub struct LogHandle {
    handle: reload::Handle<Targets, Registry>,
    configured: LogLevel,
    current: Arc<Mutex<LogLevel>>,
}

impl LogHandle {
    /// Changes what is logged.
    ///
    /// # Errors
    /// When the level is not a filter; the one before then stays.
    pub fn set_level(&self, level: &LogLevel) -> Result<(), LogError> {
        self.handle.reload(filter(level).map_err(LogError::Level)?)?;
        log::set_max_level(LevelFilter::current().as_log());
        *self.current.lock() = level.clone();
        Ok(())
    }

    /// Goes back to what the configuration says.
    ///
    /// # Errors
    /// When the log is gone.
    pub fn reset(&self) -> Result<(), LogError> {
        self.set_level(&self.configured)
    }

    /// What is logged now.
    pub fn level(&self) -> LogLevel {
        self.current.lock().clone()
    }
}

/// Sets up the log of the process, whose lines are counted by `lines`. Once.
///
/// # Errors
/// When the level is not a filter, or a log is set up already.
pub fn init(config: &LogConfig, lines: Arc<Handles<LogLine, Counter>>) -> Result<LogHandle, LogError> {
    let terminal = io::stderr().is_terminal();
    let text = match config.format {
        LogFormat::Json => false,
        LogFormat::Text => true,
        LogFormat::Auto => terminal,
    };
    let (subscriber, handle) = build(&config.level, text, terminal, io::stderr)?;
    subscriber.with(CountLines(lines)).try_init()?;
    Ok(handle)
}

/// Checks `level` without setting anything up.
///
/// # Errors
/// What is wrong with it, at the path `level`.
pub fn check(level: &LogLevel) -> Result<(), Problem> {
    filter(level).map(drop)
}

fn build<W>(
    level: &LogLevel,
    text: bool,
    color: bool,
    writer: W,
) -> Result<(impl Subscriber + use<W>, LogHandle), LogError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let (filter, handle) = reload::Layer::new(filter(level).map_err(LogError::Level)?);
    let subscriber = Registry::default().with(filter).with(lines(text, color, writer));
    let current = Arc::new(Mutex::new(level.clone()));
    Ok((subscriber, LogHandle { handle, configured: level.clone(), current }))
}

/// Counts the lines that are written.
struct CountLines(Arc<Handles<LogLine, Counter>>);

impl<S: Subscriber> Layer<S> for CountLines {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let line = match *event.metadata().level() {
            Level::ERROR => LogLine::Error,
            Level::WARN => LogLine::Warn,
            Level::INFO => LogLine::Info,
            Level::DEBUG => LogLine::Debug,
            Level::TRACE => LogLine::Trace,
        };
        self.0.get(line).inc();
    }
}

fn lines<S, W>(text: bool, color: bool, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let layer = fmt::layer().with_writer(writer);
    if text {
        layer.with_ansi(color).boxed()
    } else {
        layer.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed()
    }
}

/// The filter that `level` stands for, with the quiet targets that it does not name.
fn filter(level: &LogLevel) -> Result<Targets, Problem> {
    let problem = |message: String| {
        Problem::new("level", message)
            .hint("write `off`, `error`, `warn`, `info`, `debug` or `trace`, or `info,nilegate=debug`")
    };
    let parse = |word: &str| match word.parse::<LevelFilter>() {
        Ok(level) if !word.is_empty() => Ok(level),
        _ => Err(problem(format!("`{word}` is not a level"))),
    };
    let mut base = LevelFilter::INFO;
    let mut named: Vec<(&str, LevelFilter)> = Vec::new();
    for directive in level.0.split(',').map(str::trim) {
        match directive.split_once('=') {
            None => base = parse(directive)?,
            Some((target, level)) if is_target(target) => named.push((target, parse(level)?)),
            Some((target, _)) => return Err(problem(format!("`{target}` is not the name of a module"))),
        }
    }
    let quiet = QUIET.iter().filter(|(target, _)| !named.iter().any(|(own, _)| target.starts_with(own)));
    let quiet = quiet.map(|&(target, level)| (target, level.min(base)));
    Ok(Targets::new().with_default(base).with_targets(quiet).with_targets(named.iter().copied()))
}

fn is_target(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b':' | b'-'))
}

#[cfg(test)]
mod tests;
