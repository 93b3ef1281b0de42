//! Files beside the configuration whose content is configuration too: the schema of GraphQL, the
//! list of its documents, the page to try queries on.
//!
//! Paths of theirs start at the directory of the file that names them. What they hold is part of
//! the fingerprint, so that a change of it is a change of the configuration.

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    Config,
    finding::Problem,
    graphql::FoundDirectory,
    load::{Files, read_text},
    repair::Located,
    source::Source,
    tree::{Node, Place, Value},
};

/// The keys that name files, and what those are.
const SCHEMA: (&str, &str) = ("traffic.graphql.schema", "schema");
const MANIFEST: (&str, &str) = ("traffic.graphql.persisted.file", "manifest");
/// The key that names a directory.
const PLAYGROUND: &str = "traffic.graphql.playground.dir";
/// Said of whatever was not found.
const HINT: &str = "a relative path starts at the directory of the file that names it";
/// Entries of a directory that are looked at: more than its reader takes.
const ENTRIES_MAX: usize = 10_000;

/// Reads what is named. What cannot be read is a problem of the key.
pub(super) fn attach(files: &Files, source: &mut Source) -> Vec<Located> {
    let mut problems = Vec::new();
    for (key, what) in [SCHEMA, MANIFEST] {
        let Some((path, place)) = named(&source.tree, files, key) else { continue };
        match read_text(&path) {
            Ok(text) => {
                source.attached.push((key, source.names.len()));
                source.names.push(path.display().to_string());
                source.texts.push(text);
            }
            Err(error) => {
                let message = format!("cannot read the {what} `{}`: {error}", path.display());
                problems.push(Located { place, problem: Problem::new(key, message).hint(HINT) });
            }
        }
    }
    if let Some((path, place)) = named(&source.tree, files, PLAYGROUND) {
        match stamp(&path) {
            Ok(stamp) => source.directory = Some(FoundDirectory { path, stamp }),
            Err(error) => {
                let message = format!("cannot read the directory `{}`: {error}", path.display());
                problems.push(Located { place, problem: Problem::new(PLAYGROUND, message).hint(HINT) });
            }
        }
    }
    problems
}

/// Puts what was read into the configuration.
pub(super) fn complete(config: &mut Config, source: &Source) {
    let Some(graphql) = &mut config.traffic.graphql else { return };
    let text = |(key, _): (&str, &str)| -> Arc<str> {
        let attached = source.attached.iter().find(|(path, _)| *path == key);
        attached.map(|(_, file)| source.texts[*file].as_str().into()).unwrap_or_default()
    };
    graphql.sdl = text(SCHEMA);
    graphql.persisted.text = text(MANIFEST);
    graphql.playground.found.clone_from(&source.directory);
}

/// The path that a key names, and where it does.
fn named(tree: &Node, files: &Files, key: &str) -> Option<(PathBuf, Place)> {
    let node = key.split('.').try_fold(tree, |node, key| match &node.value {
        Value::Map(entries) => entries.iter().find(|(name, _)| name.name == key).map(|(_, node)| node),
        _ => None,
    })?;
    let Value::Text(text) = &node.value else { return None };
    let directory = files.get(node.place.file).and_then(|(file, _)| file.parent()).unwrap_or(Path::new(""));
    Some((directory.join(text), node.place))
}

/// A number that changes with the names, sizes and times of the files below a directory.
fn stamp(directory: &Path) -> io::Result<u64> {
    let mut hasher = DefaultHasher::new();
    let (mut waiting, mut seen) = (vec![directory.to_owned()], 0);
    while let Some(directory) = waiting.pop() {
        let entries = fs::read_dir(&directory)?.collect::<Result<Vec<_>, _>>()?;
        let mut paths: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
        paths.sort();
        seen += paths.len();
        if seen > ENTRIES_MAX {
            return Err(io::Error::other(format!("it holds more than {ENTRIES_MAX} files")));
        }
        for path in paths {
            // Not followed: what links lead to is for whoever reads the files to judge.
            let link = fs::symlink_metadata(&path)?;
            let is_directory = link.is_dir();
            let of = fs::metadata(&path).unwrap_or(link);
            (&path, of.len(), of.mtime(), of.mtime_nsec(), of.ctime(), of.ctime_nsec()).hash(&mut hasher);
            if is_directory {
                waiting.push(path);
            }
        }
    }
    Ok(hasher.finish())
}
