//! The signed wish to have one request explained.
//!
//! A value is `<expiry>.<signature>`: seconds since 1970, and the HMAC-SHA256 of method, host,
//! path with query, and expiry, in hexadecimal. So it is good for one request and a short time,
//! and whoever sees one cannot make another.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderName, Method};
use ring::hmac;

use crate::{config::telemetry::ExplainConfig, grammar::unhex, telemetry::metrics::ExplainResult};

/// The field of the wish, and of the answer.
pub const EXPLAIN: HeaderName = HeaderName::from_static("x-nilegate-explain");

/// Bytes of a signature.
const SIGNATURE: usize = 32;
/// Most digits of an expiry.
const EXPIRY_MAX: usize = 12;

/// The request that a wish is for.
#[derive(Clone, Copy, Debug)]
pub struct Wished<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Its host, as in `Host`: with the port, if it has one.
    pub host: &'a str,
    /// Its path and query, as sent.
    pub target: &'a str,
}

/// Signs wishes and checks them.
pub struct ExplainKey {
    key: hmac::Key,
    lifetime: Duration,
}

impl ExplainKey {
    /// With the secret and the longest lifetime of the configuration.
    pub fn new(config: &ExplainConfig) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, config.secret.expose().as_bytes());
        Self { key, lifetime: config.lifetime.get() }
    }

    /// The value for a request, good until `lifetime` from `now` has passed, or for as long as
    /// values may be at all.
    pub fn sign(&self, wished: &Wished<'_>, lifetime: Duration, now: SystemTime) -> String {
        let expiry = (seconds(now) + lifetime.min(self.lifetime).as_secs()).to_string();
        let signature = hmac::sign(&self.key, message(wished, &expiry).as_bytes());
        format!("{expiry}.{}", hex(signature.as_ref()))
    }

    /// Whether a value is a wish for this request. Takes as long for any signature.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self, value: &[u8], wished: &Wished<'_>, now: SystemTime) -> Result<(), ExplainResult> {
        let (expiry, signature) = parse(value).ok_or(ExplainResult::Malformed)?;
        hmac::verify(&self.key, message(wished, expiry).as_bytes(), &signature)
            .map_err(|_| ExplainResult::Signature)?;
        let expiry: u64 = expiry.parse().map_err(|_| ExplainResult::Malformed)?;
        match expiry.checked_sub(seconds(now)) {
            None | Some(0) => Err(ExplainResult::Expired),
            Some(left) if left > self.lifetime.as_secs() => Err(ExplainResult::TooLong),
            Some(_) => Ok(()),
        }
    }
}

/// No part can hold the end of a line, so no two requests have the same message.
fn message(Wished { method, host, target }: &Wished<'_>, expiry: &str) -> String {
    format!("nilegate explain 1\n{method}\n{}\n{target}\n{expiry}", host.to_ascii_lowercase())
}

fn parse(value: &[u8]) -> Option<(&str, [u8; SIGNATURE])> {
    let (expiry, digits) = std::str::from_utf8(value).ok()?.split_once('.')?;
    let is_number = (1..=EXPIRY_MAX).contains(&expiry.len()) && expiry.bytes().all(|b| b.is_ascii_digit());
    let signature = unhex(digits.as_bytes())?;
    is_number.then_some((expiry, signature))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::values::{Period, Secret};

    fn key(secret: &str) -> ExplainKey {
        let secret: Secret = serde_json::from_value(secret.into()).unwrap();
        ExplainKey::new(&ExplainConfig { secret, lifetime: Period::secs(60) })
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    const GET: Wished<'_> = Wished { method: &Method::GET, host: "Api.example:8080", target: "/a?b=1" };
    const LONG: Duration = Duration::from_secs(3600);

    #[test]
    fn a_value_is_good_for_its_request_and_its_time() {
        let key = key("secret");
        let value = key.sign(&GET, LONG, at(1000));
        assert!(value.starts_with("1060."), "no longer than the configuration allows: {value}");
        let check = |wished, now| key.check(value.as_bytes(), &wished, at(now));
        assert_eq!(check(GET, 1000), Ok(()));
        assert_eq!(check(Wished { host: "api.EXAMPLE:8080", ..GET }, 1059), Ok(()));
        assert_eq!(check(GET, 1060), Err(ExplainResult::Expired));
        assert_eq!(check(GET, 999), Err(ExplainResult::TooLong));
        for other in [
            Wished { method: &Method::POST, ..GET },
            Wished { host: "other.example:8080", ..GET },
            Wished { target: "/a?b=2", ..GET },
        ] {
            assert_eq!(check(other, 1000), Err(ExplainResult::Signature), "{other:?}");
        }
        assert_eq!(
            super::tests::key("other").check(value.as_bytes(), &GET, at(1000)),
            Err(ExplainResult::Signature)
        );
        let later = value.replace("1060.", "1061.");
        assert_eq!(key.check(later.as_bytes(), &GET, at(1000)), Err(ExplainResult::Signature));
    }

    proptest! {
        #[test]
        fn whatever_is_sent_is_refused_without_a_panic(value in proptest::collection::vec(any::<u8>(), 0..90)) {
            prop_assert!(key("secret").check(&value, &GET, at(1000)).is_err());
        }

        #[test]
        fn a_value_with_one_character_changed_is_refused(at_byte in 0_usize..69, to in "[0-9a-f.]") {
            let key = key("secret");
            let value = key.sign(&GET, LONG, at(1000));
            let mut other = value.clone();
            other.replace_range(at_byte..=at_byte, &to);
            prop_assume!(other != value);
            prop_assert!(key.check(other.as_bytes(), &GET, at(1000)).is_err());
        }
    }
}
