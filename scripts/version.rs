//! What `nilegate --version` says: the version, and the commit it was built from.
//!
//! `NILEGATE_COMMIT` says it where git is not at hand (images, packages); release builds ask
//! git otherwise. Development builds do not, or every commit would rebuild everything. No time
//! of the build goes in: the same source gives the same binary.

#![expect(clippy::print_stdout, reason = "this is how a build script answers cargo")]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Digits of a commit's name, as git shortens it.
const DIGITS: usize = 12;

fn main() {
    println!("cargo::rerun-if-env-changed=NILEGATE_COMMIT");
    println!("cargo::rerun-if-changed=scripts/version.rs");
    let commit = given().or_else(|| is_release().then(from_git).flatten());
    let version = text("CARGO_PKG_VERSION").unwrap_or_default();
    let stamp = match &commit {
        Some(commit) => format!("{version} ({commit})"),
        None => version,
    };
    println!("cargo::rustc-env=NILEGATE_VERSION={stamp}");
    println!("cargo::rustc-env=NILEGATE_REVISION={}", commit.as_deref().unwrap_or("unknown"));
}

fn text(name: &str) -> Option<String> {
    env::var_os(name)?.into_string().ok()
}

/// The commit as the environment says it; empty is as good as not said.
fn given() -> Option<String> {
    let said = text("NILEGATE_COMMIT")?;
    let name: String = said.trim().chars().filter(char::is_ascii_graphic).collect();
    let is_long_hash = name.len() > DIGITS && name.chars().all(|c| c.is_ascii_hexdigit());
    let length = if is_long_hash { DIGITS } else { name.len() };
    (!name.is_empty()).then(|| name[..length].to_owned())
}

fn is_release() -> bool {
    text("PROFILE").is_some_and(|profile| profile == "release")
}

/// The commit of the working tree, with `-dirty` behind it when tracked files differ.
fn from_git() -> Option<String> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR")?);
    let top = fs::canonicalize(git(&root, &["rev-parse", "--show-toplevel"])?).ok()?;
    // Inside somebody else's repository its commit says nothing of us.
    if top != fs::canonicalize(&root).ok()? {
        return None;
    }
    for name in ["HEAD", "logs/HEAD"] {
        let path = root.join(git(&root, &["rev-parse", "--git-path", name])?);
        if path.exists() {
            println!("cargo::rerun-if-changed={}", path.display());
        }
    }
    for source in ["src", "Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={source}");
    }
    let commit = git(&root, &["rev-parse", &format!("--short={DIGITS}"), "HEAD"])?;
    let changed = git(&root, &["status", "--porcelain", "--untracked-files=no"])?;
    Some(if changed.is_empty() { commit } else { format!("{commit}-dirty") })
}

fn git(root: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").current_dir(root).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
