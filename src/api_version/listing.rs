//! The list of the versions, for people and programs that look for them.

use std::time::SystemTime;

use serde_json::{Value, json};

use super::{VersionIndex, Versions};

/// The versions with their phases, dates and links.
pub fn listing(versions: &Versions, now: SystemTime) -> Value {
    let all: Vec<Value> = versions.all().map(|index| one(versions, index, now)).collect();
    json!({ "default": versions.name(versions.default()), "versions": all })
}

fn one(versions: &Versions, index: VersionIndex, now: SystemTime) -> Value {
    let version = versions.version(index);
    let life = &version.life;
    let mut value = json!({
        "version": version.name.as_str(),
        "status": life.phase(now).as_str(),
        "path": versions.root(index),
        "media_type": versions.media_type(index).filter(|_| versions.reads_accept()),
        "deprecated": life.deprecated().map(|at| at.to_string()),
        "sunset": life.sunset().map(|at| at.to_string()),
        "days_to_sunset": life.days_to_sunset(now).map(|days| days.floor() as i64),
        "successor": life.successor.as_ref().map(|name| name.as_str()),
        "documentation": life.documentation,
    });
    let brownouts: Vec<Value> = life
        .brownouts()
        .map(|(from, until)| json!({ "from": from.to_string(), "until": until.to_string() }))
        .collect();
    if let Value::Object(fields) = &mut value {
        fields.retain(|_, value| !value.is_null());
        if !brownouts.is_empty() {
            fields.insert("brownouts".to_owned(), Value::Array(brownouts));
        }
    }
    value
}
