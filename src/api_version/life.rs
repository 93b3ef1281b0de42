//! The life of a version: in use, deprecated (RFC 9745), paused for a while, over (RFC 8594).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderValue;

use crate::config::{
    api_version::{Moment, VersionConfig, VersionName},
    finding::Problem,
};

/// What is known of the life of a version.
#[derive(Debug)]
pub struct Life {
    deprecated: Option<SystemTime>,
    sunset: Option<SystemTime>,
    /// Beginnings and ends, in order.
    brownouts: Box<[(SystemTime, SystemTime)]>,
    /// The version to go to.
    pub(super) successor: Option<VersionName>,
    /// A page about it.
    pub(super) documentation: Option<Box<str>>,
    /// The value of `Deprecation`.
    pub deprecation_field: Option<HeaderValue>,
    /// The value of `Sunset`.
    pub sunset_field: Option<HeaderValue>,
    /// The value of `Link`, as far as it is the same for every path.
    pub link_field: Option<HeaderValue>,
}

/// How a version is doing at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It may be used.
    Current,
    /// It may be used, but should not.
    Deprecated,
    /// It is away until then.
    Brownout {
        /// The end.
        until: SystemTime,
    },
    /// It is over.
    Sunset,
}

impl Phase {
    /// The phase in one word, as the list of versions shows it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Deprecated => "deprecated",
            Self::Brownout { .. } => "brownout",
            Self::Sunset => "sunset",
        }
    }
}

impl Life {
    pub(super) fn compile(
        own: &VersionName,
        config: &VersionConfig,
        names: &[&VersionName],
    ) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let (deprecated, sunset) = (config.deprecated.map(|m| m.0), config.sunset.map(|m| m.0));
        if let (Some(deprecated), Some(sunset)) = (deprecated, sunset)
            && sunset < deprecated
        {
            problems.push(Problem::new("sunset", "the sunset is before `deprecated`"));
        }
        let successor = successor(own, config, names, &mut problems);
        let mut brownouts: Vec<_> = config.brownouts.iter().map(|b| (b.from.0, b.until.0)).collect();
        for (at, (from, until)) in brownouts.iter().enumerate() {
            let here = format!("brownouts[{at}]");
            if until <= from {
                problems.push(Problem::new(format!("{here}.until"), "the end is not after `from`"));
            } else if sunset.is_some_and(|sunset| *until > sunset) {
                problems.push(Problem::new(format!("{here}.until"), "the end is after `sunset`"));
            }
        }
        brownouts.sort_unstable();
        let page = |relation: &str| {
            config
                .documentation
                .as_ref()
                .map(|page| format!("<{page}>; rel=\"{relation}\"; type=\"text/html\""))
        };
        let links = [deprecated.and_then(|_| page("deprecation")), sunset.and_then(|_| page("sunset"))];
        let links = links.into_iter().flatten().collect::<Vec<_>>().join(", ");
        let link_field = (!links.is_empty()).then(|| HeaderValue::try_from(links)).transpose();
        let plain = |page: &str| page.starts_with("https://") || page.starts_with("http://");
        if link_field.is_err()
            || config.documentation.as_deref().is_some_and(|p| !plain(p) || p.contains(['<', '>', ' ']))
        {
            problems.push(Problem::new("documentation", "not the URL of a page"));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            deprecation_field: deprecated
                .and_then(|at| HeaderValue::try_from(format!("@{}", seconds(at))).ok()),
            sunset_field: sunset.and_then(|at| HeaderValue::try_from(httpdate::fmt_http_date(at)).ok()),
            link_field: link_field.ok().flatten(),
            deprecated,
            sunset,
            brownouts: brownouts.into(),
            successor,
            documentation: config.documentation.as_deref().map(Into::into),
        })
    }

    /// How the version is doing.
    pub fn phase(&self, now: SystemTime) -> Phase {
        if self.sunset.is_some_and(|at| at <= now) {
            return Phase::Sunset;
        }
        if let Some((_, until)) = self.brownouts.iter().find(|(from, until)| *from <= now && now < *until) {
            return Phase::Brownout { until: *until };
        }
        match self.deprecated {
            Some(at) if at <= now => Phase::Deprecated,
            _ => Phase::Current,
        }
    }

    /// Whether it is, or will be, deprecated or over.
    pub fn ends(&self) -> bool {
        self.deprecated.is_some() || self.sunset.is_some()
    }

    /// Whether there is a moment at which it is not to be used.
    pub fn pauses_or_ends(&self) -> bool {
        self.sunset.is_some() || !self.brownouts.is_empty()
    }

    /// When it is over.
    pub fn sunset_time(&self) -> Option<SystemTime> {
        self.sunset
    }

    /// Days until it is over, negative afterwards.
    pub fn days_to_sunset(&self, now: SystemTime) -> Option<f64> {
        let sunset = self.sunset?;
        let days = |time: Duration| time.as_secs_f64() / 86_400.0;
        Some(sunset.duration_since(now).map_or_else(|past| -days(past.duration()), days))
    }

    /// The announced times without it.
    pub(super) fn brownouts(&self) -> impl Iterator<Item = (Moment, Moment)> {
        self.brownouts.iter().map(|(from, until)| (Moment(*from), Moment(*until)))
    }

    pub(super) fn deprecated(&self) -> Option<Moment> {
        self.deprecated.map(Moment)
    }

    pub(super) fn sunset(&self) -> Option<Moment> {
        self.sunset.map(Moment)
    }
}

/// The version to go to: the one named, or the next one where this one ends.
fn successor(
    own: &VersionName,
    config: &VersionConfig,
    names: &[&VersionName],
    problems: &mut Vec<Problem>,
) -> Option<VersionName> {
    match &config.successor {
        Some(name) if name == own || !names.contains(&name) => {
            let problem = Problem::new("successor", format!("there is no other version `{name}`"));
            problems.push(problem.did_you_mean(name.as_str(), names.iter().map(|name| name.as_str())));
            None
        }
        Some(name) => Some(name.clone()),
        None if config.deprecated.is_some() || config.sunset.is_some() => {
            names.iter().find(|name| **name > own).map(|name| (*name).clone())
        }
        None => None,
    }
}

/// Seconds since 1970, negative before.
fn seconds(at: SystemTime) -> i64 {
    let whole = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    at.duration_since(UNIX_EPOCH).map_or_else(|before| -whole(before.duration()), whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::api_version::BrownoutConfig;

    fn at(text: &str) -> Moment {
        text.parse().unwrap()
    }

    fn life(config: &VersionConfig) -> Result<Life, Vec<Problem>> {
        let [one, two] = ["v1".parse().unwrap(), "v2".parse().unwrap()];
        Life::compile(&one, config, &[&one, &two])
    }

    fn ending() -> VersionConfig {
        VersionConfig {
            deprecated: Some(at("2026-01-01")),
            sunset: Some(at("2027-01-01")),
            documentation: Some("https://docs.example/v1".into()),
            brownouts: vec![BrownoutConfig { from: at("2026-12-01"), until: at("2026-12-02") }],
            ..VersionConfig::default()
        }
    }

    #[test]
    fn a_version_goes_through_its_phases() {
        let life = life(&ending()).unwrap();
        let phase = |text| life.phase(at(text).0);
        assert_eq!(phase("2025-12-31"), Phase::Current);
        assert_eq!(phase("2026-01-01"), Phase::Deprecated);
        assert_eq!(phase("2026-12-01T23:59:59Z"), Phase::Brownout { until: at("2026-12-02").0 });
        assert_eq!(phase("2026-12-02"), Phase::Deprecated);
        assert_eq!(phase("2027-01-01"), Phase::Sunset);
        assert_eq!(life.days_to_sunset(at("2026-12-22").0), Some(10.0));
        assert_eq!(life.days_to_sunset(at("2027-01-02").0), Some(-1.0));
    }

    #[test]
    fn rfc9745_and_rfc8594_fields_are_computed_from_the_dates() {
        let life = life(&ending()).unwrap();
        assert_eq!(life.deprecation_field.unwrap(), "@1767225600");
        assert_eq!(life.sunset_field.unwrap(), "Fri, 01 Jan 2027 00:00:00 GMT");
        assert_eq!(
            life.link_field.unwrap(),
            "<https://docs.example/v1>; rel=\"deprecation\"; type=\"text/html\", \
             <https://docs.example/v1>; rel=\"sunset\"; type=\"text/html\""
        );
        assert_eq!(life.successor.unwrap().as_str(), "v2");
    }

    #[test]
    fn dates_that_contradict_each_other_are_problems() {
        let mut config = ending();
        config.deprecated = Some(at("2028-01-01"));
        config.successor = Some("v7".parse().unwrap());
        config.brownouts[0].until = at("2026-11-01");
        config.documentation = Some("the wiki".into());
        let paths: Vec<_> = life(&config).unwrap_err().into_iter().map(|problem| problem.path).collect();
        assert_eq!(paths, ["sunset", "successor", "brownouts[0].until", "documentation"]);
    }
}
