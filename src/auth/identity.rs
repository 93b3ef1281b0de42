//! Who it turned out to be.

use std::{borrow::Cow, fmt, sync::Arc, time::SystemTime};

use serde_json::{Map, Value};

use crate::config::auth::{Demand, Fact};

/// The kind of proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A signed token.
    Token,
    /// An API key: the subject is the id of the key.
    ApiKey,
    /// A name and a password.
    Password,
    /// The word of a service.
    Forwarded,
}

/// Whoever calls, as far as a provider vouches for it.
///
/// Its `Debug` form shows no value: they are personal data.
pub struct Identity {
    provider: Arc<str>,
    kind: Kind,
    tag: Tag,
    facts: Facts,
}

/// What is known of whoever it is.
#[derive(Default)]
pub(super) struct Facts {
    pub subject: Box<str>,
    pub scopes: Vec<Box<str>>,
    pub roles: Vec<Box<str>>,
    pub claims: Map<String, Value>,
    pub expires_at: Option<SystemTime>,
}

impl Facts {
    fn issuer(&self) -> &str {
        self.claims.get("iss").and_then(Value::as_str).unwrap_or_default()
    }
}

/// A keyed hash of provider, issuer and subject, in hexadecimal digits.
type Tag = [u8; 16];

/// Makes identities of one provider.
#[derive(Clone)]
pub(super) struct Maker {
    pub provider: Arc<str>,
    pub kind: Kind,
    /// What names in logs are hashed with.
    pub secret: [u8; 32],
}

impl Maker {
    pub fn identity(&self, mut facts: Facts) -> Arc<Identity> {
        let mut hasher = blake3::Hasher::new_keyed(&self.secret);
        for part in [&*self.provider, facts.issuer(), &facts.subject] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        let hash = hasher.finalize().to_hex();
        let mut tag = Tag::default();
        tag.copy_from_slice(&hash.as_bytes()[..16]);
        if self.kind != Kind::Token {
            // What every token has, others have too.
            let subject = facts.subject.to_string();
            facts.claims.entry("sub").or_insert(Value::String(subject));
        }
        Arc::new(Identity { provider: Arc::clone(&self.provider), kind: self.kind, tag, facts })
    }
}

impl Identity {
    /// The name of the provider.
    pub fn provider(&self) -> &Arc<str> {
        &self.provider
    }

    /// The kind of proof.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Who issued the credentials, as far as they say; empty where they do not.
    pub fn issuer(&self) -> &str {
        self.facts.issuer()
    }

    /// Who it is, within the provider and the issuer.
    pub fn subject(&self) -> &str {
        &self.facts.subject
    }

    /// What the credentials are good for.
    pub fn scopes(&self) -> &[Box<str>] {
        &self.facts.scopes
    }

    /// What the caller is.
    pub fn roles(&self) -> &[Box<str>] {
        &self.facts.roles
    }

    /// When the credentials expire, if they do.
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.facts.expires_at
    }

    /// Sixteen hexadecimal digits that stand for it in logs.
    pub fn tag(&self) -> &str {
        // Made of hexadecimal digits.
        std::str::from_utf8(&self.tag).unwrap_or_default()
    }

    /// All that is said of it.
    pub fn claims(&self) -> &Map<String, Value> {
        &self.facts.claims
    }

    /// A claim by its name, or by the names that lead to it with dots between them.
    pub fn claim(&self, name: &str) -> Option<&Value> {
        lookup(&self.facts.claims, name)
    }

    /// A fact as text; `None` if there is none, or if it is no list of words. `Some(None)`: one of
    /// its words would be read as another, or as two.
    pub fn fact(&self, fact: &Fact) -> Option<Option<Cow<'_, str>>> {
        match fact {
            Fact::Subject => Some(Some(Cow::Borrowed(self.subject()))),
            Fact::Provider => Some(Some(Cow::Borrowed(&*self.provider))),
            Fact::Scopes => joined(&self.facts.scopes, " "),
            Fact::Roles => joined(&self.facts.roles, ","),
            Fact::Claim(name) => match self.claim(name)? {
                Value::Array(items) => joined(&items.iter().map(scalar).collect::<Option<Vec<_>>>()?, ","),
                value => scalar(value).map(Some),
            },
        }
    }

    /// Whether a condition holds.
    pub fn meets(&self, demand: &Demand) -> bool {
        let among = |words: &[Box<str>], name: &str| words.iter().any(|word| **word == *name);
        match demand {
            Demand::Scope(name) => among(&self.facts.scopes, name),
            Demand::Role(name) => among(&self.facts.roles, name),
            Demand::Claim(name, None) => self.claim(name).is_some_and(|value| !value.is_null()),
            Demand::Claim(name, Some(wanted)) => match self.claim(name) {
                Some(Value::Array(items)) => {
                    items.iter().any(|item| scalar(item).is_some_and(|text| text == *wanted))
                }
                Some(value) => scalar(value).is_some_and(|text| text == *wanted),
                None => false,
            },
        }
    }

    /// What keeps the stored responses of different callers apart: a claim, with the provider
    /// and the issuer that vouch for it. `None` without the claim.
    pub fn partition_by_claim(&self, name: &str) -> Option<Vec<u8>> {
        let value = self.claim(name).filter(|value| !value.is_null())?;
        let mut bytes = self.partition();
        // As JSON, so that the number 1 and the text "1" differ.
        serde_json::to_writer(&mut bytes, value).ok()?;
        Some(bytes)
    }

    /// The same by what the caller is. The order of roles does not count.
    pub fn partition_by_roles(&self) -> Vec<u8> {
        let mut bytes = self.partition();
        let mut roles: Vec<&str> = self.facts.roles.iter().map(|role| &**role).collect();
        roles.sort_unstable();
        roles.dedup();
        for role in roles {
            bytes.extend_from_slice(&(role.len() as u64).to_le_bytes());
            bytes.extend_from_slice(role.as_bytes());
        }
        bytes
    }

    fn partition(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(128);
        // The same name means somebody else to another issuer.
        for part in [&*self.provider, self.issuer()] {
            bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        bytes
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("provider", &self.provider)
            .field("kind", &self.kind)
            .field("tag", &self.tag())
            .finish_non_exhaustive()
    }
}

/// A claim by its name, or by the names that lead to it with dots between them.
pub(super) fn lookup<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    if let Some(value) = claims.get(name) {
        return Some(value);
    }
    // Names may have dots themselves, as URLs do: the longest first part that leads on counts.
    let mut end = name.len();
    while let Some(dot) = name[..end].rfind('.') {
        if let Some(Value::Object(inner)) = claims.get(&name[..dot])
            && let Some(value) = lookup(inner, &name[dot + 1..])
        {
            return Some(value);
        }
        end = dot;
    }
    None
}

/// Words as one text. `None`: there are none; `Some(None)`: whoever takes it apart finds others.
fn joined(words: &[impl AsRef<str>], gap: &str) -> Option<Option<Cow<'static, str>>> {
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    let is_plain = |word: &&str| !word.contains(gap) && word.trim_ascii() == *word;
    (!words.is_empty()).then(|| words.iter().all(is_plain).then(|| Cow::Owned(words.join(gap))))
}

/// A text, a number or a truth value as text.
fn scalar(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        Value::Bool(value) => Some(Cow::Borrowed(if *value { "true" } else { "false" })),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The words of a list, or of a text with spaces or commas between them.
pub(super) fn words(value: &Value) -> Vec<Box<str>> {
    match value {
        Value::String(text) => split(text),
        Value::Array(items) => {
            items.iter().filter_map(scalar).filter(|word| !word.is_empty()).map(Box::from).collect()
        }
        _ => Vec::new(),
    }
}

/// The words of a text with spaces or commas between them.
pub(super) fn split(text: &str) -> Vec<Box<str>> {
    text.split([' ', ',']).filter(|word| !word.is_empty()).map(Box::from).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn identity(claims: Value) -> Arc<Identity> {
        let Value::Object(claims) = claims else { panic!("claims are an object") };
        let maker = Maker { provider: "staff".into(), kind: Kind::Token, secret: [7; 32] };
        maker.identity(Facts {
            subject: "ann".into(),
            scopes: split("a b"),
            roles: words(&json!(["nurse", "doctor"])),
            claims,
            expires_at: None,
        })
    }

    #[test]
    fn claims_are_found_by_name_and_by_path() {
        let claims = json!({ "a": { "b": { "c": 1 } }, "a.b": "dotted", "https://x.example/r": { "d": 2 }, "n": null });
        let identity = identity(claims);
        assert_eq!(identity.claim("a.b"), Some(&json!("dotted")), "the whole name first");
        assert_eq!(identity.claim("a.b.c"), Some(&json!(1)));
        assert_eq!(identity.claim("https://x.example/r.d"), Some(&json!(2)));
        for absent in ["", ".", "a.", "a.c", "b", "a.b.c.d"] {
            assert_eq!(identity.claim(absent), None, "{absent}");
        }
    }

    #[test]
    fn conditions_compare_words_and_values() {
        let identity = identity(json!({ "tenant": "north", "level": 3, "groups": ["x", 7], "none": null }));
        let meets = |text: &str| identity.meets(&text.parse().unwrap());
        for good in [
            "scope:a",
            "role:doctor",
            "claim:tenant=north",
            "claim:level=3",
            "claim:groups=7",
            "claim:groups",
        ] {
            assert!(meets(good), "{good}");
        }
        for bad in
            ["scope:c", "scope:a b", "role:Doctor", "claim:tenant=south", "claim:none", "claim:groups=y"]
        {
            assert!(!meets(bad), "{bad}");
        }
    }

    #[test]
    fn facts_become_text_or_nothing() {
        let identity = identity(
            json!({ "tenant": "north", "groups": ["x", 7], "deep": { "a": 1 }, "e": [], "one": ["a,b"], "two": ["a", " b"] }),
        );
        let told = |text: &str| identity.fact(&text.parse().unwrap());
        let fact = |text: &str| told(text).flatten().map(Cow::into_owned);
        assert_eq!((told("claim:one"), told("claim:two")), (Some(None), Some(None)), "no other words");
        assert_eq!(fact("subject").as_deref(), Some("ann"));
        assert_eq!(fact("scopes").as_deref(), Some("a b"));
        assert_eq!(fact("roles").as_deref(), Some("nurse,doctor"));
        assert_eq!(fact("claim:groups").as_deref(), Some("x,7"));
        assert_eq!((told("claim:deep"), told("claim:e"), told("claim:absent")), (None, None, None));
    }

    #[test]
    fn partitions_differ_by_provider_issuer_claim_and_type() {
        let north = identity(json!({ "tenant": "1" }));
        let number = identity(json!({ "tenant": 1 }));
        assert_ne!(north.partition_by_claim("tenant"), number.partition_by_claim("tenant"));
        assert_eq!(north.partition_by_claim("absent"), None);
        let [here, there] = ["here", "there"].map(|issuer| identity(json!({ "tenant": "1", "iss": issuer })));
        assert_ne!(here.partition_by_claim("tenant"), there.partition_by_claim("tenant"));
        assert_ne!((here.partition_by_roles(), here.tag()), (there.partition_by_roles(), there.tag()));
        let maker = Maker { provider: "partners".into(), kind: Kind::ApiKey, secret: [7; 32] };
        let facts = |roles: &str| Facts { subject: "ann".into(), roles: split(roles), ..Facts::default() };
        let (one, other) = (maker.identity(facts("a b")), maker.identity(facts("b a b")));
        assert_eq!(one.partition_by_roles(), other.partition_by_roles());
        assert_ne!(one.partition_by_roles(), maker.identity(facts("ab")).partition_by_roles());
        assert_ne!(one.tag(), north.tag(), "the same subject of another provider is somebody else");
        assert_eq!(one.claim("sub"), Some(&json!("ann")));
    }

    #[test]
    fn values_are_not_shown() {
        let shown = format!("{:?}", identity(json!({ "tenant": "north" })));
        assert!(!shown.contains("ann") && !shown.contains("north") && !shown.contains("doctor"), "{shown}");
    }
}
