//! Examples of configuration: completed to a whole one, and checked by the binary.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::{Command, Output},
    sync::LazyLock,
};

use regex::Regex;
use serde_json::{Map, Value, json};

use crate::markdown::{Block, root};

/// Paths of files that an example may name: they are made for the check.
static FILES: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(/etc/nilegate|/run/secrets)(/[\w./-]+)").unwrap());
/// Variables without a default.
static VARIABLES: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\$\{([A-Z0-9_]+)(?::\?[^}]*)?\}").unwrap());

/// Runs `nilegate check` on an example.
///
/// What a whole configuration has and the example leaves out is put beside it: a listener, a
/// backend for each upstream that is named but not described, and the versions of the API that
/// its routes and mappings name. Files below `/etc/nilegate` and `/run/secrets` are made.
pub fn check(block: &Block) -> Output {
    let place = tempfile::tempdir().unwrap();
    let text = with_files(&block.text, place.path());
    let mut value: Value =
        serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{}: not YAML: {error}", block.place));
    complete(&mut value);
    let path = place.path().join("nilegate.yaml");
    fs::write(&path, format!("{value:#}")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_nilegate"));
    command.current_dir(root()).arg("check").arg("-c").arg(&path);
    for variable in VARIABLES.captures_iter(&block.text) {
        command.env(&variable[1], "example");
    }
    command.output().unwrap()
}

/// Makes the files that an example names, below `place`; the text with their new names.
fn with_files(text: &str, place: &Path) -> String {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate =
        rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    for named in FILES.captures_iter(text) {
        let path = place.join(&named[0][1..]);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let content = match path.extension().and_then(|extension| extension.to_str()) {
            Some("crt" | "pem") => certificate.pem(),
            Some("key") => key.serialize_pem(),
            Some("graphql") => fs::read_to_string(root().join("conf/graphql/nilecare.graphql")).unwrap(),
            // 32 bytes in base64: what the strictest of all secrets has to be.
            _ => "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=".to_owned(),
        };
        fs::write(path, content).unwrap();
    }
    FILES.replace_all(text, format!("{}$0", place.display())).into_owned()
}

fn complete(value: &mut Value) {
    let map = value.as_object_mut().expect("an example begins with `process:` or `traffic:`");
    let listeners = json!([{ "address": "127.0.0.1:8080" }]);
    section(map, "process").entry("listeners").or_insert(listeners);
    let traffic = section(map, "traffic");
    let (mut upstreams, mut versions) = (BTreeSet::new(), BTreeSet::new());
    for (key, value) in traffic.iter() {
        named(key, value, &mut upstreams, &mut versions);
    }
    let described = section(traffic, "upstreams");
    for name in upstreams {
        described.entry(name).or_insert(json!({ "backends": ["127.0.0.1:8000"] }));
    }
    if let Some(first) = versions.first().cloned() {
        let versions: Map<String, Value> = versions.into_iter().map(|name| (name, json!({}))).collect();
        traffic.entry("api_versions").or_insert(json!({ "versions": versions, "default": first }));
    }
}

fn section<'a>(map: &'a mut Map<String, Value>, name: &str) -> &'a mut Map<String, Value> {
    let entry = map.entry(name).or_insert_with(|| json!({}));
    entry.as_object_mut().unwrap_or_else(|| panic!("`{name}` is no map"))
}

/// Collects the upstreams and versions that are named below a key.
fn named(key: &str, value: &Value, upstreams: &mut BTreeSet<String>, versions: &mut BTreeSet<String>) {
    match (key, value) {
        ("upstream", Value::String(name)) => drop(upstreams.insert(name.clone())),
        ("versions", Value::Object(map)) => versions.extend(map.keys().cloned()),
        ("mappings", Value::Object(map)) => {
            let ends = map.values().flat_map(|mapping| [&mapping["from"], &mapping["to"]]);
            versions.extend(ends.filter_map(Value::as_str).map(str::to_owned));
        }
        _ => {}
    }
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| named(key, value, upstreams, versions)),
        Value::Array(list) => list.iter().for_each(|value| named("", value, upstreams, versions)),
        _ => {}
    }
}

#[test]
fn an_example_with_a_mistake_is_refused() {
    let block = |text: &str| Block { place: String::new(), info: String::new(), text: text.to_owned() };
    let good = check(&block("traffic: { routes: [{ name: a, upstream: b }] }"));
    assert!(good.status.success(), "{}", String::from_utf8_lossy(&good.stderr));
    let bad = check(&block("traffic: { routes: [{ name: a, upstream: b, timeout: 1s }] }"));
    assert_eq!(bad.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&bad.stderr).contains("timeout"));
}
