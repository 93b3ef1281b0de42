//! `traffic.api_versions:` and `traffic.routes[].versions:` — which versions of the API there
//! are, how a request states one, and until when it may.

use std::{borrow::Cow, cmp::Ordering, collections::BTreeMap, fmt, str::FromStr, time::SystemTime};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    headers::HeadersConfig,
    values::{Name, string_value},
};

/// Digits of one number in the name of a version.
const MAX_DIGITS: usize = 9;
/// Numbers in the name of a version.
const MAX_NUMBERS: usize = 3;

/// The `traffic.api_versions:` section.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiVersionsConfig {
    /// What stands before the version in a path: `/api` for `/api/v1/patients`; `/` for `/v1/patients`.
    #[serde(default = "default_prefix")]
    pub prefix: String,
    /// The versions, with what is known of their lives.
    pub versions: BTreeMap<VersionName, VersionConfig>,
    /// The version of requests that state none.
    pub default: VersionName,
    /// Where a version is looked for; the first place that states one decides.
    #[serde(default = "default_sources")]
    #[schemars(length(min = 1))]
    pub sources: Vec<VersionSource>,
    /// The request field that states a version. Responses carry it always.
    #[serde(default = "default_header")]
    pub header: String,
    /// The vendor in `Accept: application/vnd.<vendor>.v1+json`. Needed for the source `accept`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    /// The query parameter that states a version.
    #[serde(default = "default_query")]
    pub query: String,
    /// Whether a request that states two different versions is refused.
    #[serde(default)]
    pub strict: bool,
    /// The path that lists the versions. Default: `versions` below the prefix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<String>,
    /// By what callers are told apart in the report of who calls which version:
    /// `identity`, `address` or `header:Name`.
    #[serde(default)]
    pub consumer: ConsumerConfig,
}

impl ApiVersionsConfig {
    /// The prefix without its last slash: empty for `/`.
    pub fn trimmed_prefix(&self) -> &str {
        self.prefix.trim_end_matches('/')
    }

    /// The path that lists the versions.
    pub fn list_path(&self) -> Cow<'_, str> {
        match &self.list {
            Some(path) => Cow::Borrowed(path),
            None => Cow::Owned(format!("{}/versions", self.trimmed_prefix())),
        }
    }
}

fn default_prefix() -> String {
    "/api".to_owned()
}

fn default_sources() -> Vec<VersionSource> {
    vec![VersionSource::Path, VersionSource::Header]
}

fn default_header() -> String {
    "X-API-Version".to_owned()
}

fn default_query() -> String {
    "api-version".to_owned()
}

/// The life of a version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct VersionConfig {
    /// When it was, or will be, deprecated (RFC 9745).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deprecated: Option<Moment>,
    /// When it ends (RFC 8594): from then on it is answered with 410.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sunset: Option<Moment>,
    /// The version to go to. Default, where it is deprecated: the next one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub successor: Option<VersionName>,
    /// A page that tells what to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub documentation: Option<String>,
    /// Announced times at which it is answered with 503, so that forgotten callers notice.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub brownouts: Vec<BrownoutConfig>,
}

/// One announced time without the version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BrownoutConfig {
    /// Its beginning.
    pub from: Moment,
    /// Its end.
    pub until: Moment,
}

/// Where a request may state a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum VersionSource {
    /// The segment of the path behind the prefix.
    Path,
    /// The request field `header`.
    Header,
    /// A vendor media type in `Accept`.
    Accept,
    /// The query parameter `query`.
    Query,
}

/// How one route serves one version.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ServedVersionConfig {
    /// The upstream that speaks this version. Default: the route's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<Name>,
    /// The path there; `{name}` inserts what the route's path captured. Default: the version's
    /// own path, such as `/api/v1/…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Changes to header fields, after those of the route.
    pub headers: HeadersConfig,
    /// Another version of this route whose service answers instead, bodies as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub via: Option<VersionName>,
    /// A mapping between this version and another of this route, whose service answers instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub map: Option<Name>,
}

/// By what callers are told apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ConsumerConfig {
    /// The verified identity: the id of an API key, the client of a token, or else a keyed hash
    /// of its subject. Where there is none, the address.
    #[default]
    Identity,
    /// The client's address.
    Address,
    /// A request field.
    Header(String),
}

impl FromStr for ConsumerConfig {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "identity" => Ok(Self::Identity),
            None if text == "address" => Ok(Self::Address),
            Some(("header", name)) if !name.is_empty() => Ok(Self::Header(name.to_owned())),
            _ => Err(format!(
                "`{text}` is not a consumer; write `identity`, `address` or `header:X-Client-Id`"
            )),
        }
    }
}

impl fmt::Display for ConsumerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identity => f.write_str("identity"),
            Self::Address => f.write_str("address"),
            Self::Header(name) => write!(f, "header:{name}"),
        }
    }
}

/// The name of a version: `v1`, `v2.1`. Ordered by its numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionName {
    text: Box<str>,
    numbers: Box<[u32]>,
}

impl VersionName {
    /// The name as it is written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for VersionName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a version; write `v1` or `v2.1`");
        let digits = text.strip_prefix('v').ok_or_else(wrong)?;
        let number = |part: &str| {
            let plain =
                !part.is_empty() && part.len() <= MAX_DIGITS && part.bytes().all(|b| b.is_ascii_digit());
            let leading_zero = part.len() > 1 && part.starts_with('0');
            part.parse().ok().filter(|_| plain && !leading_zero)
        };
        let numbers: Option<Vec<u32>> = digits.split('.').map(number).collect();
        let numbers = numbers.filter(|numbers| numbers.len() <= MAX_NUMBERS).ok_or_else(wrong)?;
        Ok(Self { text: text.into(), numbers: numbers.into() })
    }
}

impl Ord for VersionName {
    fn cmp(&self, other: &Self) -> Ordering {
        self.numbers.cmp(&other.numbers).then_with(|| self.text.cmp(&other.text))
    }
}

impl PartialOrd for VersionName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for VersionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A moment: a day such as `2027-06-30`, which begins at midnight UTC, or a time (RFC 3339).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub SystemTime);

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let day = text.len() == "2027-06-30".len();
        let full = if day { Cow::Owned(format!("{text}T00:00:00Z")) } else { Cow::Borrowed(text) };
        let moment = humantime::parse_rfc3339(&full).map(Self);
        moment.map_err(|_| {
            format!(
                "`{text}` is neither a day such as `2027-06-30` nor a time such as `2027-06-30T12:00:00Z`"
            )
        })
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = humantime::format_rfc3339_seconds(self.0).to_string();
        f.write_str(text.strip_suffix("T00:00:00Z").unwrap_or(&text))
    }
}

string_value!(
    VersionName,
    "VersionName",
    r"^(v[0-9]+([.][0-9]+)*|\$\{.+)$",
    "a version such as `v1` or `v2.1`"
);
string_value!(
    Moment,
    "Moment",
    r"^([0-9]{4}-[0-9]{2}-[0-9]{2}(T.+)?|\$\{.+)$",
    "a day such as `2027-06-30`, or a time (RFC 3339)"
);
string_value!(
    ConsumerConfig,
    "Consumer",
    r"^(identity|address|header:.+|\$\{.+)$",
    "`identity`, `address` or `header:Name`"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_by_number() {
        let version = |text: &str| text.parse::<VersionName>().unwrap();
        assert!(version("v2") < version("v10") && version("v2") < version("v2.1"));
        for bad in ["", "1", "v", "vx", "v1.", "v01", "v1.2.3.4", "v9999999999", "V1", "v-1", "v1 "] {
            assert!(bad.parse::<VersionName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_day_begins_at_midnight() {
        let moment: Moment = "2027-06-30".parse().unwrap();
        assert_eq!(moment, "2027-06-30T00:00:00Z".parse().unwrap());
        assert_eq!(moment.to_string(), "2027-06-30");
        assert_eq!("2027-06-30T12:30:00Z".parse::<Moment>().unwrap().to_string(), "2027-06-30T12:30:00Z");
        for bad in ["", "2027-13-01", "tomorrow", "2027-06-30 12:00"] {
            assert!(bad.parse::<Moment>().is_err(), "{bad}");
        }
    }
}
