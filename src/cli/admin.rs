//! Commands that ask a running gateway on its admin port, for machines without curl.

use std::{
    fmt::Write as _,
    io::{Error, ErrorKind, Read, Write as _},
    net::TcpStream,
    process::ExitCode,
};

use serde_json::{Map, Value, json};

use super::{
    args::{AdminArgs, Format, HealthcheckArgs, PurgeArgs, StatsArgs, VersionsArgs},
    output,
};

/// Most bytes of an answer that are read.
const ANSWER_LIMIT: u64 = 16 << 20;

/// `healthcheck`: whether the gateway is ready, or alive.
pub fn healthcheck(args: &HealthcheckArgs) -> ExitCode {
    let path = match &args.path {
        Some(path) => path.as_str(),
        None if args.live => "/livez",
        None => "/readyz",
    };
    told(&args.admin, "GET", path, None, |body| body.trim().to_owned())
}

/// `purge`: takes responses out of the cache, on every node.
pub fn purge(args: &PurgeArgs) -> ExitCode {
    let mut request = Map::new();
    let many = [("urls", &args.url), ("tags", &args.tag)];
    for (key, names) in many.into_iter().filter(|(_, names)| !names.is_empty()) {
        request.insert(key.to_owned(), json!(names));
    }
    for (key, name) in [("pattern", &args.pattern), ("route", &args.route)] {
        if let Some(name) = name {
            request.insert(key.to_owned(), json!(name));
        }
    }
    if args.all {
        request.insert("all".to_owned(), json!(true));
    }
    request.insert("mode".to_owned(), json!(args.mode.as_str()));
    let body = Value::Object(request).to_string();
    told(&args.admin, "POST", "/cache/purge", Some(body), |body| body.trim().to_owned())
}

/// `stats`: the statistics of the cache.
pub fn stats(args: &StatsArgs) -> ExitCode {
    told(&args.admin, "GET", "/cache/stats", None, |body| body.trim().to_owned())
}

/// `versions`: which versions of the API there are, and who still calls those that end.
pub fn versions(args: &VersionsArgs) -> ExitCode {
    told(&args.admin, "GET", "/versions", None, |body| match (args.format, serde_json::from_str(body)) {
        (Format::Text, Ok(report)) => table(&report),
        _ => body.trim().to_owned(),
    })
}

fn table(report: &Value) -> String {
    let mut out = String::new();
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut line = |cells: [String; 5]| {
        let [a, b, c, d, e] = cells;
        let _ = writeln!(out, "{a:<10}{b:<24}{c:<32}{d:>12}  {e}");
    };
    line(["version", "status", "sunset", "days left", "successor"].map(str::to_owned));
    for version in list(&report["data"]["versions"]) {
        let days = version["days_to_sunset"].as_i64().map_or_else(|| "-".to_owned(), |days| days.to_string());
        line([
            text(&version["version"]),
            text(&version["status"]),
            text(&version["sunset"]),
            days,
            text(&version["successor"]),
        ]);
    }
    let calls = list(&report["data"]["calls"]);
    if !calls.is_empty() {
        line(["", "", "", "", ""].map(str::to_owned));
        line(["version", "route", "caller", "calls", "last"].map(str::to_owned));
    }
    for call in calls {
        let count = call["count"].as_u64().unwrap_or_default().to_string();
        line([
            text(&call["version"]),
            text(&call["route"]),
            text(&call["consumer"]),
            count,
            text(&call["last"]),
        ]);
    }
    out.trim_end().to_owned()
}

/// Asks, prints the answer in the form that `shown` gives it, and tells whether it was a good one.
fn told(
    admin: &AdminArgs,
    method: &str,
    path: &str,
    body: Option<String>,
    shown: impl FnOnce(&str) -> String,
) -> ExitCode {
    match ask(admin, method, path, body.as_deref().unwrap_or_default()) {
        Ok((200, body)) => {
            output::line(shown(&body));
            ExitCode::SUCCESS
        }
        Ok((_, body)) => {
            output::line(body.trim());
            ExitCode::FAILURE
        }
        Err(error) => {
            output::complain(format_args!("nilegate: {} does not answer: {error}", admin.admin));
            ExitCode::FAILURE
        }
    }
}

fn ask(args: &AdminArgs, method: &str, path: &str, body: &str) -> std::io::Result<(u16, String)> {
    let limit = args.timeout.get();
    let mut stream = TcpStream::connect_timeout(&args.admin, limit)?;
    stream.set_read_timeout(Some(limit))?;
    stream.set_write_timeout(Some(limit))?;
    let authorization = match &args.token {
        Some(token) => format!("Authorization: Bearer {token}\r\n"),
        None => String::new(),
    };
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {}\r\n{authorization}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        args.admin,
        body.len()
    )?;
    let mut answer = Vec::new();
    stream.take(ANSWER_LIMIT).read_to_end(&mut answer)?;
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    let invalid = || Error::new(ErrorKind::InvalidData, "not an HTTP answer");
    match response.parse(&answer).map_err(|_| invalid())? {
        httparse::Status::Complete(head) => {
            let body = String::from_utf8_lossy(&answer[head..]).into_owned();
            Ok((response.code.ok_or_else(invalid)?, body))
        }
        httparse::Status::Partial => Err(invalid()),
    }
}
