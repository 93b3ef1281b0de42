//! How many requests may pass: `process.rate_limits:`, `traffic.rate_limits:` and what
//! routes name of them.

use std::{fmt, num::NonZeroU32, str::FromStr, time::Duration};

use http::HeaderName;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};

use super::{
    redis::RedisServerConfig,
    values::{Name, OneOrMany, Period, string_value},
};

/// The most requests a second that a rate may come to: one each microsecond.
const FASTEST: u64 = 1_000_000;

/// What all rate limits of the process share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RateLimitsConfig {
    /// The Redis of shared limits. Leave out: that of the cache, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redis: Option<RedisServerConfig>,
    /// Longest time a request waits for Redis. What takes longer is decided by the node.
    pub budget: Period,
    /// Buckets kept at once, over all limits.
    #[schemars(range(min = 16, max = 100_000_000))]
    pub keys: usize,
}

impl Default for RateLimitsConfig {
    fn default() -> Self {
        Self { redis: None, budget: Period::millis(10), keys: 100_000 }
    }
}

/// One limit: by name in `traffic.rate_limits:`, or as part of a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RateLimitConfig {
    /// Requests in a time, such as `100/s`.
    pub rate: Rate,
    /// Requests that may come at once. Default: those of the rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub burst: Option<u32>,
    /// What has a bucket of its own.
    pub by: LimitBy,
    /// Whether all nodes on one Redis share the buckets.
    #[serde(default)]
    pub shared: bool,
    /// Methods that count. Left out: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub methods: Option<OneOrMany<String>>,
    /// Whether responses tell of it.
    #[serde(default = "yes")]
    pub headers: bool,
}

impl RateLimitConfig {
    /// Requests that may come at once.
    pub fn burst(&self) -> NonZeroU32 {
        self.burst.and_then(NonZeroU32::new).unwrap_or(self.rate.requests)
    }
}

fn yes() -> bool {
    true
}

/// A limit of a route: the name of one, or one of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum RateLimitUse {
    /// One of `traffic.rate_limits:`.
    Named(Name),
    /// One of its own.
    Own(RateLimitConfig),
}

/// By hand, because the derived form would forget what is wrong with a value.
impl<'de> Deserialize<'de> for RateLimitUse {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> de::Visitor<'de> for Either {
            type Value = RateLimitUse;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a limit, or a map with `rate` and `by`")
            }
            fn visit_str<E: de::Error>(self, name: &str) -> Result<Self::Value, E> {
                name.parse().map(RateLimitUse::Named).map_err(E::custom)
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                RateLimitConfig::deserialize(de::value::MapAccessDeserializer::new(map))
                    .map(RateLimitUse::Own)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// Requests in a time, such as `100/s` or `10/m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub requests: NonZeroU32,
    /// In what time: a second, a minute, an hour or a day.
    pub period: Duration,
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a rate such as `100/s`, `10/m`, `1000/h` or `5000/d`");
        let (requests, unit) = text.trim().split_once('/').ok_or_else(wrong)?;
        let requests: NonZeroU32 = requests.trim().parse().map_err(|_| wrong())?;
        let seconds = match unit.trim() {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            "d" => 86_400,
            _ => return Err(wrong()),
        };
        if u64::from(requests.get()) > FASTEST * seconds {
            return Err(format!("`{text}` is more than {FASTEST} requests a second"));
        }
        Ok(Self { requests, period: Duration::from_secs(seconds) })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.period.as_secs() {
            1 => "s",
            60 => "m",
            3_600 => "h",
            _ => "d",
        };
        write!(f, "{}/{unit}", self.requests)
    }
}

string_value!(
    Rate,
    "Rate",
    r"^(\s*[1-9][0-9]*\s*/\s*[smhd]\s*|\$\{.+)$",
    "a rate such as `100/s`, `10/m`, `1000/h` or `5000/d`"
);

/// What has a bucket of its own.
///
/// Where a request lacks what is asked for, its address counts: who leaves a field out is
/// limited all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LimitBy {
    /// The route: one bucket for all of its requests.
    Route,
    /// The client's address; of IPv6 the network of 64 bits.
    Address,
    /// The verified subject.
    Identity,
    /// The verified API key.
    ApiKey,
    /// A verified claim.
    Claim(String),
    /// A request field.
    Header(HeaderName),
    /// A cookie.
    Cookie(String),
}

impl FromStr for LimitBy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None => match text {
                "route" => return Ok(Self::Route),
                "address" => return Ok(Self::Address),
                "identity" => return Ok(Self::Identity),
                "api_key" => return Ok(Self::ApiKey),
                _ => {}
            },
            Some(("claim", name)) if !name.is_empty() => return Ok(Self::Claim(name.to_owned())),
            Some(("header", name)) => {
                let parsed = HeaderName::from_bytes(name.as_bytes());
                return parsed.map(Self::Header).map_err(|_| format!("`{name}` is not a header name"));
            }
            Some(("cookie", name)) if HeaderName::from_bytes(name.as_bytes()).is_ok() => {
                return Ok(Self::Cookie(name.to_owned()));
            }
            Some(_) => {}
        }
        Err(format!(
            "`{text}` has no bucket of its own; write `route`, `address`, `identity`, `api_key`, \
             `claim:name`, `header:X-Tenant` or `cookie:session`"
        ))
    }
}

impl fmt::Display for LimitBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Route => f.write_str("route"),
            Self::Address => f.write_str("address"),
            Self::Identity => f.write_str("identity"),
            Self::ApiKey => f.write_str("api_key"),
            Self::Claim(name) => write!(f, "claim:{name}"),
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Cookie(name) => write!(f, "cookie:{name}"),
        }
    }
}

string_value!(
    LimitBy,
    "LimitBy",
    r"^(route|address|identity|api_key|(claim|header|cookie):.+|\$\{.+)$",
    "`route`, `address`, `identity`, `api_key`, `claim:name`, `header:X-Tenant` or `cookie:session`"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_print_as_written() {
        for text in ["100/s", "10/m", "1000/h", "5000/d", "1000000/s"] {
            assert_eq!(text.parse::<Rate>().unwrap().to_string(), text);
        }
        assert_eq!(" 3 / s ".parse::<Rate>().unwrap().to_string(), "3/s");
        for text in ["", "10", "10/", "/s", "0/s", "-1/s", "1.5/s", "10/w", "1000001/s", "5000000000/d"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_has_a_bucket_prints_as_written() {
        for text in ["route", "address", "identity", "api_key", "claim:sub", "header:x-tenant", "cookie:a"] {
            assert_eq!(text.parse::<LimitBy>().unwrap().to_string(), text);
        }
        for text in ["", "ip", "claim", "claim:", "header:", "header:a b", "cookie:", "cookie:a b", "x:y"] {
            assert!(text.parse::<LimitBy>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_route_names_limits_or_writes_them() {
        let uses: Vec<RateLimitUse> =
            serde_yaml::from_str("[per-client, { rate: 10/m, by: 'header:X-Tenant', methods: [POST] }]")
                .unwrap();
        let [RateLimitUse::Named(name), RateLimitUse::Own(own)] = uses.as_slice() else { panic!("{uses:?}") };
        assert_eq!(name.as_str(), "per-client");
        assert_eq!((own.burst().get(), own.headers), (10, true));
        assert!(serde_yaml::from_str::<RateLimitUse>("{ rate: 10/m }").is_err(), "`by` is missing");
    }
}
