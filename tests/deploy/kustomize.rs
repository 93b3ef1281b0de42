//! As much of kustomize as `deploy/kubernetes` uses, so that the manifests can be looked at where
//! neither kubectl nor kustomize is installed. Where one is, a test compares the two.

use std::{fs, path::Path, process::Command};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use crate::{items, read, word, yaml_at};

/// Kinds that belong to no namespace.
const CLUSTER_WIDE: &[&str] = &["Namespace"];
/// Keys of a kustomization that are understood.
const KNOWN: &[&str] = &[
    "apiVersion",
    "kind",
    "namespace",
    "labels",
    "resources",
    "configMapGenerator",
    "secretGenerator",
    "generatorOptions",
    "images",
    "patches",
];

/// All documents of a directory with a kustomization. Generated names carry no hash.
pub fn render(directory: &Path) -> Vec<Value> {
    let names = ["kustomization.yaml", "Kustomization"];
    let file = names.map(|name| directory.join(name)).into_iter().find(|path| path.exists());
    let file = file.unwrap_or_else(|| panic!("no kustomization in {}", directory.display()));
    let spec = yaml_at(&file);
    for key in spec.as_object().unwrap().keys() {
        assert!(KNOWN.contains(&key.as_str()), "{}: `{key}` is not understood here", file.display());
    }
    let mut documents = Vec::new();
    for resource in items(&spec["resources"]) {
        let path = directory.join(resource.as_str().unwrap());
        documents.extend(if path.is_dir() { render(&path) } else { parse(&read(&path)) });
    }
    documents.extend(items(&spec["configMapGenerator"]).map(|map| config_map(map, directory)));
    documents.extend(items(&spec["secretGenerator"]).map(secret));
    for document in documents.iter_mut().filter(|document| document["kind"] == "ConfigMap") {
        for key in ["labels", "annotations"] {
            add(&mut document["metadata"], key, &spec["generatorOptions"][key]);
        }
    }
    for wanted in items(&spec["patches"]) {
        let text = match wanted["path"].as_str() {
            Some(path) => read(&directory.join(path)),
            None => word(wanted, "patch").to_owned(),
        };
        for patch in parse(&text) {
            apply(&mut documents, &patch);
        }
    }
    for document in &mut documents {
        finish(document, &spec);
    }
    documents
}

/// The documents of a text.
pub fn parse(text: &str) -> Vec<Value> {
    let documents: Vec<Value> = serde_yaml::from_multiple(text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    documents.into_iter().filter(|document| !document.is_null()).collect()
}

/// What kubectl or kustomize make of a directory. `None`: neither is here.
pub fn rendered_by_others(directory: &Path) -> Option<Vec<Value>> {
    let tools: [(&str, &[&str]); 2] = [("kubectl", &["kustomize"]), ("kustomize", &["build"])];
    let output = tools
        .iter()
        .find_map(|(tool, words)| Command::new(tool).args(*words).arg(directory).output().ok())?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(parse(&String::from_utf8(output.stdout).unwrap()))
}

fn config_map(generator: &Value, directory: &Path) -> Value {
    let mut data = Map::new();
    for file in items(&generator["files"]) {
        let path = directory.join(file.as_str().unwrap());
        let key = path.file_name().unwrap().to_str().unwrap().to_owned();
        data.insert(key, fs::read_to_string(&path).unwrap().into());
    }
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": word(generator, "name") }, "data": data })
}

fn secret(generator: &Value) -> Value {
    let pairs = items(&generator["literals"]).map(|pair| pair.as_str().unwrap().split_once('=').unwrap());
    let data: Map<String, Value> =
        pairs.map(|(key, value)| (key.to_owned(), STANDARD.encode(value).into())).collect();
    let name = word(generator, "name");
    json!({ "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": { "name": name }, "data": data })
}

/// Adds the pairs of a map to another one.
fn add(metadata: &mut Value, key: &str, pairs: &Value) {
    for (name, value) in pairs.as_object().into_iter().flatten() {
        metadata[key][name] = value.clone();
    }
}

/// Names, namespace, labels and images: what is said of all documents.
fn finish(document: &mut Value, spec: &Value) {
    if let Some(namespace) = spec["namespace"].as_str()
        && !CLUSTER_WIDE.contains(&word(document, "kind"))
    {
        document["metadata"]["namespace"] = namespace.into();
    }
    for labels in items(&spec["labels"]) {
        add(&mut document["metadata"], "labels", &labels["pairs"]);
    }
    let containers = document.pointer_mut("/spec/template/spec/containers").and_then(Value::as_array_mut);
    for container in containers.into_iter().flatten() {
        let found = items(&spec["images"]).find(|image| image["name"] == container["image"]);
        if let Some(image) = found {
            let name = image.get("newName").unwrap_or(&image["name"]).as_str().unwrap();
            container["image"] = format!("{name}:{}", word(image, "newTag")).into();
        }
    }
}

fn apply(documents: &mut Vec<Value>, patch: &Value) {
    let same = |document: &Value| {
        document["kind"] == patch["kind"] && document["metadata"]["name"] == patch["metadata"]["name"]
    };
    let index = documents.iter().position(same).unwrap_or_else(|| panic!("nothing to patch: {patch}"));
    if patch["$patch"] == "delete" {
        documents.remove(index);
    } else {
        merge(&mut documents[index], patch, "");
    }
}

/// A strategic merge: maps are merged, lists of things with a name too, other lists replaced.
fn merge(base: &mut Value, patch: &Value, field: &str) {
    match (base, patch) {
        (Value::Object(base), Value::Object(patch)) => {
            for (key, value) in patch {
                if value.is_null() {
                    base.remove(key);
                } else {
                    merge(base.entry(key.clone()).or_insert(Value::Null), value, key);
                }
            }
        }
        (Value::Array(base), Value::Array(patch)) if key_of(field, base).is_some() => {
            let key = key_of(field, base).unwrap_or_default();
            for item in patch {
                let index = base.iter().position(|known| known[key] == item[key]);
                match index {
                    Some(index) if item["$patch"] == "delete" => {
                        base.remove(index);
                    }
                    Some(index) => merge(&mut base[index], item, ""),
                    None => base.push(item.clone()),
                }
            }
        }
        (base, patch) => *base = patch.clone(),
    }
}

/// The key that tells the items of a list apart, as the API says it.
fn key_of(field: &str, items: &[Value]) -> Option<&'static str> {
    match field {
        "containers" | "env" | "volumes" => Some("name"),
        "volumeMounts" => Some("mountPath"),
        "ports" if items.iter().any(|item| item.get("containerPort").is_some()) => Some("containerPort"),
        "ports" if items.iter().any(|item| item.get("targetPort").is_some()) => Some("port"),
        _ => None,
    }
}
