//! A purge as it is asked for: `POST /cache/purge`, the `PURGE` method, the command line.
//!
//! ```json
//! { "tags": ["patient:42"], "mode": "soft" }
//! ```

mod answer;
mod url;

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::Value;
use thiserror::Error;

pub use self::{
    answer::{Applied, NodeAnswers, PurgeAnswer, RedisOutcome},
    url::{MAX_URL, UrlName},
};
use crate::{
    cache::{
        entry::Stamp,
        invalidation::{Glob, Mode, Record, Scope},
        key::KeyMaker,
    },
    config::finding::closest,
};

/// Bytes of the longest request.
pub const MAX_BODY: usize = 1024 * 1024;

/// URLs or tags in one request.
pub const MAX_NAMES: usize = 1000;

/// Bytes of the longest tag or route name.
pub const MAX_NAME: usize = 1024;

/// The keys of a request: what is purged, and `mode`.
const SUBJECTS: [&str; 7] = ["url", "urls", "pattern", "tag", "tags", "route", "all"];
const MODES: [&str; 3] = ["hard", "soft", "refresh"];

/// Why a purge is refused, in words for whoever asked for it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct PurgeError(String);

/// What is purged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// All variants of these, each with exactly its query.
    Urls(Vec<UrlName>),
    /// Everything with such a host and path, whatever the query.
    Pattern(Glob),
    /// Everything that bears one of these tags.
    Tags(Vec<String>),
    /// Everything of the route of this name. Whether there is one is not known here.
    Route(String),
    /// Everything.
    All,
}

/// A purge as it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PurgeRequest {
    /// What is purged.
    pub subject: Subject,
    /// What becomes of it.
    pub mode: Mode,
    /// The same under the other names it is kept by, which whoever asks does not know.
    pub also: Vec<Subject>,
}

impl PurgeRequest {
    /// Reads `{ "url" | "urls" | "pattern" | "tag" | "tags" | "route" | "all": …, "mode": … }`.
    pub fn from_json(body: &[u8]) -> Result<Self, PurgeError> {
        if body.len() > MAX_BODY {
            return refuse(format!("the request is longer than {MAX_BODY} bytes"));
        }
        let Members(members) = serde_json::from_slice(body)
            .map_err(|error| PurgeError(format!("the request is not a JSON object: {error}")))?;
        let (mut subject, mut mode) = (None::<(&str, Subject)>, None);
        for (key, value) in &members {
            if key == "mode" {
                if mode.replace(parse_mode(value)?).is_some() {
                    return refuse("`mode` is there twice".to_owned());
                }
                continue;
            }
            let parsed = parse_subject(key, value)?;
            match subject.replace((key, parsed)) {
                None => {}
                Some((other, _)) if other == key => return refuse(format!("`{key}` is there twice")),
                Some((other, _)) => {
                    return refuse(format!(
                        "`{other}` and `{key}` cannot stand together: purge one after the other"
                    ));
                }
            }
        }
        match subject {
            Some((_, subject)) => Ok(Self { subject, mode: mode.unwrap_or_default(), also: Vec::new() }),
            None => refuse(format!("nothing to purge: give one of {}", listed(&SUBJECTS))),
        }
    }

    /// The records that make it so from `at` on.
    pub fn records(&self, keys: &KeyMaker, at: Stamp) -> Vec<Record> {
        let subjects = std::iter::once(&self.subject).chain(&self.also);
        let scopes = subjects.flat_map(|subject| subject.scopes(keys));
        scopes.map(|scope| Record { scope, mode: self.mode, at }).collect()
    }
}

impl Subject {
    fn scopes(&self, keys: &KeyMaker) -> Vec<Scope> {
        match self {
            Self::Urls(urls) => urls.iter().map(|url| Scope::Url(url.tag(keys))).collect(),
            Self::Pattern(glob) => vec![Scope::Pattern(glob.clone())],
            Self::Tags(tags) => tags.iter().map(|tag| Scope::Tag(keys.tag("tag", tag.as_bytes()))).collect(),
            Self::Route(route) => vec![Scope::Route(keys.tag("route", route.as_bytes()))],
            Self::All => vec![Scope::All],
        }
    }
}

/// The members of an object in order, the same key twice included.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

fn refuse<T>(message: String) -> Result<T, PurgeError> {
    Err(PurgeError(message))
}

fn parse_mode(value: &Value) -> Result<Mode, PurgeError> {
    let text = text("mode", value)?;
    match text {
        "hard" => Ok(Mode::Hard),
        "soft" => Ok(Mode::Soft),
        "refresh" => Ok(Mode::Refresh),
        _ => refuse(format!("unknown mode {}{}", clipped(text), advice(text, &MODES))),
    }
}

fn parse_subject(key: &str, value: &Value) -> Result<Subject, PurgeError> {
    match key {
        "url" => Ok(Subject::Urls(vec![parse_url(text(key, value)?)?])),
        "urls" => texts(key, value)?.into_iter().map(parse_url).collect::<Result<_, _>>().map(Subject::Urls),
        "pattern" => {
            let pattern = text(key, value)?;
            let glob = Glob::parse(pattern);
            glob.map(Subject::Pattern).map_err(|why| PurgeError(format!("{}: {why}", clipped(pattern))))
        }
        "tag" => Ok(Subject::Tags(vec![parse_name(key, text(key, value)?)?])),
        "tags" => {
            let names = texts(key, value)?.into_iter().map(|name| parse_name(key, name));
            names.collect::<Result<_, _>>().map(Subject::Tags)
        }
        "route" => parse_name(key, text(key, value)?).map(Subject::Route),
        "all" if *value == Value::Bool(true) => Ok(Subject::All),
        "all" => refuse("`all` can only be `true`".to_owned()),
        _ => {
            let mut known = SUBJECTS.to_vec();
            known.push("mode");
            refuse(format!("unknown key {}{}", clipped(key), advice(key, &known)))
        }
    }
}

fn text<'a>(key: &str, value: &'a Value) -> Result<&'a str, PurgeError> {
    value.as_str().ok_or_else(|| PurgeError(format!("`{key}` has to be text")))
}

fn texts<'a>(key: &str, value: &'a Value) -> Result<Vec<&'a str>, PurgeError> {
    let list = value.as_array().and_then(|list| list.iter().map(Value::as_str).collect::<Option<Vec<_>>>());
    match list {
        None => refuse(format!("`{key}` has to be a list of texts")),
        Some(list) if list.is_empty() => refuse(format!("`{key}` is empty")),
        Some(list) if list.len() > MAX_NAMES => refuse(format!(
            "`{key}` has {} members; more than {MAX_NAMES} are too many for one purge",
            list.len()
        )),
        Some(list) => Ok(list),
    }
}

fn parse_url(url: &str) -> Result<UrlName, PurgeError> {
    UrlName::parse(url).map_err(|why| PurgeError(format!("the URL {} {why}", clipped(url))))
}

/// A tag or the name of a route.
fn parse_name(key: &str, name: &str) -> Result<String, PurgeError> {
    let why = if name.is_empty() {
        "is empty"
    } else if name.len() > MAX_NAME {
        "is longer than 1 KiB"
    } else if name.trim() != name || name.chars().any(char::is_control) {
        "begins or ends with a space, or holds a control character"
    } else {
        return Ok(name.to_owned());
    };
    let kind = if key == "route" { "route" } else { "tag" };
    refuse(format!("the {kind} {} {why}", clipped(name)))
}

/// What was sent, short and harmless enough for an answer and a log.
fn clipped(text: &str) -> String {
    const SHOWN: usize = 80;
    let more = if text.chars().nth(SHOWN).is_some() { "…" } else { "" };
    let shown: String = text.chars().take(SHOWN).collect();
    format!("`{}{more}`", shown.escape_debug())
}

fn advice(wrong: &str, known: &[&str]) -> String {
    match closest(wrong, known.iter().copied()) {
        Some(name) => format!(" (did you mean `{name}`?)"),
        None => format!("; known are {}", listed(known)),
    }
}

fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
