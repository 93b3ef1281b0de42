use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::json;

use super::*;
use crate::{auth::Authenticator, telemetry::metrics::Metrics};

const SECRET: &str = "a shared secret of some thirty-two bytes";

/// Two ways with tokens, one with keys.
fn authenticator() -> Authenticator {
    // open-sesame
    let hash = "sha256:d7ecdf25eaf3deba0f2628771dbdd22d4138ab6cf38f91ed02a2ca0dec7c8ab7";
    let yaml = format!(
        "providers:
  staff: {{ jwt: {{ keys: {{ secret: '{SECRET}' }}, audience: staff }} }}
  guests: {{ jwt: {{ keys: {{ secret: '{SECRET}' }}, audience: guests }} }}
  partners: {{ api_keys: {{ header: X-API-Key, keys: [{{ id: lab-7, hash: '{hash}', roles: [lab] }}] }} }}
  legacy: {{ forward: {{ upstream: auth, path: /verify, identity: {{ subject: X-User }} }} }}"
    );
    let metrics = Metrics::new("0", "0").unwrap();
    Authenticator::build(&serde_yaml::from_str(&yaml).unwrap(), None, [0; 32], &metrics).ok().unwrap()
}

fn rule(yaml: &str) -> AuthRule {
    authenticator().rule(&serde_yaml::from_str(yaml).unwrap()).ok().unwrap()
}

fn token(claims: serde_json::Value) -> String {
    let part = |value: serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(json!({ "alg": "HS256" })), part(claims));
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET.as_bytes());
    let signature = BASE64_URL_SAFE_NO_PAD.encode(ring::hmac::sign(&key, message.as_bytes()));
    format!("Bearer {message}.{signature}")
}

fn of(audience: &str, subject: &str) -> String {
    token(
        json!({ "sub": subject, "aud": audience, "exp": 2e9, "scope": "a b", "name": "Ann\nX", "t": "north" }),
    )
}

/// `Ok` with the provider and the subject, or why not; nothing is asked.
fn judge(rule: &AuthRule, fields: &[(&'static str, &str)]) -> Result<Option<String>, AuthError> {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(*name, value.parse().unwrap());
    }
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
    match rule.judge(&headers, None, now) {
        Verdict::Admitted(identity) => {
            Ok(identity.map(|one| format!("{} {}", one.provider(), one.subject())))
        }
        Verdict::Refused(refusal) => Err(refusal.error),
        Verdict::Undecided(question) => Ok(Some(question.describe())),
    }
}

fn admitted(text: &str) -> Result<Option<String>, AuthError> {
    Ok(Some(text.to_owned()))
}

#[test]
fn whoever_understands_a_credential_decides() {
    let rule = rule("with: [staff, guests, partners]");
    assert_eq!(judge(&rule, &[("authorization", &of("staff", "ann"))]), admitted("staff ann"));
    assert_eq!(judge(&rule, &[("authorization", &of("guests", "bob"))]), admitted("guests bob"));
    assert_eq!(judge(&rule, &[("x-api-key", "open-sesame")]), admitted("partners lab-7"));
    let other = of("others", "eve");
    assert_eq!(judge(&rule, &[("authorization", &other)]), Err(AuthError::WrongAudience));
    assert_eq!(judge(&rule, &[]), Err(AuthError::Missing));
    assert_eq!(judge(&rule, &[("authorization", "Basic YTpi")]), Err(AuthError::Malformed));
}

#[test]
fn bad_credentials_are_refused_where_none_are_needed() {
    let rule = rule("{ with: [staff, partners], mode: optional }");
    assert_eq!(judge(&rule, &[]), Ok(None));
    assert_eq!(judge(&rule, &[("authorization", "Bearer x")]), Err(AuthError::Malformed));
    assert_eq!(judge(&rule, &[("authorization", "Digest x")]), Err(AuthError::Malformed));
    assert_eq!(judge(&rule, &[("x-api-key", "wrong")]), Err(AuthError::UnknownApiKey));
    let good = of("staff", "ann");
    let both = [("authorization", good.as_str()), ("x-api-key", "wrong")];
    assert_eq!(judge(&rule, &both), Err(AuthError::UnknownApiKey), "one good one does not make up for it");
}

#[test]
fn two_callers_in_one_request_are_none() {
    let rule = rule("with: [staff, partners]");
    let (ann, lab) = (of("staff", "ann"), of("staff", "lab-7"));
    let with = |token: &str| judge(&rule, &[("authorization", token), ("x-api-key", "open-sesame")]);
    assert_eq!(with(&ann), Err(AuthError::Conflict));
    assert_eq!(with(&lab), admitted("staff lab-7"), "the same one twice is one");
    let twice = [("authorization", ann.as_str()), ("authorization", ann.as_str())];
    assert_eq!(judge(&rule, &twice), Err(AuthError::Duplicate));
}

#[test]
fn a_service_is_asked_when_nobody_else_finds_anything() {
    let rule = rule("with: [staff, legacy]");
    assert_eq!(judge(&rule, &[("cookie", "session=1")]), admitted("legacy asks its service"));
    assert_eq!(judge(&rule, &[("authorization", "Basic YTpi")]), admitted("legacy asks its service"));
    assert_eq!(judge(&rule, &[("authorization", &of("staff", "ann"))]), admitted("staff ann"));
    assert_eq!(judge(&rule, &[("authorization", "Bearer x")]), Err(AuthError::Malformed));
    assert_eq!(judge(&rule, &[]), Err(AuthError::Missing));
}

#[test]
fn conditions_decide_after_identity() {
    let demand = |require: &str| {
        let rule = rule(&format!("{{ with: staff, require: {require} }}"));
        judge(&rule, &[("authorization", &of("staff", "ann"))]).err()
    };
    assert_eq!(demand("{ all: ['scope:a', 'scope:b'] }"), None);
    assert_eq!(demand("{ all: ['scope:a', 'scope:c'] }"), Some(AuthError::Forbidden));
    assert_eq!(demand("{ any: ['scope:c', 'claim:t=north'] }"), None);
    assert_eq!(demand("{ all: ['scope:a', { any: ['role:x', 'scope:b'] }] }"), None);
    assert_eq!(demand("{ any: [{ all: ['scope:a', 'role:x'] }] }"), Some(AuthError::Forbidden));
}

#[test]
fn refusals_say_what_would_help() {
    let rule = rule("{ with: [staff, guests, partners], require: { all: ['scope:c'] } }");
    let said = |error| {
        let values = rule.challenges(error);
        values.iter().map(|value| value.to_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(
        said(AuthError::Missing),
        [
            "Bearer realm=\"staff\"",
            "Bearer realm=\"guests\"",
            "ApiKey realm=\"partners\", header=\"X-API-Key\""
        ]
    );
    assert_eq!(
        said(AuthError::Forbidden)[0],
        "Bearer realm=\"staff\", error=\"insufficient_scope\", scope=\"c\""
    );
    assert_eq!(rule.describe(), "required, by staff or guests or partners; needs scope:c");
}

#[test]
fn backends_are_told_what_fits_into_a_field() {
    let rule = rule(
        "{ with: staff, forward: { X-User-Id: subject, X-Tenant: 'claim:t', X-Name: 'claim:name', X-Roles: roles } }",
    );
    let mut headers = HeaderMap::new();
    headers.insert("authorization", of("staff", "ann").parse().unwrap());
    let Verdict::Admitted(Some(identity)) = rule.judge(&headers, None, SystemTime::UNIX_EPOCH) else {
        panic!("not admitted")
    };
    let told: Vec<_> = rule.forwarded(&identity).map(|(name, value)| (name.to_string(), value)).collect();
    let expected = [("x-tenant", "north"), ("x-user-id", "ann")];
    let expected = expected.map(|(name, value)| (name.to_owned(), HeaderValue::from_static(value)));
    assert_eq!(told, expected, "no line break, no empty list");
}

#[test]
fn fields_that_mean_something_else_are_not_written() {
    for name in ["Host", "Authorization", "content-length", "no name:"] {
        let config = serde_yaml::from_str(&format!("{{ with: staff, forward: {{ '{name}': subject }} }}"));
        let problems = authenticator().rule(&config.unwrap()).err().unwrap();
        assert!(problems[0].path.starts_with("forward"), "{name}: {problems:?}");
    }
}

#[test]
fn an_unchanged_provider_is_taken_over() {
    let config = |extra: &str| {
        let yaml = format!("providers: {{ a: {{ jwt: {{ keys: {{ secret: x }}{extra} }} }} }}");
        serde_yaml::from_str(&yaml).unwrap()
    };
    let metrics = Metrics::new("0", "0").unwrap();
    let build = |config, previous| Authenticator::build(&config, previous, [0; 32], &metrics).ok().unwrap();
    let with = serde_yaml::from_str("with: a").unwrap();
    let first = |one: &Authenticator| Arc::clone(one.rule(&with).ok().unwrap().providers().next().unwrap());
    let one = build(config(""), None);
    let same = build(config(""), Some(&one));
    let other = build(config(", issuer: x"), Some(&same));
    assert!(Arc::ptr_eq(&first(&one), &first(&same)));
    assert!(!Arc::ptr_eq(&first(&same), &first(&other)));
}
