//! The REST services behind the schema, over data.json. rest.mjs answers the same.

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use http::{Method, StatusCode};
use nilegate::graphql::{Answer, CacheResult, Call, CallFailure, Fetch, Reuse};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

/// The services, for one operation.
pub struct Rest<'a> {
    data: &'a Value,
    counter: Mutex<i64>,
    /// Calls so far.
    pub calls: Mutex<Vec<String>>,
    at_once: AtomicUsize,
    /// The most calls at one time.
    pub most_at_once: AtomicUsize,
}

impl<'a> Rest<'a> {
    /// Services over the data.
    pub fn new(data: &'a Value) -> Self {
        Self {
            data,
            counter: Mutex::new(0),
            calls: Mutex::default(),
            at_once: AtomicUsize::new(0),
            most_at_once: AtomicUsize::new(0),
        }
    }

    fn answer(&self, method: &Method, target: &str, body: Option<&[u8]>) -> (u16, String) {
        let target = target.strip_prefix("/api").expect("calls begin with the route of the source");
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let segments: Vec<String> = path[1..].split('/').map(decoded).collect();
        let (first, more) = segments.split_first().expect("a path has a segment");
        let body: Value =
            body.map(|body| serde_json::from_slice(body).expect("bodies are JSON")).unwrap_or_default();
        let ok = |value: Value| (200, value.to_string());
        match first.as_str() {
            "status" => {
                let asked = more[0].parse().ok().filter(|status| (400..600).contains(status));
                return (asked.unwrap_or(500), json!({"title": "as asked", "code": "ASKED"}).to_string());
            }
            "text" => return (200, self.data["text"].as_str().expect("a text").to_owned()),
            "echo" => return ok(body),
            "counter" => {
                let mut counter = self.counter.lock().expect("no panic");
                if *method == Method::POST {
                    *counter += body["by"].as_i64().unwrap_or(0);
                }
                return ok(json!({"value": *counter}));
            }
            _ => {}
        }
        if let Some(fixed) = self.data["fixed"].get(first) {
            return ok(fixed.clone());
        }
        let Some(rows) = self.data["collections"].get(first).and_then(Value::as_array) else {
            return (404, json!({"title": "no such thing"}).to_string());
        };
        if *method == Method::POST {
            let mut row = json!({"id": "new"});
            let members = row.as_object_mut().expect("an object");
            members.extend(body.as_object().expect("an object").clone());
            return (201, row.to_string());
        }
        match more {
            [] => ok(self.list(first, rows, query)),
            [id] => match rows.iter().find(|row| row["id"] == **id) {
                Some(row) => ok(row.clone()),
                None => (404, json!({"title": "no such row"}).to_string()),
            },
            [id, of, ..] => {
                let rows = self.data["collections"][of].as_array().expect("a collection");
                ok(rows.iter().filter(|row| row["patientId"] == **id).cloned().collect())
            }
        }
    }

    fn list(&self, name: &str, rows: &[Value], query: &str) -> Value {
        let pairs: Vec<(&str, &str)> = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .filter_map(|pair| pair.split_once('='))
            .collect();
        let number =
            |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| value.parse::<usize>());
        let mut found: Vec<&Value> = rows.iter().collect();
        let mut params: Vec<&str> = pairs.iter().map(|(key, _)| *key).collect();
        params.dedup();
        for param in params.into_iter().filter(|param| !matches!(*param, "limit" | "offset")) {
            let member = self.data["batch"][name].get(param).and_then(Value::as_str);
            let values = pairs.iter().filter(|(key, _)| *key == param).map(|(_, value)| *value);
            let wanted: Vec<String> = match member {
                Some(_) => values.flat_map(|value| value.split(',')).map(decoded).collect(),
                None => values.map(decoded).collect(),
            };
            found.retain(|row| wanted.iter().any(|value| row[member.unwrap_or(param)] == **value));
        }
        let offset = number("offset").and_then(Result::ok).unwrap_or(0);
        let limit = number("limit").and_then(Result::ok).unwrap_or(found.len());
        found.into_iter().skip(offset).take(limit).cloned().collect()
    }
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8().expect("UTF-8").into_owned()
}

#[async_trait]
impl Fetch for Rest<'_> {
    async fn fetch(&self, call: Call) -> Result<Answer, CallFailure> {
        let now = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_at_once.fetch_max(now, Ordering::SeqCst);
        self.calls.lock().expect("no panic").push(format!("{} {}", call.method, call.target));
        // Lets the other calls of the level begin.
        tokio::task::yield_now().await;
        self.at_once.fetch_sub(1, Ordering::SeqCst);
        let (status, body) = self.answer(&call.method, &call.target, call.body.as_deref());
        Ok(Answer {
            status: StatusCode::from_u16(status).expect("a status"),
            body: body.into(),
            reuse: Reuse::default(),
            cache: CacheResult::Miss,
            retry_after: None,
        })
    }
}
