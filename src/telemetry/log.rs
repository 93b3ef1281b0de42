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

use std::io::{self, IsTerminal};

use thiserror::Error;
use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_log::AsLog as _;
use tracing_subscriber::{
    Layer, Registry, filter::Targets, fmt, fmt::MakeWriter, layer::SubscriberExt as _, registry::LookupSpan,
    reload, util::SubscriberInitExt as _,
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
pub struct LogHandle(reload::Handle<Targets, Registry>);

impl LogHandle {
    /// Changes what is logged.
    ///
    /// # Errors
    /// When the level is not a filter; the one before then stays.
    pub fn set_level(&self, level: &LogLevel) -> Result<(), LogError> {
        self.0.reload(filter(level).map_err(LogError::Level)?)?;
        log::set_max_level(LevelFilter::current().as_log());
        Ok(())
    }
}

/// Sets up the log of the process. Once.
///
/// # Errors
/// When the level is not a filter, or a log is set up already.
pub fn init(config: &LogConfig) -> Result<LogHandle, LogError> {
    let terminal = io::stderr().is_terminal();
    let text = match config.format {
        LogFormat::Json => false,
        LogFormat::Text => true,
        LogFormat::Auto => terminal,
    };
    let (subscriber, handle) = build(&config.level, text, terminal, io::stderr)?;
    subscriber.try_init()?;
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
    Ok((subscriber, LogHandle(handle)))
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
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing::Level;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Lines {
        fn take(&self) -> String {
            String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
        }
    }

    fn level(text: &str) -> LogLevel {
        LogLevel(text.to_owned())
    }

    #[test]
    fn both_ways_of_logging_come_out_as_json_and_the_level_changes_while_running() {
        let lines = Lines::default();
        let writer = lines.clone();
        let (subscriber, handle) = build(&level("info"), false, false, move || writer.clone()).unwrap();
        // The bridge from `log` belongs to the process; only this test uses it.
        tracing_log::LogTracer::init().unwrap();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(generation = 3, "reloaded");
            let line: serde_json::Value = serde_json::from_str(&lines.take()).unwrap();
            assert_eq!((&line["message"], &line["generation"]), (&"reloaded".into(), &3.into()));
            assert_eq!((&line["level"], &line["target"]), (&"INFO".into(), &module_path!().into()));

            log::warn!(target: "pingora_core::server", "socket {}", 7);
            let line: serde_json::Value = serde_json::from_str(&lines.take()).unwrap();
            assert_eq!((&line["message"], &line["level"]), (&"socket 7".into(), &"WARN".into()));
            assert_eq!(line["target"], "pingora_core::server");

            log::error!(target: "pingora_proxy", "Fail to proxy: GET /?token=hunter2");
            tracing::debug!("details");
            assert_eq!(lines.take(), "");

            handle.set_level(&level("debug,pingora_proxy=error")).unwrap();
            assert_eq!(log::max_level(), log::LevelFilter::Debug);
            log::error!(target: "pingora_proxy", "told when asked for");
            tracing::debug!("details");
            assert_eq!(lines.take().lines().count(), 2);

            assert!(matches!(handle.set_level(&level("loud")), Err(LogError::Level(_))));
            tracing::debug!("the level before stays");
            assert_eq!(lines.take().lines().count(), 1);
        });
    }

    #[test]
    fn text_has_no_colour_unless_it_is_for_a_terminal() {
        for (color, escapes) in [(false, false), (true, true)] {
            let lines = Lines::default();
            let writer = lines.clone();
            let (subscriber, _handle) = build(&level("info"), true, color, move || writer.clone()).unwrap();
            tracing::subscriber::with_default(subscriber, || tracing::info!("hello"));
            let text = lines.take();
            assert!(text.contains("hello") && text.contains('\x1b') == escapes, "{text:?}");
        }
    }

    #[test]
    fn quiet_targets_are_never_louder_than_asked_for() {
        let passes =
            |text: &str, target: &str, at: Level| filter(&level(text)).unwrap().would_enable(target, &at);
        assert!(passes("info", "nilegate::proxy", Level::INFO));
        assert!(!passes("info", "nilegate::proxy", Level::DEBUG));
        assert!(passes("info", "pingora_core::services::listening", Level::ERROR));
        assert!(!passes("debug", "pingora_core::server", Level::INFO));
        assert!(!passes("debug", "pingora_core::apps::http_app", Level::ERROR));
        assert!(!passes("error", "pingora_core::server", Level::WARN));
        assert!(!passes("off", "pingora_core::server", Level::ERROR));
        assert!(passes("info,pingora=debug", "pingora_core::apps::http_app", Level::DEBUG));
        assert!(passes("nilegate=debug", "other", Level::INFO), "without a level of its own: info");
    }

    #[test]
    fn what_is_not_a_filter_is_refused() {
        for (text, word) in [
            ("inof", "`inof` is not a level"),
            ("", "`` is not a level"),
            ("info,nilegate=loud", "`loud` is not a level"),
            ("info,nilegate=", "`` is not a level"),
            ("info,[span]=debug", "`[span]` is not the name of a module"),
        ] {
            let problem = check(&level(text)).unwrap_err();
            assert_eq!((problem.path.as_str(), problem.message.as_str()), ("level", word));
            assert!(problem.hint.is_some());
        }
        assert_eq!(check(&level("warn, nilegate::proxy=trace")), Ok(()));
    }
}
