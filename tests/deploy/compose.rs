//! docker-compose.dev.yml and the files around it, held against the specification, against each
//! other and against the binary. No Docker is needed, and none is run.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
};

use clap::Parser as _;
use nilegate::cli::Args;
use serde_json::{Map, Value};

use crate::{items, read, root, run, word, yaml_at};

/// Services that run our image.
const OURS: &str = "nilegate:dev";

fn compose() -> Value {
    yaml_at(&root("docker-compose.dev.yml"))
}

fn services(compose: &Value) -> &Map<String, Value> {
    compose["services"].as_object().unwrap()
}

fn ours(compose: &Value) -> impl Iterator<Item = (&String, &Value)> {
    services(compose).iter().filter(|(_, service)| service["image"] == OURS)
}

/// A list of words with the defaults of its variables put in.
fn words(value: &Value) -> Vec<String> {
    items(value).map(|word| interpolated(word.as_str().unwrap())).collect()
}

/// `${NAME:-default}` becomes its default.
fn interpolated(text: &str) -> String {
    let Some((before, rest)) = text.split_once("${") else { return text.to_owned() };
    let (inside, after) = rest.split_once('}').unwrap();
    let (_, default) = inside.split_once(":-").unwrap_or_else(|| panic!("{text}: no default"));
    format!("{before}{default}{}", interpolated(after))
}

/// The environment that a service is given.
fn environment(service: &Value) -> BTreeMap<String, String> {
    let pairs = service["environment"].as_object().into_iter().flatten();
    pairs.map(|(name, value)| (name.clone(), interpolated(value.as_str().unwrap()))).collect()
}

/// What follows `flag` in a command.
fn following<'a>(words: &'a [String], flag: &str) -> Vec<&'a str> {
    words.windows(2).filter(|pair| pair[0] == flag).map(|pair| pair[1].as_str()).collect()
}

#[test]
fn it_is_what_the_specification_allows() {
    let schema: Value = serde_json::from_str(&read(&root("tests/deploy/schemas/compose.json"))).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let problems: Vec<String> = validator
        .iter_errors(&compose())
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(problems.is_empty(), "{problems:#?}");
    let mut bad = compose();
    bad["services"]["gateway"]["port"] = "8080".into();
    assert!(!validator.is_valid(&bad), "the schema finds nothing");
}

#[test]
fn every_path_it_names_is_there() {
    let compose = compose();
    let volumes = compose["volumes"].as_object().unwrap();
    let mut used = BTreeSet::new();
    for (name, service) in services(&compose) {
        for volume in items(&service["volumes"]) {
            let source = volume.as_str().unwrap().split(':').next().unwrap();
            if source.starts_with("./") {
                assert!(root(source).exists(), "{name}: {source}");
            } else {
                assert!(volumes.contains_key(source), "{name}: no volume {source}");
                used.insert(source.to_owned());
            }
        }
        for watched in items(&service["develop"]["watch"]) {
            assert!(root(word(watched, "path")).exists(), "{name}: {watched}");
        }
        if let Some(build) = service.get("build") {
            assert!(root(word(build, "dockerfile")).is_file(), "{name}");
            let arguments = build["args"].as_object().unwrap().keys();
            let dockerfile = read(&root(word(build, "dockerfile")));
            for argument in arguments {
                assert!(dockerfile.contains(&format!("ARG {argument}=")), "{name}: no ARG {argument}");
            }
        }
    }
    assert_eq!(used.len(), volumes.len(), "volumes that nobody uses");
}

#[test]
fn the_binary_understands_every_command() {
    let compose = compose();
    assert_eq!(ours(&compose).count(), 7);
    for (name, service) in ours(&compose) {
        let health = words(&service["healthcheck"]["test"]);
        assert_eq!(health[..2], ["CMD", "nilegate"], "{name}");
        for arguments in [&words(&service["command"])[..], &health[2..]] {
            let line = std::iter::once("nilegate").chain(arguments.iter().map(String::as_str));
            Args::try_parse_from(line).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }
}

#[test]
fn whoever_is_waited_for_tells_when_it_is_healthy() {
    let compose = compose();
    let services = services(&compose);
    for (name, service) in services {
        assert!(service.get("healthcheck").is_some() || service["image"] == OURS, "{name}");
        for (other, wait) in service["depends_on"].as_object().into_iter().flatten() {
            assert_eq!(wait["condition"], "service_healthy", "{name}");
            assert!(services[other].get("healthcheck").is_some(), "{name} waits for {other}");
        }
        for port in items(&service["ports"]) {
            let shown = interpolated(port.as_str().unwrap());
            assert!(shown.starts_with("127.0.0.1:"), "{name} is open to the network: {shown}");
        }
    }
}

#[test]
fn the_gateway_finds_every_service_and_is_found() {
    let compose = compose();
    // Which service of the demo listens where, by the name it has in the network.
    let mut offered = BTreeMap::new();
    for (host, service) in ours(&compose) {
        let command = words(&service["command"]);
        for (name, address) in following(&command, "--service").iter().map(|at| at.split_once('=').unwrap()) {
            let port = address.rsplit_once(':').unwrap().1;
            assert!(address.starts_with("0.0.0.0:"), "{host} is not to be reached at {address}");
            offered.insert(name.replace('-', "_").to_uppercase(), format!("{host}:{port}"));
        }
        if command[0] == "demo" {
            let asked = following(&words(&service["healthcheck"]["test"]), "--admin")[0].to_owned();
            let port = asked.rsplit_once(':').unwrap().1;
            assert!(offered.values().any(|at| *at == format!("{host}:{port}")), "{host} asks {asked}");
        }
    }
    for name in ["gateway", "gateway-2"] {
        let service = &compose["services"][name];
        let environment = environment(service);
        for (variable, address) in &offered {
            assert_eq!(environment.get(variable), Some(address), "{name}: {variable}");
        }
        let port = |variable: &str| environment[variable].rsplit_once(':').unwrap().1.to_owned();
        let inside: BTreeSet<String> = items(&service["ports"])
            .map(|port| interpolated(port.as_str().unwrap()).rsplit_once(':').unwrap().1.to_owned())
            .collect();
        assert_eq!(inside, BTreeSet::from([port("GATEWAY"), port("ADMIN")]), "{name}");
        let asked = following(&words(&service["healthcheck"]["test"]), "--admin")[0].to_owned();
        assert_eq!(asked, format!("127.0.0.1:{}", port("ADMIN")), "{name}");
    }
}

#[test]
fn its_configuration_is_sound_with_what_it_is_given() {
    let compose = compose();
    let service = &compose["services"]["gateway"];
    let command = words(&service["command"]);
    let folder = following(&command, "--config")[0].to_owned();
    let mounted = items(&service["volumes"]).map(|volume| volume.as_str().unwrap());
    let source = mounted.filter_map(|volume| volume.strip_suffix(&format!(":{folder}:ro"))).next();
    let source = root(source.expect("the configuration is mounted"));
    let environment = environment(service);
    let output = Command::new(env!("CARGO_BIN_EXE_nilegate"))
        .args(["check", "--config"])
        .arg(&source)
        .env_clear()
        .envs(&environment)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // The library of the exporter reads its own; everything else is for `${…}`.
    let text: String = ["nilegate.yaml", "stack.yaml"].map(|file| read(&source.join(file))).concat();
    for name in environment.keys() {
        assert!(text.contains(&format!("${{{name}")), "{name} is set and never used");
    }
}

#[test]
fn the_example_of_settings_names_each_with_its_default() {
    let text = read(&root("docker-compose.dev.yml"));
    let mut asked = BTreeMap::new();
    for piece in text.split("${").skip(1) {
        let (name, default) = piece.split_once('}').unwrap().0.split_once(":-").unwrap();
        let earlier = asked.insert(name, default);
        assert!(earlier.is_none_or(|earlier| earlier == default), "{name} has two defaults");
    }
    let example = read(&root(".env.example"));
    let given: BTreeMap<&str, &str> = example
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split_once('=').unwrap())
        .collect();
    assert_eq!(given.get("COMPOSE_PROFILES"), Some(&""), "compose reads this one itself");
    asked.insert("COMPOSE_PROFILES", "");
    assert_eq!(asked, given);
}

/// The layout inside the container, so that relative paths mean what they mean there.
#[test]
fn prometheus_finds_its_rules_the_gateways_and_the_alertmanager() {
    let compose = compose();
    let service = &compose["services"]["prometheus"];
    let directory = tempfile::tempdir().unwrap();
    for volume in items(&service["volumes"]).map(|volume| volume.as_str().unwrap()) {
        let (source, target) = volume.trim_end_matches(":ro").split_once(':').unwrap();
        let Some(inside) = target.strip_prefix("/etc/prometheus/") else { continue };
        std::os::unix::fs::symlink(root(source), directory.path().join(inside)).unwrap();
    }
    run("promtool", &["check", "config"], &directory.path().join("prometheus.yml"));
    let config = yaml_at(&directory.path().join("prometheus.yml"));
    let target = |name: &str| name.split_once(':').map(|(host, port)| (host.to_owned(), port.to_owned()));
    let alerts = &config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"][0];
    let (host, port) = target(alerts.as_str().unwrap()).unwrap();
    let ports = words(&compose["services"][&host]["ports"]);
    assert!(ports[0].ends_with(&format!(":{port}")), "{host} is not at {port}");

    let scrape = &config["scrape_configs"][0];
    assert_eq!(scrape["job_name"], "nilegate", "the rules name it");
    let found = &scrape["dns_sd_configs"][0];
    for name in ["gateway", "gateway-2"] {
        let gateway = &compose["services"][name];
        assert_eq!(gateway["networks"]["default"]["aliases"][0], found["names"][0], "{name}");
        assert!(environment(gateway)["ADMIN"].ends_with(&format!(":{}", found["port"])), "{name}");
    }
}

#[test]
fn the_alertmanager_finds_its_file() {
    let compose = compose();
    let command = words(&compose["services"]["alertmanager"]["command"]);
    assert_eq!(command[0], "--config.file=/etc/alertmanager/alertmanager.yml");
    assert!(root("deploy/alertmanager/alertmanager.yml").is_file());
}

#[test]
fn grafana_finds_its_sources_and_dashboards() {
    let compose = compose();
    let (here, there) =
        ["deploy/docker/grafana-datasources.yml", "deploy/grafana/provisioning/datasources/nilegate.yml"]
            .map(|file| yaml_at(&root(file)))
            .into();
    for (ours, example) in items(&here["datasources"]).zip(items(&there["datasources"])) {
        for key in ["name", "uid", "type", "access"] {
            assert_eq!(ours[key], example[key], "dashboards name the uid");
        }
        let (host, port) = word(ours, "url").trim_start_matches("http://").split_once(':').unwrap();
        let ports = words(&compose["services"][host]["ports"]);
        assert!(ports[0].ends_with(&format!(":{port}")), "{host} is not at {port}");
    }
    let grafana = &compose["services"]["grafana"];
    let mounts: Vec<&str> = items(&grafana["volumes"]).map(|volume| volume.as_str().unwrap()).collect();
    let provider = yaml_at(&root("deploy/grafana/provisioning/dashboards/nilegate.yml"));
    let folder = word(&provider["providers"][0]["options"], "path");
    assert!(mounts.contains(&format!("./deploy/grafana/dashboards:{folder}:ro").as_str()), "{mounts:?}");
    let home = environment(grafana)["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"].clone();
    let home = home.strip_prefix(&format!("{folder}/")).unwrap().to_owned();
    assert!(root("deploy/grafana/dashboards").join(home).is_file());
}

#[test]
fn the_dockerfile_copies_what_is_there_and_runs_as_nobody() {
    let text = read(&root("deploy/docker/Dockerfile"));
    let ignored = read(&root(".dockerignore"));
    let kept: Vec<&str> = ignored.lines().filter_map(|line| line.strip_prefix('!')).collect();
    for path in &kept {
        assert!(root(path).exists(), ".dockerignore keeps {path}, which is not there");
    }
    let manifest = read(&root("Cargo.toml"));
    let script = manifest.lines().find_map(|line| line.strip_prefix("build = ")).unwrap().trim_matches('"');
    assert!(kept.contains(&script), "the build script is not in the context");
    for line in text.lines().filter(|line| line.starts_with("COPY ") && !line.contains("--from")) {
        let source = line.split_whitespace().nth(1).unwrap();
        let is_kept = source == "." || kept.iter().any(|kept| Path::new(source).starts_with(kept));
        assert!(root(source).exists() && is_kept, "{line}");
    }
    let last_stage = text.rsplit_once("\nFROM ").unwrap().1;
    assert!(last_stage.starts_with("gcr.io/distroless/"), "no shell, no package manager");
    for expected in ["\nUSER 65532", "\nSTOPSIGNAL SIGTERM", "\nHEALTHCHECK "] {
        assert!(last_stage.contains(expected), "no {expected}");
    }
    for base in text.lines().filter_map(|line| line.strip_prefix("FROM ")) {
        assert!(!base.contains(":latest"), "{base} is a moving target");
    }
    // Words in exec form: there is no shell to split them.
    for instruction in ["ENTRYPOINT ", "    CMD ", "CMD "] {
        let line = last_stage.lines().find_map(|line| line.strip_prefix(instruction)).unwrap();
        let words: Vec<String> = serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"));
        let line = words.iter().map(String::as_str).filter(|word| !word.starts_with('/'));
        Args::try_parse_from(std::iter::once("nilegate").chain(line)).unwrap();
    }
}

#[test]
fn the_image_starts_with_a_page() {
    let text = read(&root("deploy/docker/Dockerfile"));
    assert!(text.contains("COPY conf/welcome.yaml /etc/nilegate/nilegate.yaml"));
    let output = Command::new(env!("CARGO_BIN_EXE_nilegate"))
        .args(["check", "--config", "conf/welcome.yaml"])
        .current_dir(root(""))
        .env_clear()
        .env("NILEGATE_LISTEN", "0.0.0.0:8080")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(fs::read_to_string(root("conf/welcome.yaml")).unwrap().contains("${NILEGATE_LISTEN"));
}
