//! From a request to its version.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{
    accept::{self, Accepted},
    life::Life,
};
use crate::{
    config::{
        api_version::{ApiVersionsConfig, VersionName, VersionSource},
        finding::Problem,
    },
    grammar::query,
    telemetry::api_version::VersionOrigin,
};

/// Versions that there can be.
pub const MAX_VERSIONS: usize = 32;

/// One of the configured versions, by its place among them: the oldest is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VersionIndex(pub(super) u8);

impl VersionIndex {
    /// The place as a number, for tables.
    pub fn get(self) -> usize {
        self.0.into()
    }
}

/// The version that a request is for, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The version.
    pub version: VersionIndex,
    /// What stated it.
    pub origin: VersionOrigin,
}

/// Why a request has no version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionError {
    /// It states one that there is not.
    Unknown(VersionOrigin),
    /// It states two.
    Conflict,
}

/// The versions of the API, compiled.
#[derive(Debug)]
pub struct Versions {
    pub(super) prefix: Box<str>,
    versions: Box<[Version]>,
    default: VersionIndex,
    pub(super) sources: Box<[VersionSource]>,
    header: HeaderName,
    vendor: Option<Box<str>>,
    pub(super) query: Box<str>,
    strict: bool,
}

#[derive(Debug)]
pub(super) struct Version {
    pub name: VersionName,
    /// The name as a field value.
    pub value: HeaderValue,
    pub life: Life,
}

impl Versions {
    /// Compiles the section.
    ///
    /// # Errors
    /// Every [`Problem`], with paths below the section.
    pub fn compile(config: &ApiVersionsConfig) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let names: Vec<&VersionName> = config.versions.keys().collect();
        if names.is_empty() || names.len() > MAX_VERSIONS {
            problems.push(Problem::new("versions", format!("must name 1 to {MAX_VERSIONS} versions")));
        }
        let default = names.iter().position(|name| **name == config.default);
        if default.is_none() && !names.is_empty() {
            let known = names.iter().map(|name| name.as_str());
            let problem = Problem::new("default", format!("there is no version `{}`", config.default));
            problems.push(problem.did_you_mean(config.default.as_str(), known));
        }
        problems.extend(paths(config));
        let header = HeaderName::try_from(config.header.as_str()).map_err(|_| {
            problems.push(Problem::new(
                "header",
                format!("`{}` is not the name of a header field", config.header),
            ));
        });
        problems.extend(sources(config));
        let mut versions = Vec::with_capacity(names.len());
        for (name, section) in &config.versions {
            match Life::compile(name, section, &names) {
                Ok(life) => versions.extend(HeaderValue::from_str(name.as_str()).map(|value| Version {
                    name: name.clone(),
                    value,
                    life,
                })),
                Err(found) => {
                    problems.extend(found.into_iter().map(|p| p.within(&format!("versions.{name}"))));
                }
            }
        }
        match (header, default.and_then(|at| u8::try_from(at).ok())) {
            (Ok(header), Some(default)) if problems.is_empty() => Ok(Self {
                prefix: config.trimmed_prefix().into(),
                versions: versions.into(),
                default: VersionIndex(default),
                sources: config.sources.as_slice().into(),
                header,
                vendor: config.vendor.as_deref().map(Into::into),
                query: config.query.as_str().into(),
                strict: config.strict,
            }),
            _ => Err(problems),
        }
    }

    /// All versions, the oldest first.
    pub fn all(&self) -> impl Iterator<Item = VersionIndex> + use<> {
        (0..self.versions.len()).filter_map(|at| u8::try_from(at).ok()).map(VersionIndex)
    }

    pub(super) fn version(&self, index: VersionIndex) -> &Version {
        &self.versions[index.get()]
    }

    /// The version's name.
    pub fn name(&self, index: VersionIndex) -> &str {
        self.version(index).name.as_str()
    }

    /// The version of requests that state none.
    pub fn default(&self) -> VersionIndex {
        self.default
    }

    /// What is known of the version's life.
    pub fn life(&self, index: VersionIndex) -> &Life {
        &self.version(index).life
    }

    /// The version's name as a field value.
    pub fn value(&self, index: VersionIndex) -> &HeaderValue {
        &self.version(index).value
    }

    /// The version of this name.
    pub fn index(&self, name: &VersionName) -> Option<VersionIndex> {
        self.all().find(|&index| self.version(index).name == *name)
    }

    /// The field that states a version, in requests and in responses.
    pub fn header(&self) -> &HeaderName {
        &self.header
    }

    /// The version a request is for; `in_path` is what [`Self::split`] found.
    ///
    /// # Errors
    /// [`VersionError`] if it states one that there is not, or two where that is refused.
    pub fn find(
        &self,
        in_path: Option<&str>,
        headers: &HeaderMap,
        query: Option<&str>,
    ) -> Result<Wish, VersionError> {
        let mut wish: Option<Wish> = None;
        for source in &self.sources {
            let stated = match source {
                VersionSource::Path => in_path.map(|text| self.known(text, VersionOrigin::Path)),
                VersionSource::Header => self.in_field(headers),
                VersionSource::Accept => self.in_accept(headers),
                VersionSource::Query => self.in_query(query),
            };
            match (stated, wish) {
                (None, _) => {}
                (Some(stated), None) if !self.strict => return stated,
                (Some(stated), None) => wish = Some(stated?),
                (Some(stated), Some(first)) if stated.map(|wish| wish.version) != Ok(first.version) => {
                    return Err(VersionError::Conflict);
                }
                (Some(_), Some(_)) => {}
            }
        }
        Ok(wish.unwrap_or(Wish { version: self.default, origin: VersionOrigin::Default }))
    }

    fn in_field(&self, headers: &HeaderMap) -> Option<Result<Wish, VersionError>> {
        let lines = headers.get_all(&self.header).iter();
        agreed(lines.map(|line| self.known(line.to_str().unwrap_or_default().trim(), VersionOrigin::Header)))
    }

    fn in_accept(&self, headers: &HeaderMap) -> Option<Result<Wish, VersionError>> {
        let vendor = self.vendor.as_deref()?;
        match accept::accepted(headers, vendor, |text| self.named(text).is_some()) {
            Accepted::Plain => None,
            Accepted::Version(text) => Some(self.known(text, VersionOrigin::Accept)),
            Accepted::Unknown => Some(Err(VersionError::Unknown(VersionOrigin::Accept))),
        }
    }

    fn in_query(&self, query: Option<&str>) -> Option<Result<Wish, VersionError>> {
        let values = query::all(query?, &self.query);
        agreed(
            values.map(|value| self.known(str::from_utf8(&value).unwrap_or_default(), VersionOrigin::Query)),
        )
    }

    fn known(&self, text: &str, origin: VersionOrigin) -> Result<Wish, VersionError> {
        let version = self.named(text).ok_or(VersionError::Unknown(origin))?;
        Ok(Wish { version, origin })
    }

    /// The version of this name, its `v` in either case or left out.
    pub(super) fn named(&self, text: &str) -> Option<VersionIndex> {
        let digits = text.strip_prefix(['v', 'V']).unwrap_or(text);
        self.all().find(|&index| self.version(index).name.as_str().strip_prefix('v') == Some(digits))
    }

    /// Whether a media type is one of the vendor's.
    pub fn is_vendors(&self, media_type: &HeaderValue) -> bool {
        let (Some(vendor), Ok(text)) = (&self.vendor, media_type.to_str()) else { return false };
        accept::is_vendors(text, vendor)
    }

    /// The vendor's media type for a version, in JSON.
    pub fn media_type(&self, version: VersionIndex) -> Option<String> {
        Some(format!("application/vnd.{}.{}+json", self.vendor.as_deref()?, self.name(version)))
    }

    /// Whether a request accepts media types of the vendor's, whatever their versions.
    pub fn are_in_accept(&self, headers: &HeaderMap) -> bool {
        self.vendor.as_deref().is_some_and(|vendor| accept::names_vendor(headers, vendor))
    }

    /// Whether the vendor's media types state versions.
    pub fn reads_accept(&self) -> bool {
        self.sources.contains(&VersionSource::Accept)
    }

    /// The request fields that could have changed the version of this request.
    pub fn varies_by(&self, origin: VersionOrigin) -> impl Iterator<Item = HeaderName> {
        let decided = |source: &&VersionSource| match origin {
            VersionOrigin::Default => false,
            VersionOrigin::Path => **source == VersionSource::Path,
            VersionOrigin::Header => **source == VersionSource::Header,
            VersionOrigin::Accept => **source == VersionSource::Accept,
            VersionOrigin::Query => **source == VersionSource::Query,
        };
        let last = self.sources.iter().position(|source| decided(&source));
        let asked = &self.sources[..last.map_or(self.sources.len(), |at| at + 1)];
        asked.iter().filter_map(|source| match source {
            VersionSource::Header => Some(self.header.clone()),
            VersionSource::Accept => Some(http::header::ACCEPT),
            VersionSource::Path | VersionSource::Query => None,
        })
    }
}

/// What several statements of one kind come to: two that differ are a contradiction, whoever is
/// asked. `None`: there are none.
fn agreed(
    mut stated: impl Iterator<Item = Result<Wish, VersionError>>,
) -> Option<Result<Wish, VersionError>> {
    let first = stated.next()?;
    Some(if stated.all(|other| other == first) { first } else { Err(VersionError::Conflict) })
}

fn paths(config: &ApiVersionsConfig) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (key, path) in [("prefix", Some(&config.prefix)), ("list", config.list.as_ref())] {
        let Some(path) = path else { continue };
        if !path.starts_with('/') || path.contains(['{', '}', '*', '?', '#', ' ']) || path.contains("//") {
            let problem = Problem::new(key, format!("`{path}` is not a plain path"));
            problems.push(problem.hint("write a path such as `/api`"));
        }
    }
    problems
}

fn sources(config: &ApiVersionsConfig) -> Vec<Problem> {
    let mut problems = Vec::new();
    if config.sources.is_empty() {
        problems.push(Problem::new(
            "sources",
            "names nothing, so that every request would have the default version",
        ));
    }
    for (at, source) in config.sources.iter().enumerate() {
        if config.sources[..at].contains(source) {
            problems.push(Problem::new(format!("sources[{at}]"), "is in the list already"));
        }
    }
    let reads_accept = config.sources.contains(&VersionSource::Accept);
    let token = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    match &config.vendor {
        None if reads_accept => {
            let message = "`vendor` is needed for the source `accept`";
            problems.push(
                Problem::new("vendor", message).hint("write the name in `application/vnd.<name>.v1+json`"),
            );
        }
        Some(vendor) if !token(vendor) => {
            let message = format!("`{vendor}` is not a vendor: letters, digits and `-`");
            problems.push(Problem::new("vendor", message));
        }
        Some(_) if !reads_accept => {
            let message = "`vendor` has no effect while `accept` is not among the sources";
            problems.push(Problem::new("vendor", message));
        }
        _ => {}
    }
    if config.query.is_empty() {
        problems.push(Problem::new("query", "the name of a parameter is empty"));
    }
    problems
}

#[cfg(test)]
mod tests;
