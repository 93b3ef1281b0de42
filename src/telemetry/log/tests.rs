use std::sync::Mutex;

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
        assert_eq!(handle.level(), level("debug,pingora_proxy=error"));
        handle.reset().unwrap();
        tracing::debug!("held back again");
        assert_eq!((lines.take(), handle.level()), (String::new(), level("info")));
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
