//! What a token says, and whether it holds now.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};

use super::{
    AuthError,
    identity::{Facts, lookup, words},
};
use crate::config::auth::{ClaimPathsConfig, JwtConfig};

/// The deepest nesting of claims that is taken.
const DEPTH_MAX: usize = 16;

/// The demands on the claims of a token (RFC 7519 section 4.1).
pub(super) struct ClaimRules {
    issuers: Option<Box<[String]>>,
    audiences: Option<Box<[String]>>,
    leeway: Duration,
    paths: ClaimPathsConfig,
}

/// A token that holds, until when.
pub(super) struct Holding {
    pub facts: Facts,
    pub until: SystemTime,
}

impl ClaimRules {
    pub fn new(config: &JwtConfig) -> Self {
        let list = |values: &[String]| Box::from(values);
        Self {
            issuers: config.issuer.as_ref().map(|values| list(values.as_slice())),
            audiences: config.audience.as_ref().map(|values| list(values.as_slice())),
            leeway: config.leeway.get(),
            paths: config.claims.clone(),
        }
    }

    /// Judges claims whose signature has been checked.
    pub fn judge(&self, claims: Map<String, Value>, now: SystemTime) -> Result<Holding, AuthError> {
        if !is_shallow(claims.values(), DEPTH_MAX) {
            return Err(AuthError::Malformed);
        }
        // Without an end it could never be taken back.
        let expires_at = date(&claims, "exp")?.ok_or(AuthError::Malformed)?;
        let until = expires_at.checked_add(self.leeway).ok_or(AuthError::Malformed)?;
        if now >= until {
            return Err(AuthError::Expired);
        }
        if let Some(not_before) = date(&claims, "nbf")?
            && now.checked_add(self.leeway).is_some_and(|latest| latest < not_before)
        {
            return Err(AuthError::NotYetValid);
        }
        if let Some(known) = &self.issuers
            && !claims.get("iss").and_then(Value::as_str).is_some_and(|issuer| among(known, issuer))
        {
            return Err(AuthError::WrongIssuer);
        }
        if let Some(known) = &self.audiences
            && !is_for(&claims, known)
        {
            return Err(AuthError::WrongAudience);
        }
        let subject = match lookup(&claims, &self.paths.subject) {
            Some(Value::String(subject)) if !subject.is_empty() => subject.as_str().into(),
            Some(Value::Number(number)) => number.to_string().into(),
            _ => return Err(AuthError::Malformed),
        };
        let list = |path: &str| lookup(&claims, path).map(words).unwrap_or_default();
        let (scopes, roles) = (list(&self.paths.scopes), list(&self.paths.roles));
        Ok(Holding { facts: Facts { subject, scopes, roles, claims, expires_at: Some(expires_at) }, until })
    }
}

fn among(known: &[String], value: &str) -> bool {
    known.iter().any(|one| one == value)
}

/// `aud` is a text or a list of them (RFC 7519 section 4.1.3).
fn is_for(claims: &Map<String, Value>, known: &[String]) -> bool {
    match claims.get("aud") {
        Some(Value::String(audience)) => among(known, audience),
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).any(|item| among(known, item)),
        _ => false,
    }
}

/// A date as seconds since 1970, which may have a fraction (RFC 7519 section 2).
fn date(claims: &Map<String, Value>, name: &str) -> Result<Option<SystemTime>, AuthError> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let seconds = value.as_f64().ok_or(AuthError::Malformed)?;
    let since = Duration::try_from_secs_f64(seconds).map_err(|_| AuthError::Malformed)?;
    UNIX_EPOCH.checked_add(since).map(Some).ok_or(AuthError::Malformed)
}

fn is_shallow<'a>(mut values: impl Iterator<Item = &'a Value>, depth: usize) -> bool {
    values.all(|value| match value {
        Value::Array(items) => depth > 0 && is_shallow(items.iter(), depth - 1),
        Value::Object(entries) => depth > 0 && is_shallow(entries.values(), depth - 1),
        _ => true,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn judge(yaml: &str, claims: Value) -> Result<Holding, AuthError> {
        let config = serde_yaml::from_str(&format!("keys: {{ secret: x }}\nleeway: 30s\n{yaml}")).unwrap();
        let Value::Object(claims) = claims else { panic!("claims are an object") };
        ClaimRules::new(&config).judge(claims, UNIX_EPOCH + Duration::from_secs(1_000_000))
    }

    fn refusal(yaml: &str, claims: Value) -> Option<AuthError> {
        judge(yaml, claims).err()
    }

    #[test]
    fn dates_count_with_leeway() {
        let token = |exp: Value, nbf: Value| json!({ "sub": "a", "exp": exp, "nbf": nbf });
        let refusal = |exp, nbf| refusal("", token(exp, nbf));
        assert_eq!(refusal(json!(1_000_010), json!(0)), None);
        assert_eq!(refusal(json!(999_971), json!(0)), None, "within the leeway");
        assert_eq!(refusal(json!(999_970), json!(0)), Some(AuthError::Expired));
        assert_eq!(refusal(json!(999_970.5), json!(0)), None);
        assert_eq!(refusal(json!(1_000_100), json!(1_000_030)), None);
        assert_eq!(refusal(json!(1_000_100), json!(1_000_031)), Some(AuthError::NotYetValid));
        for bad in [json!(-1), json!("1000010"), json!(1e300), json!(null), json!(true)] {
            assert_eq!(refusal(bad.clone(), json!(0)), Some(AuthError::Malformed), "{bad}");
        }
        let until = judge("", token(json!(1_000_010), json!(0))).ok().unwrap().until;
        assert_eq!(until, UNIX_EPOCH + Duration::from_secs(1_000_040));
        assert_eq!(self::refusal("", json!({ "sub": "a" })), Some(AuthError::Malformed), "no end");
    }

    #[test]
    fn issuer_and_audience_must_be_among_those_named() {
        let yaml = "issuer: [https://a.example, https://b.example]\naudience: nilecare";
        let token = |iss: Value, aud: Value| json!({ "sub": "a", "exp": 2e6, "iss": iss, "aud": aud });
        let refusal = |iss, aud| refusal(yaml, token(iss, aud));
        assert_eq!(refusal(json!("https://b.example"), json!(["x", "nilecare"])), None);
        assert_eq!(refusal(json!("https://b.example/"), json!("nilecare")), Some(AuthError::WrongIssuer));
        assert_eq!(refusal(json!(null), json!("nilecare")), Some(AuthError::WrongIssuer));
        assert_eq!(refusal(json!("https://a.example"), json!("Nilecare")), Some(AuthError::WrongAudience));
        assert_eq!(refusal(json!("https://a.example"), json!([])), Some(AuthError::WrongAudience));
    }

    #[test]
    fn facts_are_taken_from_where_they_stand() {
        let yaml = "claims: { subject: email, scopes: scp, roles: realm_access.roles }";
        let claims = json!({ "exp": 2e6, "sub": "4711", "email": "ann@example.org", "scp": ["a", "b"],
            "realm_access": { "roles": ["doctor"] } });
        let facts = judge(yaml, claims).ok().unwrap().facts;
        assert_eq!(&*facts.subject, "ann@example.org");
        assert_eq!((facts.scopes.len(), facts.roles.len()), (2, 1));
        let claims = json!({ "exp": 2e6, "sub": 4711, "scope": "a b", "roles": "nurse" });
        let facts = judge("", claims).ok().unwrap().facts;
        assert_eq!((&*facts.subject, facts.scopes.len(), &*facts.roles[0]), ("4711", 2, "nurse"));
        assert_eq!(refusal("", json!({ "exp": 2e6, "sub": "" })), Some(AuthError::Malformed));
    }

    #[test]
    fn claims_may_not_nest_deeply() {
        let deep = |depth| (0..depth).fold(json!(1), |inner, _| json!([inner]));
        assert_eq!(refusal("", json!({ "exp": 2e6, "sub": "a", "x": deep(DEPTH_MAX) })), None);
        let error = refusal("", json!({ "exp": 2e6, "sub": "a", "x": deep(DEPTH_MAX + 1) }));
        assert_eq!(error, Some(AuthError::Malformed));
    }
}
