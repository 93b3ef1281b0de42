//! The playground in a document without a browser: its files, as the gateway sends them, talk
//! to a GraphQL server. The stories are in `playground.test.mjs`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::{fs, path::Path, process::Command};

use http::{HeaderMap, Method};
use nilegate::services::graphql::playground::{Asked, Playground};

#[test]
fn the_page_queries_completes_and_shows_the_schema() {
    let files = Path::new(env!("CARGO_TARGET_TMPDIR")).join("playground");
    fs::create_dir_all(&files).unwrap();
    let playground = Playground::compile(None).unwrap();
    let headers = HeaderMap::new();
    for name in ["index.html", "playground.css", "playground.js"] {
        let asked = Asked {
            method: &Method::GET,
            below: "",
            query: Some(name),
            headers: &headers,
            wants_page: false,
        };
        fs::write(files.join(name), playground.answer(&asked).unwrap().body()).unwrap();
    }
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/playground/playground.test.mjs");
    let output = Command::new("node").arg("--test").arg(tests).env("PLAYGROUND_FILES", &files).output();
    let output = output.unwrap_or_else(|error| panic!("node (scripts/dev setup installs it): {error}"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "scripts/dev setup installs what the tests import\n{out}{err}");
    assert!(out.contains("# fail 0") || out.contains("ℹ fail 0"), "{out}");
}
