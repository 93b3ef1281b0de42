//! The value that `consistent_hash` hashes, taken from a request.

use std::{hash::Hasher, net::IpAddr};

use fnv::FnvHasher;
use http::{HeaderMap, HeaderName};

use crate::{
    config::{finding::Problem, upstream::HashOn},
    grammar::cookies,
};

/// The compiled `consistent_hash:` key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HashKey {
    /// The client's address.
    ClientAddress,
    /// The path of the request.
    Path,
    /// A request header field.
    Header(HeaderName),
    /// A cookie.
    Cookie(String),
}

impl HashKey {
    pub(super) fn compile(config: &HashOn) -> Result<Self, Problem> {
        match config {
            HashOn::ClientAddress => Ok(Self::ClientAddress),
            HashOn::Path => Ok(Self::Path),
            HashOn::Header(name) => HeaderName::try_from(name.as_str()).map(Self::Header).map_err(|_| {
                Problem::new(
                    "balance.consistent_hash.header",
                    format!("`{name}` is not the name of a header field"),
                )
            }),
            // A cookie name is a token, as a field name is (RFC 6265 section 4.1.1).
            HashOn::Cookie(name) if HeaderName::try_from(name.as_str()).is_ok() => {
                Ok(Self::Cookie(name.clone()))
            }
            HashOn::Cookie(name) => Err(Problem::new(
                "balance.consistent_hash.cookie",
                format!("`{name}` is not the name of a cookie"),
            )),
        }
    }

    /// The hash of the request's value, or none if the request lacks it.
    ///
    /// The same on every node and in every version: many gateways must agree on
    /// the backend.
    pub fn of(&self, headers: &HeaderMap, path: &str, client: IpAddr) -> Option<u64> {
        match self {
            Self::ClientAddress => Some(match client.to_canonical() {
                IpAddr::V4(v4) => fnv1a(&v4.octets()),
                IpAddr::V6(v6) => fnv1a(&v6.octets()),
            }),
            Self::Path => Some(fnv1a(path.as_bytes())),
            Self::Header(name) => headers.get(name).map(|value| fnv1a(value.as_bytes())),
            Self::Cookie(name) => cookies(headers, name).next().map(fnv1a),
        }
    }
}

/// FNV-1a, 64 bits.
pub(super) fn fnv1a(bytes: &[u8]) -> u64 {
    let mut hasher = FnvHasher::default();
    hasher.write(bytes);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn of(on: HashOn, headers: &HeaderMap) -> Option<u64> {
        HashKey::compile(&on).unwrap().of(headers, "/a/b", "192.0.2.1".parse().unwrap())
    }

    #[test]
    fn the_hash_is_the_published_one() {
        // The reference vectors of the FNV authors: other nodes must compute the same.
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn every_source_is_read() {
        let mut headers = HeaderMap::new();
        headers.insert("x-user", HeaderValue::from_static("42"));
        headers.append("cookie", HeaderValue::from_static("a=1; xsid=no"));
        headers.append("cookie", HeaderValue::from_static("sid=abc; sid=second"));
        assert_eq!(of(HashOn::Path, &headers), Some(fnv1a(b"/a/b")));
        assert_eq!(of(HashOn::ClientAddress, &headers), Some(fnv1a(&[192, 0, 2, 1])));
        assert_eq!(of(HashOn::Header("X-User".into()), &headers), Some(fnv1a(b"42")));
        assert_eq!(of(HashOn::Header("x-other".into()), &headers), None);
        assert_eq!(of(HashOn::Cookie("sid".into()), &headers), Some(fnv1a(b"abc")));
        assert_eq!(of(HashOn::Cookie("si".into()), &headers), None);
    }

    #[test]
    fn a_mapped_address_is_the_same_client() {
        let key = HashKey::ClientAddress;
        let of = |ip: &str| key.of(&HeaderMap::new(), "/", ip.parse().unwrap());
        assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }

    #[test]
    fn bad_names_are_problems() {
        assert!(HashKey::compile(&HashOn::Header("a b".into())).is_err());
        assert!(HashKey::compile(&HashOn::Cookie("a=b".into())).is_err());
    }
}
