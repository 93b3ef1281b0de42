//! Configuration files as an operator writes them: good ones load, bad ones get
//! every finding at once, and the documentation keeps up with the types.
//!
//! `NILEGATE_BLESS=1` rewrites the expected findings of `tests/config/invalid/`.

#![expect(clippy::unwrap_used, reason = "a test fails where it panics")]

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
};

use nilegate::{
    config::{
        load::{Loaded, fingerprint, load, load_text},
        print, schema,
    },
    server,
};
use serde_json::Value;

/// The environment of the fixtures.
fn env(name: &str) -> Option<String> {
    match name {
        "FIXTURE_PORT" => Some("18080".to_owned()),
        "FIXTURE_THREADS" => Some("2".to_owned()),
        "FIXTURE_BACKEND" => Some("127.0.0.1:8000".to_owned()),
        "FIXTURE_TOKEN" => Some("hunter2-hunter2".to_owned()),
        _ => None,
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn yaml_files(directory: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(directory)).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|ext| ext == "yaml"));
    files.sort();
    assert!(!files.is_empty(), "{directory} holds no fixtures");
    files
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

#[track_caller]
fn loaded(path: &Path) -> Loaded {
    let text = fs::read_to_string(path).unwrap();
    load_text(&name(path), &text, &env).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn valid_files_load_and_print_back() {
    for path in yaml_files("tests/config/valid") {
        let first = loaded(&path);
        assert_eq!(first.warnings, [], "{}", path.display());
        let printed = print::print(&first);
        assert!(!printed.contains("hunter2"), "{printed}");
        let second = load_text("printed", &printed, &env).unwrap_or_else(|e| panic!("{e}\n{printed}"));
        assert_eq!(first.config, second.config, "{}\n{printed}", path.display());
    }
}

#[test]
fn invalid_files_get_the_findings_beside_them() {
    let bless = std::env::var_os("NILEGATE_BLESS").is_some();
    for path in yaml_files("tests/config/invalid") {
        let text = fs::read_to_string(&path).unwrap();
        let Err(error) = load_text(&name(&path), &text, &env) else {
            panic!("{} has no findings", path.display());
        };
        let found = format!("{error}\n");
        assert!(!found.contains("hunter2"), "a secret is shown:\n{found}");
        let beside = path.with_extension("stderr");
        if bless {
            fs::write(&beside, &found).unwrap();
        }
        let expected = fs::read_to_string(&beside).unwrap_or_default();
        assert_eq!(found, expected, "{}: NILEGATE_BLESS=1 accepts what was found", path.display());
    }
}

#[test]
fn five_mistakes_are_reported_at_once() {
    let text = fs::read_to_string(root().join("tests/config/invalid/five-mistakes.yaml")).unwrap();
    let error = load_text("five-mistakes.yaml", &text, &env).unwrap_err();
    let lines: Vec<_> = error.findings.iter().map(|finding| finding.line).collect();
    assert_eq!(lines, [3, 5, 9, 11, 16], "{error}");
    assert_eq!(error.to_json()["errors"], 5);
    assert!(error.to_string().ends_with("\n5 errors"));
}

/// Types, bounds, references and compilation all look at the same values.
#[test]
fn one_mistake_is_one_finding_whoever_meets_it() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("nilegate.yaml");
    for (upstream, route) in [
        ("backends: [localhost]", ""),
        ("backends: [{ address: localhost, weight: 2 }]", ""),
        ("backends: [x:1, { address: x:1 }]", ""),
        ("backends: [{ address: x:1, weight: 0 }]", ""),
        ("backends: []", ""),
        ("backends: [x:1], protocol: auto", ""),
        ("backends: [x:1], retry: { attempts: 11 }", ""),
        ("backends: [x:1], timeouts: { read: 0s }", ""),
        ("backends: [x:1], health_check: { path: live }", ""),
        ("backends: [x:1], health_check: { interval: 0s }", ""),
        ("backends: [x:1], circuit_breaker: { failure_ratio: 0 }", ""),
        ("backends: [x:1], balance: { consistent_hash: { cookie: \"a b\" } }", ""),
        ("backends: [x:1], tls: { ca: /nowhere }", ""),
        ("backends: [x:1]", ", { name: b, match: { path: /b }, upstream: nobody }"),
        ("backends: [x:1]", ", { name: b, match: { path: /b }, upstream: a, timeouts: { total: 0s } }"),
        ("backends: [x:1]", ", { name: b, match: { path: /b }, redirect: { to: /c, status: 200 } }"),
        ("backends: [x:1]", ", { name: b, match: { path: /b }, respond: { status: 42 } }"),
        ("backends: [x:1]", ", { name: b, match: { path: b }, upstream: a }"),
        ("backends: [x:1]", ", { name: b, match: { path: /b } }"),
    ] {
        let text = format!(
            "process: {{ listeners: [{{ address: 127.0.0.1:1 }}] }}\n\
             traffic:\n  upstreams:\n    a: {{ {upstream} }}\n  routes: [{{ name: a, upstream: a }}{route}]\n"
        );
        fs::write(&file, &text).unwrap();
        let error = server::load(&file).err().unwrap_or_else(|| panic!("no findings: {text}"));
        assert_eq!(error.findings.len(), 1, "{text}\n{error}");
    }
}

/// The tests that stand beside a mapping run wherever a configuration is compiled.
#[test]
fn a_mapping_is_tried_at_every_load() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("nilegate.yaml");
    let text = |rule: &str, output: &str| {
        format!(
            "process: {{ listeners: [{{ address: 127.0.0.1:1 }}] }}\n\
             traffic:\n  mappings:\n    patient:\n      from: v1\n      to: v2\n      request:\n      \
             - rename: {{ {rule}: firstName }}\n      tests:\n      - direction: request\n        \
             input: {{ first_name: Ada }}\n        output: {{ {output}: Ada }}\n"
        )
    };
    let findings = |text: String| {
        fs::write(&file, text).unwrap();
        server::load(&file).err().map(|error| error.findings).unwrap_or_default()
    };
    assert_eq!(findings(text("first_name", "firstName")), []);
    let failing = findings(text("first_name", "first_name"));
    assert_eq!(failing.len(), 1);
    assert_eq!(failing[0].line, 12);
    assert!(failing[0].message.contains("`/first_name` is missing"), "{}", failing[0].message);
    let broken = findings(text("a/b", "firstName"));
    assert_eq!((broken.len(), broken[0].line), (1, 8));
}

/// The schema of GraphQL is configuration too: its problems have their places in its own file,
/// and a change of it is a change of the configuration.
#[test]
fn a_schema_is_read_with_the_configuration_that_names_it() {
    let directory = tempfile::tempdir().unwrap();
    let (file, schema) = (directory.path().join("nilegate.yaml"), directory.path().join("a.graphql"));
    let text = "process: { listeners: [{ address: 127.0.0.1:1 }] }\n\
                traffic:\n  graphql: { schema: a.graphql }\n  routes: [{ name: g, graphql: {} }]\n";
    fs::write(&file, text).unwrap();
    let good = "schema @source(name: \"s\", route: \"/s\") { query: Query }\n\
                type Query { a: Int @rest(source: \"s\", get: \"/a\") }\n";
    fs::write(&schema, good).unwrap();
    let compiled = server::load(&file).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(&*compiled.loaded.config.traffic.graphql.unwrap().sdl, good);
    assert_eq!(compiled.loaded.fingerprint, fingerprint(&file));

    fs::write(&schema, good.replace("Int", "Itn")).unwrap();
    assert_ne!(compiled.loaded.fingerprint, fingerprint(&file));
    let error = server::load(&file).err().unwrap();
    let expected = format!(
        "{}:2:17: unknown type `Itn`\n  2 | type Query {{ a: Itn @rest(source: \"s\", get: \"/a\") }}\n    \
         |                 ^^^\n  hint: did you mean `Int`?\n\n1 error",
        schema.display()
    );
    assert_eq!(error.to_string(), expected);

    fs::remove_file(&schema).unwrap();
    let error = server::load(&file).err().unwrap();
    assert_eq!((error.findings.len(), error.findings[0].line), (1, 3), "{error}");
    assert!(error.findings[0].message.contains("cannot read the schema"), "{error}");
}

/// The same for identity: what is only unusual is not counted.
#[test]
fn one_mistake_about_identity_is_one_finding() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("nilegate.yaml");
    let key = "{ id: a, hash: 'sha256:d7ecdf25eaf3deba0f2628771dbdd22d4138ab6cf38f91ed02a2ca0dec7c8ab7' }";
    let good = format!("api_keys: {{ header: X-Key, keys: [{key}] }}");
    for (provider, route) in [
        (good.as_str(), "auth: { with: nobody }"),
        (&good, "auth: { with: [p, nobody] }"),
        (&good, "auth: { with: p, forward: { 'X Y': subject } }"),
        (&good, "auth: { with: p, forward: { Host: subject } }"),
        (&good, "auth: { with: p }, cache: {}"),
        (&good, "cache: { partition: roles }"),
        ("jwt: { keys: { secret: '' } }", "auth: { with: p }"),
        ("jwt: { keys: { secret: x }, algorithms: [ES256] }", "auth: { with: p }"),
        ("jwt: { keys: { secret: x }, from: { header: 'a b' } }", "auth: { with: p }"),
        ("jwt: { keys: { pem: /nowhere } }", "auth: { with: p }"),
        ("jwt: { keys: { pem: '-----BEGIN PUBLIC KEY-----' } }", "auth: { with: p }"),
        ("jwt: { keys: { jwks_file: /nowhere } }", "auth: { with: p }"),
        ("jwt: { keys: { jwks: { upstream: b, path: /k } } }", "auth: { with: p }"),
        ("jwt: { keys: { jwks: { upstream: a, path: /k } }, algorithms: [HS256] }", "auth: { with: p }"),
        ("api_keys: { header: X-Key, keys: [{ id: a, hash: x }] }", "auth: { with: p }"),
        ("api_keys: { header: X-Key, keys: [] }", "auth: { with: p }"),
        ("basic: { users: [] }", "auth: { with: p }"),
        ("basic: { users: [{ name: e, hash: sesame }] }", "auth: { with: p }"),
        ("forward: { upstream: a, path: verify, identity: { subject: X } }", "auth: { with: p }"),
        ("forward: { upstream: a, path: /v, send: ['X Y'], identity: { subject: X } }", "auth: { with: p }"),
    ] {
        let text = format!(
            "process: {{ listeners: [{{ address: 127.0.0.1:1 }}] }}\n\
             traffic:\n  upstreams: {{ a: {{ backends: [x:1] }} }}\n  auth: {{ providers: {{ p: {{ {provider} }} }} }}\n  \
             routes: [{{ name: a, upstream: a, {route} }}]\n"
        );
        fs::write(&file, &text).unwrap();
        let error = server::load(&file).err().unwrap_or_else(|| panic!("no findings: {text}"));
        let errors = error.findings.iter().filter(|finding| finding.is_error()).count();
        assert_eq!(errors, 1, "{text}\n{error}");
    }
}

#[test]
fn shipped_files_load_without_any_environment() {
    for path in yaml_files("conf") {
        let text = fs::read_to_string(&path).unwrap();
        let result = load_text(&name(&path), &text, &|_| None);
        let loaded = result.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(loaded.warnings, []);
    }
}

#[test]
fn the_schema_accepts_what_loads() {
    let validator = jsonschema::validator_for(&schema::json_schema()).unwrap();
    let files = yaml_files("tests/config/valid").into_iter().chain(yaml_files("conf"));
    for path in files {
        let document: Value = serde_yaml::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let errors: Vec<_> = validator
            .iter_errors(&document)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{}: {errors:#?}", path.display());
    }
}

#[test]
fn a_directory_is_one_configuration() {
    let directory = root().join("tests/config/directory");
    let loaded = load(&directory).unwrap_or_else(|error| panic!("{error}"));
    let names: Vec<_> = loaded.files.iter().map(|path| name(path)).collect();
    assert_eq!(names, ["10-process.yaml", "20-orders.yaml", "30-billing.yml"]);
    assert_eq!(loaded.config.traffic.upstreams.len(), 2);
    let routes: Vec<_> = loaded.config.traffic.routes.iter().map(|route| route.name.as_str()).collect();
    assert_eq!(routes, ["orders", "billing"]);
}

#[test]
fn the_same_name_in_two_files_is_a_finding_in_the_second() {
    let directory = tempfile::tempdir().unwrap();
    let process = "process: { listeners: [{ address: 127.0.0.1:1 }] }\n";
    let traffic =
        "traffic:\n  upstreams:\n    a: { backends: [x:1] }\n  routes:\n    - { name: r, upstream: a }\n";
    fs::write(directory.path().join("a.yaml"), format!("{process}{traffic}")).unwrap();
    fs::write(directory.path().join("b.yaml"), traffic).unwrap();
    fs::write(directory.path().join("ignored.txt"), "not: [yaml").unwrap();
    let error = load(directory.path()).unwrap_err();
    let found: Vec<_> = error.findings.iter().map(|f| (f.line, f.message.as_str())).collect();
    assert_eq!(found, [(3, "duplicate key `a`"), (5, "duplicate route name `r`")]);
    assert!(error.findings.iter().all(|finding| finding.file.ends_with("b.yaml")));
}

#[test]
fn what_cannot_be_read_is_one_clear_finding() {
    let error = load(Path::new("/nowhere/nilegate.yaml")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "/nowhere/nilegate.yaml: cannot read the configuration: No such file or directory (os error 2)\n  \
         hint: name a file, or a directory that holds `*.yaml` files\n\n1 error"
    );
    let empty = tempfile::tempdir().unwrap();
    assert!(load(empty.path()).unwrap_err().to_string().contains("holds no `*.yaml` file"));
    let binary = empty.path().join("x.yaml");
    fs::write(&binary, [0xff, 0xfe, 0x00]).unwrap();
    assert!(load(&binary).unwrap_err().to_string().contains("UTF-8"));
}

#[test]
fn the_fingerprint_follows_files_and_what_is_substituted() {
    let directory = tempfile::tempdir().unwrap();
    let secret = directory.path().join("secret");
    let path = directory.path().join("nilegate.yaml");
    let text = fs::read_to_string(root().join("conf/minimal.yaml")).unwrap();
    let header =
        format!("  headers: {{ request: {{ set: {{ X-Key: \"${{file:{}}}\" }} }} }}\n", secret.display());
    fs::write(&secret, "one\n").unwrap();
    fs::write(&path, format!("{text}{header}")).unwrap();
    let first = load(&path).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(first.config.traffic.headers.request.set["X-Key"], "one");
    assert_eq!(first.fingerprint, fingerprint(&path));
    fs::write(&secret, "two\n").unwrap();
    let second = fingerprint(&path);
    assert_ne!(first.fingerprint, second);
    fs::write(&path, "process: [").unwrap();
    assert_ne!(fingerprint(&path), second);
    fs::remove_file(&path).unwrap();
    assert_ne!(fingerprint(&path), second);
}

/// A row of `conf/README.md` starts with a key in backticks; `same keys as`
/// stands for all the keys of another section.
#[test]
fn every_key_is_documented() {
    let readme = fs::read_to_string(root().join("conf/README.md")).unwrap();
    let rows = readme.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let rows: Vec<(&str, &str)> = rows.collect();
    let shared = |path: &str| {
        rows.iter().find_map(|(section, text)| {
            let rest = path.strip_prefix(section).filter(|rest| rest.starts_with(['.', '[']))?;
            let (_, other) = text.split_once("same keys as `")?;
            Some(format!("{}{rest}", other.split_once('`')?.0))
        })
    };
    let documented = |path: &str| rows.iter().any(|(row, _)| *row == path);
    let keys = schema::key_paths();
    let missing: Vec<_> = keys
        .iter()
        .filter(|path| !documented(path) && !shared(path).is_some_and(|other| documented(&other)))
        .collect();
    assert!(missing.is_empty(), "conf/README.md does not describe {missing:#?}");
    let unknown: Vec<_> = rows
        .iter()
        .map(|(row, _)| *row)
        .filter(|row| row.starts_with("process") || row.starts_with("traffic"))
        .filter(|row| !keys.iter().any(|key| key == row))
        .collect();
    assert!(unknown.is_empty(), "conf/README.md describes keys that do not exist: {unknown:#?}");
}

/// Every line in turn is taken out, emptied, or given a value of another type.
#[test]
fn no_damage_to_a_file_goes_unanswered() {
    let text = fs::read_to_string(root().join("tests/config/valid/everything.yaml")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let refused: usize = thread::scope(|scope| {
        let share = |first| {
            let own = (first..lines.len()).step_by(threads);
            scope.spawn(|| own.map(|index| damage(&lines, index)).sum::<usize>())
        };
        let workers: Vec<_> = (0..threads).map(share).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    assert!(refused > lines.len(), "only {refused} refused");
}

/// How many ways of damaging this line are refused.
fn damage(lines: &[&str], index: usize) -> usize {
    let key = lines[index].split_once(':').map_or("", |(key, _)| key);
    let ways = [String::new(), format!("{key}:"), format!("{key}: [7]"), format!("{key}: {{ a: b }}")];
    let refusals = ways.iter().filter_map(|damaged| {
        let mut lines = lines.to_vec();
        lines[index] = damaged;
        let error = load_text("damaged.yaml", &lines.join("\n"), &env).err()?;
        assert!(!error.findings.is_empty(), "line {index} as `{damaged}`");
        assert!(error.findings.iter().all(|f| f.line > 0), "line {index} as `{damaged}`: {error}");
        Some(())
    });
    refusals.count()
}
