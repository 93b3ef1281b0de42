//! What has a bucket of its own, and the name of that bucket.

use std::{
    borrow::Cow,
    fmt,
    net::{IpAddr, Ipv6Addr},
};

use http::HeaderMap;

use crate::{config::rate_limit::LimitBy, grammar::cookies};

/// Who asks, as far as limits go by it. All but the address must have been verified.
pub struct Caller<'a> {
    /// The client's address. `None` on connections without one.
    pub address: Option<IpAddr>,
    /// The subject.
    pub subject: Option<&'a str>,
    /// The name of the API key, or anything else that is different for each.
    pub api_key: Option<&'a str>,
    /// The claims by name, as text.
    pub claim: &'a dyn Fn(&str) -> Option<Cow<'a, str>>,
}

/// The name of a bucket: a keyed hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BucketKey(pub [u8; 16]);

impl fmt::Display for BucketKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The secret that the names of buckets are made with.
///
/// Made from the same text as the names of stored responses, but nothing of one can be told
/// from the other. Without a text, the hashes are the same for everybody.
#[derive(Clone)]
pub struct LimitSecret([u8; 32]);

impl LimitSecret {
    /// `secret` is any text.
    pub fn new(secret: Option<&str>) -> Self {
        Self(blake3::derive_key("nilegate rate limit key 1", secret.unwrap_or_default().as_bytes()))
    }

    /// Makes the names of one limit's buckets. No two lists of parts give the same names.
    pub(super) fn keys(&self, by: LimitBy, parts: &[&str]) -> Keys {
        let secret = |kind: &str| {
            let mut hasher = blake3::Hasher::new_keyed(&self.0);
            for part in [kind].iter().chain(parts) {
                hasher.update(&(part.len() as u64).to_le_bytes());
                hasher.update(part.as_bytes());
            }
            *hasher.finalize().as_bytes()
        };
        let everybody = hash(&secret("everybody"), b"");
        Keys { by, of_value: secret("value"), of_address: secret("address"), everybody }
    }
}

/// Makes the names of one limit's buckets.
///
/// Values and addresses are hashed with secrets of their own, so that nobody can put an
/// address into a header field and empty the bucket of who has it.
pub struct Keys {
    by: LimitBy,
    of_value: [u8; 32],
    of_address: [u8; 32],
    everybody: BucketKey,
}

impl Keys {
    /// Whether the bucket is the same whoever calls.
    pub fn is_of_anybody(&self) -> bool {
        !matches!(self.by, LimitBy::Identity | LimitBy::ApiKey | LimitBy::Claim(_))
    }

    /// The bucket of a request.
    pub fn of(&self, headers: &HeaderMap, caller: &Caller<'_>) -> BucketKey {
        let value = match &self.by {
            LimitBy::Route => return self.everybody,
            LimitBy::Address => None,
            LimitBy::Identity => caller.subject.map(str::as_bytes),
            LimitBy::ApiKey => caller.api_key.map(str::as_bytes),
            LimitBy::Claim(name) => {
                return match (caller.claim)(name) {
                    Some(value) => hash(&self.of_value, value.as_bytes()),
                    None => self.of_address(caller.address),
                };
            }
            // A repeated one says two things: which of them the backend believes is unknown.
            LimitBy::Header(name) => only(headers.get_all(name).iter()).map(http::HeaderValue::as_bytes),
            LimitBy::Cookie(name) => only(cookies(headers, name)),
        };
        match value {
            Some(value) => hash(&self.of_value, value),
            None => self.of_address(caller.address),
        }
    }

    /// The bucket of an address; of IPv6 that of its network of 64 bits, because whoever has
    /// one address there has all of them.
    fn of_address(&self, address: Option<IpAddr>) -> BucketKey {
        match address.map(|address| address.to_canonical()) {
            Some(IpAddr::V4(address)) => hash(&self.of_address, &address.octets()),
            Some(IpAddr::V6(address)) => hash(&self.of_address, &network(address)),
            None => self.everybody,
        }
    }
}

fn network(address: Ipv6Addr) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..] = address.octets();
    [a, b, c, d, e, f, g, h]
}

fn only<T>(mut values: impl Iterator<Item = T>) -> Option<T> {
    let first = values.next()?;
    values.next().is_none().then_some(first)
}

fn hash(secret: &[u8; 32], value: &[u8]) -> BucketKey {
    let hash = blake3::keyed_hash(secret, value);
    let mut key = [0; 16];
    key.copy_from_slice(&hash.as_bytes()[..16]);
    BucketKey(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(by: &str) -> Keys {
        LimitSecret::new(None).keys(by.parse().unwrap(), &["limit"])
    }

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    fn at(address: &str) -> Caller<'static> {
        Caller { address: address.parse().ok(), subject: None, api_key: None, claim: &|_| None }
    }

    #[test]
    fn addresses_have_buckets_and_networks_of_ipv6() {
        let of = |address| keys("address").of(&HeaderMap::new(), &at(address));
        assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
        assert_eq!(of("10.0.0.1"), of("::ffff:10.0.0.1"));
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
    }

    #[test]
    fn who_lacks_the_value_or_repeats_it_is_known_by_address() {
        for (by, given, repeated) in [
            ("header:x-tenant", vec![("x-tenant", "a")], vec![("x-tenant", "a"), ("x-tenant", "b")]),
            ("cookie:s", vec![("cookie", "s=a")], vec![("cookie", "s=a; s=b")]),
        ] {
            let of = |fields: &[_], address| keys(by).of(&headers(fields), &at(address));
            assert_eq!(of(&given, "10.0.0.1"), of(&given, "10.0.0.2"));
            for fields in [&[][..], &repeated] {
                assert_ne!(of(fields, "10.0.0.1"), of(fields, "10.0.0.2"));
                assert_ne!(of(fields, "10.0.0.1"), of(&given, "10.0.0.1"));
            }
        }
    }

    #[test]
    fn what_was_verified_counts_before_the_address() {
        let claim = |name: &str| (name == "tenant").then_some(Cow::Borrowed("t"));
        let known = Caller { address: None, subject: Some("alice"), api_key: Some("key"), claim: &claim };
        for by in ["identity", "api_key", "claim:tenant"] {
            let of = |caller: &Caller<'_>| keys(by).of(&HeaderMap::new(), caller);
            assert_ne!(of(&known), of(&at("10.0.0.1")), "{by}");
            assert_ne!(of(&at("10.0.0.1")), of(&at("10.0.0.2")), "{by}");
        }
    }

    #[test]
    fn a_value_that_looks_like_an_address_is_none() {
        let keys = keys("header:x-a");
        assert_ne!(hash(&keys.of_value, &[10, 0, 0, 1]), hash(&keys.of_address, &[10, 0, 0, 1]));
    }

    #[test]
    fn limits_and_secrets_share_no_bucket() {
        let of = |secret: Option<&str>, parts: &[&'static str]| {
            LimitSecret::new(secret).keys(LimitBy::Route, parts).everybody
        };
        assert_eq!(of(None, &["a"]), of(None, &["a"]));
        assert_ne!(of(None, &["a"]), of(None, &["b"]));
        assert_ne!(of(None, &["ab", "c"]), of(None, &["a", "bc"]));
        assert_ne!(of(None, &["a"]), of(Some("s"), &["a"]));
    }
}
