//! How a version stands in the target of a request.

use std::borrow::Cow;

use super::{VersionIndex, Versions};
use crate::{config::api_version::VersionSource, grammar::query};

/// A path that has a version in it, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unversioned<'p> {
    /// The version as it stands in the path.
    pub stated: &'p str,
    /// The path without it.
    pub path: String,
}

impl Versions {
    /// Where the paths of a version begin, if paths state versions.
    pub(super) fn root(&self, index: VersionIndex) -> Option<String> {
        let in_paths = self.sources.contains(&VersionSource::Path);
        in_paths.then(|| format!("{}/{}", self.prefix, self.name(index)))
    }

    /// The path of a resource in the version that follows this one.
    pub fn successor_path(&self, index: VersionIndex, path: &str) -> Option<String> {
        let successor = self.index(self.life(index).successor.as_ref()?)?;
        self.sources.contains(&VersionSource::Path).then(|| self.insert(path, successor))
    }

    /// Takes the version out of a path. `None`: there is none, or paths do not state any.
    pub fn split<'p>(&self, path: &'p str) -> Option<Unversioned<'p>> {
        if !self.sources.contains(&VersionSource::Path) {
            return None;
        }
        let rest = path.strip_prefix(&*self.prefix)?.strip_prefix('/')?;
        let end = rest.find('/').unwrap_or(rest.len());
        let stated = &rest[..end];
        looks_like_version(stated).then(|| {
            let mut plain = String::with_capacity(path.len());
            plain.push_str(&self.prefix);
            plain.push_str(&rest[end..]);
            if plain.is_empty() {
                plain.push('/');
            }
            Unversioned { stated, path: plain }
        })
    }

    /// Puts a version into a path that has none. A path that is not below the prefix stays.
    pub fn insert(&self, path: &str, version: VersionIndex) -> String {
        match path.strip_prefix(&*self.prefix) {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => {
                format!("{}/{}{rest}", self.prefix, self.name(version))
            }
            _ => path.to_owned(),
        }
    }

    /// A path of one version as that of another; `None` if it is none of the first.
    pub fn translate(&self, path: &str, from: VersionIndex, to: VersionIndex) -> Option<String> {
        let split = self.split(path)?;
        (self.named(split.stated) == Some(from)).then(|| self.insert(&split.path, to))
    }

    /// A query as the service gets it that speaks this version: one that states a version states
    /// this one.
    pub fn query_for<'q>(&self, query: &'q str, spoken: VersionIndex) -> Cow<'q, str> {
        let states = self.sources.contains(&VersionSource::Query);
        let told = states.then(|| query::replace(query, &self.query, Some(self.name(spoken)))).flatten();
        told.map_or(Cow::Borrowed(query), Cow::Owned)
    }
}

/// Whether a segment is meant as a version: `v` and a digit, so that `/api/vaccines` has none.
fn looks_like_version(segment: &str) -> bool {
    let digits = segment.strip_prefix(['v', 'V']).unwrap_or_default();
    digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}
