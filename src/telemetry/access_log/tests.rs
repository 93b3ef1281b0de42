use std::{
    io::{self, Write},
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::{
    config::telemetry::{AccessLogConfig, AccessLogOutput, AccessLogPath, LogFormat, Share},
    telemetry::{label::Protocol, reason::ErrorReason},
};

fn record() -> AccessRecord<'static> {
    AccessRecord {
        time: UNIX_EPOCH + Duration::from_millis(1_709_210_096_007),
        request_id: "0197-abc",
        trace_id: Some(b"4bf92f3577b34da6a3ce929d0e0e4736"),
        span_id: Some(b"00f067aa0ba902b7"),
        client: Some([203, 0, 113, 9].into()),
        listener: "public",
        protocol: Protocol::Http11,
        tls_version: Some("TLSv1.3"),
        method: "GET",
        host: b"api.example",
        path: b"/patients/42?token=hunter2",
        pattern: Some("/patients/{id}"),
        route: Some("patients"),
        status: Some(502),
        bytes_in: 0,
        bytes_out: 91,
        duration: Duration::from_micros(1_234),
        upstream: Some("origin"),
        backend: Some("127.0.0.1:8000"),
        attempts: 2,
        upstream_first_byte: Some(Duration::from_micros(800)),
        upstream_reused: Some(true),
        error: Some(ErrorReason::UpstreamReset),
        detail: Some("connection reset"),
        cache: None,
        cache_tier: None,
        api_version: None,
        api_version_source: None,
        internal: false,
        graphql: None,
        graphql_operation: None,
        identity: Some("0123456789abcdef"),
        user_agent: Some(b"curl/8"),
    }
}

fn log(config: AccessLogConfig) -> AccessLog {
    AccessLog::from_config(&config, LineCounters::default()).unwrap()
}

fn json() -> AccessLogConfig {
    AccessLogConfig { format: LogFormat::Json, ..AccessLogConfig::default() }
}

fn flushed(log: &AccessLog) -> String {
    let mut out = Vec::new();
    log.flush_to(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn a_json_line_tells_the_request() {
    let log = log(json());
    log.write(&record());
    assert_eq!(
        flushed(&log),
        concat!(
            r#"{"time":"2024-02-29T12:34:56.007Z","status":502,"method":"GET","path":"/patients/{id}","#,
            r#""duration_us":1234,"host":"api.example","client":"203.0.113.9","request_id":"0197-abc","#,
            r#""trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","span_id":"00f067aa0ba902b7","#,
            r#""protocol":"http/1.1","tls_version":"TLSv1.3","listener":"public","route":"patients","#,
            r#""upstream":"origin","backend":"127.0.0.1:8000","attempts":2,"upstream_first_byte_us":800,"#,
            r#""upstream_reused":true,"bytes_in":0,"bytes_out":91,"error":"upstream_reset","#,
            r#""detail":"connection reset","identity":"0123456789abcdef","user_agent":"curl/8"}"#,
            "\n"
        )
    );
}

#[test]
fn a_text_line_starts_with_what_one_looks_for() {
    let log = log(AccessLogConfig { format: LogFormat::Text, ..json() });
    log.write(&AccessRecord { user_agent: Some(b"a b\n"), ..record() });
    let line = flushed(&log);
    assert!(
        line.starts_with(
            "2024-02-29T12:34:56.007Z 502 GET /patients/{id} duration_us=1234 host=api.example "
        ),
        "{line}"
    );
    assert!(
        line.ends_with("detail=\"connection reset\" identity=0123456789abcdef user_agent=\"a b\\n\"\n"),
        "{line}"
    );
    assert_eq!(line.matches('\n').count(), 1);
}

#[test]
fn the_query_is_never_written_and_the_path_only_when_asked_for() {
    let pattern = log(json());
    let full = log(AccessLogConfig { path: AccessLogPath::Full, ..json() });
    let unmatched = AccessRecord { pattern: None, ..record() };
    for log in [&pattern, &full] {
        log.write(&record());
        log.write(&unmatched);
    }
    let (pattern, full) = (flushed(&pattern), flushed(&full));
    assert!(!pattern.contains("/patients/42") && !pattern.contains("hunter2"), "{pattern}");
    assert_eq!(pattern.matches(r#""path""#).count(), 1, "no route, no pattern, no path");
    assert_eq!(full.matches(r#""path":"/patients/42","#).count(), 2, "{full}");
}

#[test]
fn long_texts_are_cut() {
    let log = log(AccessLogConfig { path: AccessLogPath::Full, ..json() });
    let long = [b'x'; 9_000];
    log.write(&AccessRecord { path: &long, host: &long, user_agent: Some(&long), ..record() });
    let line: Value = serde_json::from_str(&flushed(&log)).unwrap();
    let chars = |key: &str| line[key].as_str().unwrap().chars().count();
    assert_eq!((chars("path"), chars("host"), chars("user_agent")), (2049, 257, 257), "plus an ellipsis");
}

#[test]
fn sampling_keeps_errors_and_its_share_of_the_rest() {
    let log = log(AccessLogConfig { sample: Share(0.25), ..json() });
    let ids: Vec<String> = (0..4_000).map(|n| format!("request-{n}")).collect();
    let fine = AccessRecord { status: Some(200), error: None, ..record() };
    ids.iter().for_each(|id| log.write(&AccessRecord { request_id: id, ..fine.clone() }));
    let kept = log.waiting();
    assert!((850..1150).contains(&kept), "{kept} of 4000");
    ids.iter().for_each(|id| log.write(&AccessRecord { request_id: id, ..fine.clone() }));
    assert_eq!(log.waiting(), 2 * kept, "the same ones");
    for (status, error) in [(Some(503), None), (Some(404), Some(ErrorReason::NoRoute)), (None, None)] {
        let before = log.waiting();
        ids[..100]
            .iter()
            .for_each(|id| log.write(&AccessRecord { request_id: id, status, error, ..fine.clone() }));
        assert_eq!(log.waiting() - before, 100, "{status:?}");
    }
}

#[test]
fn a_share_of_nothing_keeps_errors_alone() {
    let log = log(AccessLogConfig { sample: Share(0.0), ..json() });
    log.write(&AccessRecord { status: Some(200), error: None, ..record() });
    assert_eq!(log.waiting(), 0);
    log.write(&record());
    assert_eq!(log.waiting(), 1);
}

#[test]
fn switched_off_there_is_none() {
    let config = AccessLogConfig { enabled: false, ..json() };
    assert!(AccessLog::from_config(&config, LineCounters::default()).is_none());
}

#[test]
fn over_its_limit_of_lines_the_queue_drops_and_counts() {
    let log = log(AccessLogConfig { queue: 3, ..json() });
    (0..5).for_each(|_| log.write(&record()));
    assert_eq!(log.dropped(), 2);
    assert_eq!(flushed(&log).lines().count(), 3);
    log.write(&record());
    assert_eq!((log.dropped(), flushed(&log).lines().count()), (2, 1), "room again after a flush");
}

#[test]
fn over_its_limit_of_bytes_the_queue_drops_and_counts() {
    let log = log(AccessLogConfig { queue: 128, path: AccessLogPath::Full, ..json() });
    let long = [b'"'; 2_048];
    (0..100).for_each(|_| log.write(&AccessRecord { path: &long, ..record() }));
    let text = flushed(&log);
    assert!(text.len() <= 64 * 1024, "{} bytes", text.len());
    assert!(text.len() > 59 * 1024, "{} bytes", text.len());
    assert_eq!(text.lines().count() as u64 + log.dropped(), 100);
}

/// Takes `room` bytes, one at a time, then fails.
struct Failing {
    room: usize,
    taken: Vec<u8>,
}

impl Write for Failing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.taken.len() == self.room {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.taken.push(bytes[0]);
        Ok(1)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn lines_that_the_output_refuses_are_counted() {
    let log = log(json());
    (0..4).for_each(|_| log.write(&record()));
    let line = flushed(&log).lines().next().unwrap().len() + 1;
    (0..4).for_each(|_| log.write(&record()));
    let mut out = Failing { room: 2 * line + 10, taken: Vec::new() };
    assert_eq!(log.flush_to(&mut out).unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert_eq!(log.dropped(), 2, "two whole lines got out");
    assert_eq!(flushed(&log), "", "what was lost is not written later");
}

#[test]
fn many_workers_write_whole_lines() {
    let log = log(json());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..500).for_each(|_| log.write(&record())));
        }
    });
    let text = flushed(&log);
    assert_eq!(text.lines().count(), 2_000);
    assert!(text.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()));
}

#[test]
fn a_rotated_file_is_left_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let (file, rotated) = (folder.path().join("access.log"), folder.path().join("access.log.1"));
    let config = AccessLogConfig { output: AccessLogOutput::File, file: Some(file.clone()), ..json() };
    let mut writer = AccessLogWriter::open(&config).unwrap();
    let log = log(config);
    let write = |writer: &mut AccessLogWriter| {
        log.write(&record());
        log.flush_to(writer).unwrap()
    };
    assert_eq!(write(&mut writer), 1);
    std::fs::rename(&file, &rotated).unwrap();
    write(&mut writer);
    writer.reopen().unwrap();
    write(&mut writer);
    let lines = |path| std::fs::read_to_string(path).unwrap().lines().count();
    assert_eq!((lines(&rotated), lines(&file)), (2, 1));

    std::fs::remove_dir_all(folder.path()).unwrap();
    let error = writer.reopen().unwrap_err().to_string();
    assert!(error.contains("access.log"), "{error}");
    assert_eq!(write(&mut writer), 1, "a failed reopening keeps the old file");
}

#[tokio::test]
async fn the_queue_is_ready_soon_after_a_line_and_at_once_when_half_full() {
    let log = Arc::new(log(AccessLogConfig { queue: 100, ..json() }));
    let waiting = tokio::spawn({
        let log = Arc::clone(&log);
        async move {
            let started = std::time::Instant::now();
            log.ready().await;
            started.elapsed()
        }
    });
    log.write(&record());
    assert!(waiting.await.unwrap() >= LINGER / 2, "one line waits for others");

    // Cancelled and asked again, it must not wait for a further line.
    let again = tokio::time::timeout(Duration::from_secs(10), log.ready());
    again.await.unwrap();
    flushed(&log);

    (0..60).for_each(|_| log.write(&record()));
    let started = std::time::Instant::now();
    log.ready().await;
    assert!(started.elapsed() < LINGER, "half full is ready at once");
}

proptest! {
    #[test]
    fn any_bytes_give_one_valid_json_line(
        host in proptest::collection::vec(any::<u8>(), 0..300),
        path in proptest::collection::vec(any::<u8>(), 0..3_000),
        agent in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..300)),
        id in any::<String>(),
        detail in proptest::option::of(any::<String>()),
        status in proptest::option::of(any::<u16>()),
    ) {
        let log = log(AccessLogConfig { path: AccessLogPath::Full, ..json() });
        log.write(&AccessRecord {
            host: &host,
            path: &path,
            api_version: None,
            api_version_source: None,
            user_agent: agent.as_deref(),
            request_id: &id,
            detail: detail.as_deref(),
            cache: None,
            cache_tier: None,
            status,
            ..record()
        });
        let text = flushed(&log);
        prop_assert_eq!(text.matches('\n').count(), 1);
        prop_assert!(text.ends_with('\n'));
        let line: Value = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(line["status"].as_u64(), status.map(u64::from));
        prop_assert_eq!(line["user_agent"].is_string(), agent.is_some());
        let cut = path.iter().position(|b| b"?#".contains(b)).unwrap_or(path.len()).min(2_048);
        let start = String::from_utf8_lossy(&path[..cut.saturating_sub(3)]).trim_end_matches('\u{fffd}').to_owned();
        prop_assert!(line["path"].as_str().unwrap().starts_with(&start));
    }
}
