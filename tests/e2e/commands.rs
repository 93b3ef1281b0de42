//! The commands beside `run`: what they print, and how they exit.

use std::{
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use serde_json::Value;

use crate::harness::{Answer, Gateway, Origin};

const ROUTES: &str = r#"
process:
  listeners: [{ address: "127.0.0.1:8080" }]
traffic:
  upstreams: { patients: { backends: ["127.0.0.1:9001", { address: "127.0.0.1:9002", weight: 3 }] } }
  routes:
    - name: patient
      match: { path: "/api/{version}/patients/{id}" }
      upstream: patients
      rewrite: { path: "/{version}/patient/{id}", host: patients.internal }
    - name: internal
      match: { path: "/api/**", headers: { X-Tenant: clinic } }
      upstream: patients
    - { name: moved, match: { path: "/old/{id}" }, redirect: { to: "/new/{id}" } }
"#;

/// Runs a command to its end.
pub fn nilegate(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_nilegate")).args(arguments).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// A configuration file of this text, in a directory of its own.
pub fn written(text: &str) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("nilegate.yaml");
    std::fs::write(&path, text).unwrap();
    (directory, path)
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nilegate"));
    let mut child = command.arg("schema").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), stdout(&output)), (Some(0), String::new()));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn check_finds_what_only_later_floors_know_together_with_the_rest() {
    let text = ROUTES
        .replace("upstream: patients\n      rewrite", "upstream: patint\n      rewrite")
        .replace(r#"path: "/old/{id}""#, r#"path: "/old/{id}/{id}""#);
    let (_directory, path) = written(&text);
    let output = nilegate(&["check", "-c", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(64));
    let found = String::from_utf8(output.stderr).unwrap();
    assert!(found.contains("unknown upstream `patint`"), "{found}");
    assert!(found.contains("did you mean `patients`?"), "{found}");
    assert_eq!(found.matches("unknown upstream").count(), 1, "said once: {found}");
    assert!(found.contains("nilegate.yaml:14:37: `/old/{id}/{id}` captures `id` twice"), "{found}");

    let output = nilegate(&["-t", "-c", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(64), "-t is check");
    let output = nilegate(&["check", "--format", "json", "-c", path.to_str().unwrap()]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report["findings"].as_array().unwrap().len() >= 2, "{report}");
}

#[test]
fn check_prints_the_configuration_as_it_took_effect() {
    let (_directory, path) = written(ROUTES);
    let output = nilegate(&["check", "--print", "-c", path.to_str().unwrap()]);
    assert!(output.status.success());
    let printed = stdout(&output);
    assert!(printed.contains("drain_timeout: 20s"), "defaults are filled in: {printed}");
    let (_other, again) = written(&printed);
    assert!(nilegate(&["check", "-c", again.to_str().unwrap()]).status.success(), "it can be loaded again");
}

#[test]
fn explain_says_which_route_what_target_and_why_not_the_others() {
    let (_directory, path) = written(ROUTES);
    let explain = |arguments: &[&str]| {
        let all = [&["explain"], arguments, &["-c", path.to_str().unwrap()]].concat();
        stdout(&nilegate(&all))
    };
    let said = explain(&["GET", "http://a.test/api/v1/patients/42?x=1", "-H", "X-Tenant: clinic"]);
    for part in [
        "route      patient",
        "{version} = v1",
        "{id} = 42",
        "/v1/patient/42?x=1",
        "patients.internal",
        "127.0.0.1:9001, 127.0.0.1:9002",
        "internal (any host, /api/**): outranked",
    ] {
        assert!(said.contains(part), "{part:?} is missing in:\n{said}");
    }
    let said = explain(&["GET", "/api/v1/other", "--format", "json"]);
    let answer: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(answer["route"], Value::Null);
    assert_eq!(answer["refused"], "404 no_route");
    assert!(answer["considered"][0].as_str().unwrap().contains("not taken"), "{answer}");
    assert!(explain(&["GET", "/old/7"]).contains("redirected with 308 to /new/7"));
    assert!(explain(&["GET", "/api/../x"]).contains("refused"));
}

#[test]
fn explain_lists_limits() {
    let (_directory, path) = written(
        "process: { listeners: [{ address: 127.0.0.1:1 }] }\n\
         traffic:\n  upstreams: { a: { backends: [127.0.0.1:2], concurrency: { limit: 7, queue: 3 } } }\n  \
         rate_limits: { per-client: { rate: 100/s, burst: 200, by: address } }\n  \
         routes: [{ name: r, upstream: a, rate_limit: [per-client, \
         { rate: 10/m, by: \"header:X-Tenant\", methods: [POST] }] }]\n",
    );
    let explain = |method| stdout(&nilegate(&["explain", method, "/", "-c", path.to_str().unwrap()]));
    let first = "limits     per-client: 100/s, 200 at once, for each address, kept by this node\n";
    let second = "           r#2: 10/m, 10 at once, for each header:x-tenant, kept by this node\n";
    let said = explain("POST");
    assert!(said.contains(&format!("{first}{second}")), "{said}");
    assert!(said.contains("7 requests at once, 3 wait for 100ms at most"), "{said}");
    let said = explain("GET");
    assert!(said.contains(first) && !said.contains("r#2"), "{said}");
}

#[test]
fn explain_says_who_would_be_taken_to_call() {
    let key = "sha256:d7ecdf25eaf3deba0f2628771dbdd22d4138ab6cf38f91ed02a2ca0dec7c8ab7";
    let (_directory, path) = written(&format!(
        "process: {{ listeners: [{{ address: 127.0.0.1:1 }}] }}
traffic:
  upstreams: {{ a: {{ backends: [x:1] }} }}
  auth:
    providers:
      partners: {{ api_keys: {{ header: X-API-Key, keys: [{{ id: lab-7, hash: '{key}', roles: [lab] }}] }} }}
      legacy: {{ forward: {{ upstream: a, path: /verify, identity: {{ subject: X-User }} }} }}
  routes:
    - name: guarded
      upstream: a
      auth: {{ with: [partners, legacy], require: {{ any: ['role:lab', 'scope:x'] }}, forward: {{ X-Who: subject }} }}
      cache: {{ partition: roles }}
    - {{ name: believed, match: {{ headers: {{ X-Who: {{ present: true }} }} }}, respond: {{}} }}
"
    ));
    let explain = |fields: &[&str]| {
        let fields = fields.iter().flat_map(|field| ["-H", field]);
        let all: Vec<&str> = ["explain", "GET", "/a"].into_iter().chain(fields).collect();
        stdout(&nilegate(&[&all, &["-c", path.to_str().unwrap()][..]].concat()))
    };
    let said = explain(&["X-API-Key: open-sesame"]);
    for part in [
        "auth       required, by partners or legacy; needs role:lab or scope:x",
        "admitted as lab-7 by partners",
        "sends x-who: lab-7",
        "one copy for each roles",
    ] {
        assert!(said.contains(part), "{part:?} is missing in:\n{said}");
    }
    assert!(explain(&[]).contains("refused    401 credentials_missing"));
    assert!(explain(&["X-API-Key: x"]).contains("refused    401 api_key_unknown"));
    let said = explain(&["X-API-Key: open-sesame", "X-Who: root"]);
    assert!(said.contains("route      guarded") && said.contains("sends x-who: lab-7"), "{said}");
    assert!(explain(&["Cookie: a=b"]).contains("cannot be told offline: legacy asks its service"));
}

#[test]
fn the_schema_and_the_types_say_the_same() {
    let schema: Value = serde_json::from_slice(&nilegate(&["schema"]).stdout).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let good = serde_json::json!({ "process": { "listeners": [{ "address": "127.0.0.1:8080" }] } });
    assert!(validator.is_valid(&good));
    let bad = serde_json::json!({ "process": { "listeners": [{ "address": "127.0.0.1:8080", "tsl": {} }] } });
    assert!(!validator.is_valid(&bad));
}

#[tokio::test(flavor = "multi_thread")]
async fn healthcheck_exits_as_the_gateway_feels() {
    let origin = Origin::saying("ok").await;
    let gateway = Gateway::before(&origin).start().await;
    let admin = gateway.admin_address().to_string();
    let ask = |arguments: Vec<String>| {
        tokio::task::spawn_blocking(move || {
            nilegate(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
        })
    };
    let healthy = ask(vec!["healthcheck".into(), "--admin".into(), admin.clone()]).await.unwrap();
    assert!(healthy.status.success(), "{healthy:?}");
    assert!(stdout(&healthy).contains("ready"));
    let words = ["healthcheck", "--path", "/nowhere", "--admin", &admin].map(str::to_owned);
    assert_eq!(ask(words.to_vec()).await.unwrap().status.code(), Some(1), "another path, another answer");
    drop(gateway);
    let gone = ask(vec!["healthcheck".into(), "--admin".into(), admin]).await.unwrap();
    assert_eq!(gone.status.code(), Some(1));
}

#[test]
fn check_finds_versions_that_cannot_be_served() {
    let text = r#"
process: { listeners: [{ address: "127.0.0.1:8080" }] }
traffic:
  api_versions: { versions: { v1: {}, v2: {}, v3: {} }, default: v1 }
  upstreams: { patients: { backends: ["127.0.0.1:8001"] } }
  routes:
    - name: patients
      match: { path: "/api/patients/{id}" }
      versions:
        v1: { via: v2, upstream: patients }
        v2: { path: "/people/{number}", upstream: patients }
        v3: {}
        v4: { via: v1 }
    - { name: loop, match: { path: "/api/x" }, versions: { v1: { via: v2 }, v2: { via: v1 } } }
"#;
    let (_directory, path) = written(text);
    let found = nilegate(&["check", "-c", path.to_str().unwrap()]);
    let found = String::from_utf8(found.stderr).unwrap();
    for finding in [
        "10:34: has no effect where another version",
        "11:21: `{number}` is captured by no path",
        "12:9: says nothing of the service that speaks it",
        "13:9: there is no version `v4`",
        "14:71: leads back to where it came from",
    ] {
        assert!(found.contains(finding), "{finding} is not in {found}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cache_and_the_versions_of_a_running_gateway() {
    let origin = Origin::start(|_| Answer::ok("x").header("Cache-Control", "max-age=3600")).await;
    let traffic = r#"
api_versions:
  versions: { v1: { deprecated: 2024-01-01 }, v2: {} }
  default: v1
  consumer: "header:X-Client-Id"
upstreams: { origin: { backends: ['@origin@'] } }
routes:
  - { name: kept, match: { path: "/api/**" }, upstream: origin, cache: {}, versions: { v1: {}, v2: {} } }
"#;
    let gateway = Gateway::new().set("origin", &origin).traffic(traffic).start().await;
    let admin = gateway.admin_address().to_string();
    let ask = async |words: &[&str]| {
        let words: Vec<String> =
            words.iter().chain(&["--admin", &admin]).map(|&word| word.to_owned()).collect();
        let run = move || nilegate(&words.iter().map(String::as_str).collect::<Vec<_>>());
        tokio::task::spawn_blocking(run).await.unwrap()
    };
    for _ in 0..2 {
        gateway.client().get("/api/v1/a").header("X-Client-Id", "lab").send().await;
    }
    assert_eq!(origin.requests().len(), 1);
    assert!(stdout(&ask(&["stats"]).await).contains("\"hits\": 1"));
    let purged = ask(&["purge", "--url", &format!("http://{}/api/v1/a", gateway.address())]).await;
    assert!(purged.status.success(), "{purged:?}");
    gateway.get("/api/v1/a").await;
    assert_eq!(origin.requests().len(), 2, "it was purged");
    let everything = ask(&["purge", "--pattern", "/**"]).await;
    assert_eq!(everything.status.code(), Some(1), "{}", stdout(&everything));
    assert_eq!(ask(&["purge"]).await.status.code(), Some(2), "nothing is named");
    let versions = stdout(&ask(&["versions"]).await);
    let lab = versions.lines().find(|line| line.contains("lab")).expect("the caller is named");
    assert!(lab.starts_with("v1") && lab.contains("kept"), "{versions}");
    let json: serde_json::Value =
        serde_json::from_str(&stdout(&ask(&["versions", "--format", "json"]).await)).unwrap();
    assert_eq!(json["data"]["versions"][0]["status"], "deprecated");
}

#[test]
fn a_reader_that_has_gone_is_no_failure() {
    let (_directory, path) = written(ROUTES);
    let path = path.to_str().unwrap();
    let printing: [&[&str]; 4] = [
        &["schema"],
        &["check", "-c", path, "--print"],
        &["explain", "GET", "/old/1", "-c", path],
        &["generate", "completions", "bash"],
    ];
    for arguments in printing {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let child = Command::new(env!("CARGO_BIN_EXE_nilegate"))
            .args(arguments)
            .stdout(writer)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        assert!(output.stderr.is_empty(), "{arguments:?}: {output:?}");
    }
}

#[test]
fn options_before_a_command_are_refused() {
    let output = nilegate(&["-c", "a.yaml", "run"]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("'run' cannot be used with '--config"), "{said}");
}
