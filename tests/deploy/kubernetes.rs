//! deploy/kubernetes: every manifest is what the API allows, and says of ports, probes, paths,
//! variables and times what the binary and its configuration say.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::symlink,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use clap::Parser as _;
use nilegate::{
    cli::Args,
    config::{Config, load::load_text},
};
use serde_json::{Value, json};

use crate::{
    deploy, files, items,
    kustomize::{parse, render, rendered_by_others},
    ports::Port,
    read, root, word, yaml,
};

const OVERLAYS: [&str; 2] = ["dev", "production"];
/// Variables that the program or its libraries read themselves.
const READ_BY_THE_PROGRAM: &[&str] = &["OTEL_RESOURCE_ATTRIBUTES", "OTEL_EXPORTER_OTLP_ENDPOINT"];
/// What a process needs at the end beside `delay` and `drain_timeout`: seconds.
const END_S: u64 = 10;

fn overlay(name: &str) -> Vec<Value> {
    render(&deploy("kubernetes/overlays").join(name))
}

fn find<'a>(documents: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let same = |document: &&Value| document["kind"] == kind && document["metadata"]["name"] == name;
    documents.iter().find(same).unwrap_or_else(|| panic!("no {kind} {name}"))
}

/// The one container of a workload.
fn container(workload: &Value) -> &Value {
    let containers = workload["spec"]["template"]["spec"]["containers"].as_array().unwrap();
    assert_eq!(containers.len(), 1, "{}", workload["metadata"]["name"]);
    &containers[0]
}

fn workloads(documents: &[Value]) -> impl Iterator<Item = &Value> {
    documents.iter().filter(|document| document.pointer("/spec/template/spec").is_some())
}

/// The port that a name stands for in a container.
fn port(container: &Value, name: &str) -> u64 {
    let found = items(&container["ports"]).find(|port| port["name"] == name);
    found.unwrap_or_else(|| panic!("no port {name}"))["containerPort"].as_u64().unwrap()
}

/// Values for the variables of a container; what comes from elsewhere gets one that fits.
fn environment(container: &Value) -> BTreeMap<String, String> {
    let value = |variable: &Value| match (variable["value"].as_str(), word(variable, "name")) {
        (Some(value), _) => value.to_owned(),
        (None, "NILEGATE_THREADS") => "2".to_owned(),
        (None, "REDIS_URL") => "rediss://redis.example:6379".to_owned(),
        (None, name) => format!("{name}-of-a-secret-that-is-long-enough"),
    };
    items(&container["env"]).map(|env| (word(env, "name").to_owned(), value(env))).collect()
}

/// The mounted configuration, file by file, in the order in which it is read.
fn configuration(documents: &[Value]) -> BTreeMap<String, String> {
    let deployment = find(documents, "Deployment", "nilegate");
    let mut volumes = items(&deployment["spec"]["template"]["spec"]["volumes"]);
    let volume = volumes.find(|volume| volume["name"] == "config").unwrap();
    let maps = items(&volume["projected"]["sources"]).map(|source| word(&source["configMap"], "name"));
    maps.flat_map(|name| find(documents, "ConfigMap", name)["data"].as_object().unwrap())
        .map(|(file, text)| (file.clone(), text.as_str().unwrap().to_owned()))
        .collect()
}

/// The configuration with its variables put in, as one.
fn config(documents: &[Value]) -> Config {
    let variables = environment(container(find(documents, "Deployment", "nilegate")));
    let directory = tempfile::tempdir().unwrap();
    tls_files(directory.path());
    let look = |name: &str| match name {
        "NILEGATE_TLS" => Some(directory.path().display().to_string()),
        _ => variables.get(name).cloned(),
    };
    let mut merged = json!({});
    for (file, text) in configuration(documents) {
        if file.ends_with(".yaml") {
            deep_merge(&mut merged, serde_yaml::from_str(&text).unwrap());
        } else {
            fs::write(directory.path().join(file), text).unwrap();
        }
    }
    let text = serde_yaml::to_string(&merged).unwrap();
    let name = directory.path().join("merged.yaml");
    let loaded = load_text(&name.to_string_lossy(), &text, &look);
    loaded.unwrap_or_else(|error| panic!("{error}\n{text}")).config
}

fn deep_merge(base: &mut Value, other: Value) {
    match (base, other) {
        (Value::Object(base), Value::Object(other)) => {
            for (key, value) in other {
                deep_merge(base.entry(key).or_insert(Value::Null), value);
            }
        }
        (base, other) => *base = other,
    }
}

fn tls_files(directory: &Path) {
    let made = rcgen::generate_simple_self_signed(["edge.example".to_owned()]).unwrap();
    fs::write(directory.join("tls.crt"), made.cert.pem()).unwrap();
    fs::write(directory.join("tls.key"), made.signing_key.serialize_pem()).unwrap();
}

#[test]
fn the_rendering_is_that_of_kustomize_where_it_is_installed() {
    for path in ["overlays/dev", "overlays/production", "monitoring"] {
        let directory = deploy("kubernetes").join(path);
        let ours = render(&directory);
        let Some(theirs) = rendered_by_others(&directory) else { return };
        let names = generated_names(&ours);
        let ours: BTreeMap<String, Value> = ours.into_iter().map(keyed).collect();
        let theirs: BTreeMap<String, Value> =
            theirs.into_iter().map(|it| keyed(unhashed(it, &names))).collect();
        assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>(), "{path}");
        for (name, document) in &ours {
            assert_eq!(document, &theirs[name], "{path}: {name}");
        }
    }
}

fn generated_names(documents: &[Value]) -> Vec<String> {
    let made = documents.iter().filter(|document| ["ConfigMap", "Secret"].contains(&word(document, "kind")));
    made.map(|document| word(&document["metadata"], "name").to_owned()).collect()
}

fn keyed(mut document: Value) -> (String, Value) {
    in_order(&mut document);
    (format!("{} {}", word(&document, "kind"), document["metadata"]["name"]), document)
}

/// The order of named things says nothing.
fn in_order(value: &mut Value) {
    match value {
        Value::Array(items) => {
            items.iter_mut().for_each(in_order);
            if items.iter().all(|item| item.is_object()) {
                items.sort_by_key(|item| serde_json::to_string(item).unwrap());
            }
        }
        Value::Object(map) => {
            map.values_mut().for_each(in_order);
            map.sort_keys();
        }
        _ => {}
    }
}

/// Takes the hash from the names of generated documents, and from what refers to them.
fn unhashed(document: Value, names: &[String]) -> Value {
    match document {
        Value::String(text) => {
            let is_hashed = |name: &&String| {
                let hash = text.strip_prefix(name.as_str()).and_then(|rest| rest.strip_prefix('-'));
                hash.is_some_and(|hash| hash.len() == 10 && hash.bytes().all(|b| b.is_ascii_alphanumeric()))
            };
            Value::String(names.iter().find(is_hashed).cloned().unwrap_or(text))
        }
        Value::Array(items) => items.into_iter().map(|item| unhashed(item, names)).collect(),
        Value::Object(map) => map.into_iter().map(|(key, value)| (key, unhashed(value, names))).collect(),
        other => other,
    }
}

#[test]
fn every_manifest_is_what_the_api_allows() {
    let schemas: Value = serde_json::from_str(&read(&root("tests/deploy/schemas/kubernetes.json"))).unwrap();
    let problems_of = |document: &Value| -> Vec<String> {
        let kind = format!("{} {}", word(document, "apiVersion"), word(document, "kind"));
        let name = schemas["kinds"][&kind].as_str().unwrap_or_else(|| panic!("no schema of {kind}"));
        let schema =
            json!({ "$ref": format!("#/definitions/{name}"), "definitions": schemas["definitions"] });
        let validator = jsonschema::validator_for(&schema).unwrap();
        let found = validator.iter_errors(document);
        found.map(|error| format!("{kind} {}: {error}", error.instance_path())).collect()
    };
    for name in OVERLAYS {
        let documents = overlay(name);
        assert!(documents.len() >= 8, "{name} has {} documents", documents.len());
        let problems: Vec<String> = documents.iter().flat_map(&problems_of).collect();
        assert!(problems.is_empty(), "{name}: {problems:#?}");
    }
    let mut misspelt = find(&overlay("dev"), "Deployment", "nilegate").clone();
    misspelt["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = json!({});
    assert_eq!(problems_of(&misspelt).len(), 1, "the schema is not strict");
}

#[test]
fn the_configuration_is_sound_with_what_the_pod_is_given() {
    for name in OVERLAYS {
        let documents = overlay(name);
        let container = container(find(&documents, "Deployment", "nilegate"));
        let directory = tempfile::tempdir().unwrap();
        let tls = tempfile::tempdir().unwrap();
        tls_files(tls.path());
        let files = configuration(&documents);
        for (file, text) in &files {
            fs::write(directory.path().join(file), text).unwrap();
        }
        let output = Command::new(env!("CARGO_BIN_EXE_nilegate"))
            .args(["check", "--config"])
            .arg(directory.path())
            .env_clear()
            .envs(environment(container))
            .env("NILEGATE_TLS", tls.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        let text: String = files.into_values().collect();
        for variable in environment(container).keys() {
            let is_used = text.contains(&format!("${{{variable}"))
                || READ_BY_THE_PROGRAM.contains(&variable.as_str())
                || read(&deploy("kubernetes/base/deployment.yaml")).contains(&format!("$({variable})"));
            assert!(is_used, "{name}: {variable} is set and never used");
        }
    }
}

#[test]
fn ports_and_commands_are_those_of_the_configuration() {
    for name in OVERLAYS {
        let documents = overlay(name);
        for workload in workloads(&documents) {
            let container = container(workload);
            if !word(container, "image").contains("nilegate") {
                continue;
            }
            let arguments = items(&container["args"]).map(|word| word.as_str().unwrap());
            Args::try_parse_from(std::iter::once("nilegate").chain(arguments)).unwrap();
        }
        let config = config(&documents);
        let gateway = container(find(&documents, "Deployment", "nilegate"));
        let admin = config.process.admin.as_ref().unwrap().address;
        assert_eq!(port(gateway, "admin"), u64::from(admin.port()), "{name}");
        assert!(admin.ip().is_unspecified(), "{name}: the kubelet asks from outside");
        let listeners = config.process.listeners.iter().map(|listener| u64::from(listener.address.port()));
        let ways_in: Vec<u64> = items(&gateway["ports"])
            .filter(|port| port["name"] != "admin")
            .map(|port| port["containerPort"].as_u64().unwrap())
            .collect();
        assert_eq!(ways_in, listeners.collect::<Vec<_>>(), "{name}");
        let probes =
            ["startupProbe", "readinessProbe", "livenessProbe"].map(|probe| &gateway[probe]["httpGet"]);
        assert_eq!(probes.map(|probe| word(probe, "path")), ["/livez", "/readyz", "/livez"]);
        assert!(probes.iter().all(|probe| probe["port"] == "admin"));
    }
}

/// Whoever selects pods selects some, by names of ports that they have.
#[test]
fn selectors_and_ports_meet() {
    for name in OVERLAYS {
        let documents = overlay(name);
        let has = |labels: &Value, wanted: &Value| {
            wanted.as_object().unwrap().iter().all(|(key, value)| labels[key] == *value)
        };
        for workload in workloads(&documents) {
            let labels = &workload["spec"]["template"]["metadata"]["labels"];
            assert!(has(labels, &workload["spec"]["selector"]["matchLabels"]), "{}", workload["metadata"]);
        }
        for service in documents.iter().filter(|document| document["kind"] == "Service") {
            let selected = workloads(&documents)
                .find(|it| has(&it["spec"]["template"]["metadata"]["labels"], &service["spec"]["selector"]));
            let container =
                container(selected.unwrap_or_else(|| panic!("{} selects nothing", service["metadata"])));
            for wanted in items(&service["spec"]["ports"]) {
                port(container, word(wanted, "targetPort"));
            }
        }
        let gateway = find(&documents, "Deployment", "nilegate");
        let labels = &gateway["spec"]["template"]["metadata"]["labels"];
        let policy = find(&documents, "NetworkPolicy", "nilegate");
        assert!(has(labels, &policy["spec"]["podSelector"]["matchLabels"]));
        for wanted in items(&policy["spec"]["ingress"]).flat_map(|rule| items(&rule["ports"])) {
            port(container(gateway), word(wanted, "port"));
        }
        for kind in ["PodDisruptionBudget", "HorizontalPodAutoscaler"] {
            let found = documents.iter().find(|document| document["kind"] == kind);
            assert_eq!(found.is_some(), name == "production", "{name}: {kind}");
            if let Some(selector) = found.and_then(|it| it.pointer("/spec/selector/matchLabels")) {
                assert!(has(labels, selector));
            }
            if let Some(target) = found.and_then(|it| it.pointer("/spec/scaleTargetRef")) {
                assert_eq!(
                    (&target["kind"], &target["name"]),
                    (&gateway["kind"], &gateway["metadata"]["name"])
                );
            }
        }
    }
}

#[test]
fn a_pod_lives_long_enough_to_drain() {
    for name in OVERLAYS {
        let documents = overlay(name);
        let deployment = find(&documents, "Deployment", "nilegate");
        let shutdown = config(&documents).process.shutdown;
        let grace = deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"].as_u64().unwrap();
        let before = container(deployment)["lifecycle"]["preStop"]["sleep"]["seconds"].as_u64().unwrap();
        let draining = shutdown.delay.get() + shutdown.drain_timeout.get();
        assert!(
            grace >= before + draining.as_secs() + END_S,
            "{name}: {grace} s for {before} s + {draining:?}"
        );
    }
}

#[test]
fn nothing_runs_with_rights_it_does_not_need() {
    for name in OVERLAYS {
        for workload in workloads(&overlay(name)) {
            let pod = &workload["spec"]["template"]["spec"];
            let container = container(workload);
            let which = format!("{name}: {}", workload["metadata"]["name"]);
            assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{which}");
            assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault", "{which}");
            assert_eq!(pod["automountServiceAccountToken"], false, "{which}");
            assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true, "{which}");
            assert_eq!(container["securityContext"]["allowPrivilegeEscalation"], false, "{which}");
            assert_eq!(container["securityContext"]["capabilities"]["drop"], json!(["ALL"]), "{which}");
            for bound in ["/requests/cpu", "/requests/memory", "/limits/memory"] {
                assert!(container["resources"].pointer(bound).is_some(), "{which}: no {bound}");
            }
        }
    }
}

#[test]
fn the_cache_leaves_room_in_the_pods_memory() {
    for name in OVERLAYS {
        let documents = overlay(name);
        let limit =
            word(&container(find(&documents, "Deployment", "nilegate"))["resources"]["limits"], "memory")
                .to_owned();
        let (number, unit) = limit.split_at(limit.find(char::is_alphabetic).unwrap());
        let scale = BTreeMap::from([("Mi", 1u64 << 20), ("Gi", 1 << 30)])[unit];
        let limit = number.parse::<u64>().unwrap() * scale;
        let cache = config(&documents).process.cache.memory.capacity.0;
        assert!(cache * 2 <= limit, "{name}: {cache} bytes of {limit}");
    }
}

#[test]
fn secrets_and_maps_that_are_referred_to_are_made_or_explained() {
    for name in OVERLAYS {
        let documents = overlay(name);
        let explained = read(&deploy("kubernetes/overlays").join(name).join("kustomization.yaml"));
        let made = generated_names(&documents);
        for workload in workloads(&documents) {
            let secrets = items(&container(workload)["env"])
                .filter_map(|env| env.pointer("/valueFrom/secretKeyRef"))
                .map(|reference| (word(reference, "name"), word(reference, "key")));
            let volumes = items(&workload["spec"]["template"]["spec"]["volumes"])
                .filter_map(|volume| volume.pointer("/secret/secretName"))
                .map(|name| (name.as_str().unwrap(), ""));
            for (secret, key) in secrets.chain(volumes) {
                let has_key = || {
                    documents
                        .iter()
                        .any(|it| it["metadata"]["name"] == secret && it["data"].get(key).is_some())
                };
                let is_explained = || {
                    explained
                        .lines()
                        .any(|line| line.contains("create secret") && line.contains(&format!(" {secret} ")))
                        && explained.contains(key)
                };
                assert!(
                    (made.contains(&secret.to_owned()) && has_key()) || is_explained(),
                    "{name}: {secret} {key}"
                );
            }
        }
    }
}

#[test]
fn the_rules_are_those_of_prometheus() {
    let list = |file: &str| {
        let text = read(&deploy("prometheus").join(file));
        let groups = text.split_once("\ngroups:\n").unwrap().1;
        groups
            .lines()
            .map(|line| if line.is_empty() { "\n".to_owned() } else { format!("  {line}\n") })
            .collect::<String>()
    };
    let made = format!(
        "# Made of deploy/prometheus/recording.yml and alerts.yml by a test; NILEGATE_BLESS=1 makes it anew.\n\
         apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata:\n  name: nilegate\nspec:\n  groups:\n{}{}",
        list("recording.yml"),
        list("alerts.yml")
    );
    let path = deploy("kubernetes/monitoring/rules.yaml");
    if std::env::var_os("NILEGATE_BLESS").is_some() {
        fs::write(&path, &made).unwrap();
    }
    assert!(
        read(&path) == made,
        "rules.yaml is not what deploy/prometheus says: NILEGATE_BLESS=1 makes it anew"
    );
    let groups = &parse(&made)[0]["spec"]["groups"];
    let expected = items(&yaml("prometheus/recording.yml")["groups"]).count()
        + items(&yaml("prometheus/alerts.yml")["groups"]).count();
    assert_eq!(items(groups).count(), expected);
}

#[test]
fn the_monitor_finds_the_admin_port_and_the_job_has_its_name() {
    let monitoring = render(&deploy("kubernetes/monitoring"));
    let monitor = &find(&monitoring, "ServiceMonitor", "nilegate")["spec"];
    for name in OVERLAYS {
        let documents = overlay(name);
        let service = find(&documents, "Service", "nilegate-admin");
        for (key, value) in monitor["selector"]["matchLabels"].as_object().unwrap() {
            assert_eq!(&service["metadata"]["labels"][key], value, "{name}");
        }
        assert_eq!(
            service["metadata"]["labels"][word(monitor, "jobLabel")],
            "nilegate",
            "the rules name the job"
        );
        assert_eq!(service["spec"]["ports"][0]["name"], monitor["endpoints"][0]["port"]);
        assert_eq!(
            service["metadata"]["namespace"],
            find(&monitoring, "ServiceMonitor", "nilegate")["metadata"]["namespace"]
        );
    }
    assert_eq!(monitor["endpoints"][0]["path"], "/metrics");
}

#[test]
fn every_dashboard_is_a_config_map_for_the_sidecar() {
    let monitoring = render(&deploy("kubernetes/monitoring"));
    for path in files("grafana/dashboards", "json") {
        let file = path.file_name().unwrap().to_str().unwrap();
        let name = format!("nilegate-dashboard-{}", path.file_stem().unwrap().to_str().unwrap());
        let map = find(&monitoring, "ConfigMap", &name);
        assert_eq!(map["metadata"]["labels"]["grafana_dashboard"], "1", "{name}");
        assert_eq!(word(&map["data"], file), read(&path), "{name}");
    }
}

/// A gateway started as a pod starts it: the configuration mounted as the kubelet mounts it.
struct Pod {
    child: Child,
    admin: String,
}

impl Pod {
    /// Asks on the admin port, as the kubelet does: whether the answer was 200, and the answer.
    fn ask(&self, path: &str) -> (bool, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_nilegate"))
            .args(["healthcheck", "--admin", &self.admin, "--path", path])
            .output()
            .unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn wait(&self, path: &str, holds: impl Fn(&(bool, String)) -> bool) -> String {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let answer = self.ask(path);
            if holds(&answer) {
                return answer.1;
            }
            assert!(Instant::now() < deadline, "{path}: {answer:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_changed_config_map_is_in_force_without_a_restart() {
    let documents = overlay("dev");
    let mount = tempfile::tempdir().unwrap();
    let files = configuration(&documents);
    // The kubelet's way: files point into `..data`, which points to a folder that is swapped.
    let write = |version: &str, files: &BTreeMap<String, String>| {
        let folder = mount.path().join(version);
        fs::create_dir(&folder).unwrap();
        for (file, text) in files {
            fs::write(folder.join(file), text).unwrap();
        }
        let new = mount.path().join("..data_tmp");
        symlink(version, &new).unwrap();
        fs::rename(new, mount.path().join("..data")).unwrap();
    };
    write("..first", &files);
    for file in files.keys() {
        symlink(Path::new("..data").join(file), mount.path().join(file)).unwrap();
    }
    let (gateway, admin) = (Port::free(), Port::free());
    let child = Command::new(env!("CARGO_BIN_EXE_nilegate"))
        .args(["run", "--config"])
        .arg(mount.path())
        .env_clear()
        .envs(environment(container(find(&documents, "Deployment", "nilegate"))))
        .env("GATEWAY", gateway.to_string())
        .env("ADMIN", admin.to_string())
        // Nobody is there: neither services nor Redis. It starts all the same, and says so.
        .envs([("PATIENTS_1", "127.0.0.1:9"), ("PATIENTS_2", "127.0.0.2:9")])
        .envs(["APPOINTMENTS", "AUTH"].map(|name| (name, "127.0.0.1:9")))
        .env("REDIS_HOST", "127.0.0.1")
        .env("REDIS_PORT", "9")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let pod = Pod { child, admin: admin.to_string() };
    pod.wait("/livez", |(good, _)| *good);
    // It gets past its start all the same.
    pod.wait("/readyz", |(_, said)| {
        said.contains("patients has no healthy backend") && !said.contains("starting")
    });
    assert!(pod.ask("/metrics").0);

    let mut changed = files.clone();
    for text in changed.values_mut() {
        *text = text.replace("name: short-link", "name: shorter-link");
    }
    assert_ne!(changed, files);
    let before = pod.ask("/config").1;
    write("..second", &changed);
    let after = pod.wait("/config", |(_, said)| said.contains("shorter-link"));
    assert!(before.contains("short-link") && !after.contains("name: short-link"));
}
