//! Names and passwords (RFC 7617).

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::Value;

use super::{
    AuthError,
    api_keys::boxed,
    identity::{Facts, Identity, Maker},
    memo::Memo,
    password::Hash,
    provider::Undecided,
};
use crate::{
    config::{auth::BasicConfig, finding::Problem},
    telemetry::{auth::Remembered, metrics::AuthMetrics},
};

/// How long a password that was right is not hashed again.
const REMEMBERED: Duration = Duration::from_secs(300);

/// The users of one provider.
pub(super) struct Users {
    users: HashMap<Box<str>, User>,
    /// Checked for names that nobody has, so that the time taken does not tell who exists.
    decoy: Hash,
    memo: Memo<Arc<Identity>>,
    metrics: Arc<AuthMetrics>,
}

struct User {
    hash: Hash,
    identity: Arc<Identity>,
}

impl Users {
    /// # Errors
    /// Problems with paths relative to `basic`.
    pub fn compile(
        config: &BasicConfig,
        maker: &Maker,
        metrics: &Arc<AuthMetrics>,
    ) -> Result<Self, Vec<Problem>> {
        let (mut users, mut problems, mut decoy) = (HashMap::new(), Vec::new(), None);
        for (index, user) in config.users.iter().enumerate() {
            let Some(hash) = Hash::parse(user.hash.expose()) else {
                let message = "is no hash of a password: neither Argon2 nor bcrypt";
                problems.push(
                    Problem::new(format!("users[{index}].hash"), message)
                        .hint("make one: `htpasswd -nbB name password`, or `argon2 SALT -id -e`")
                        .about_secret(),
                );
                continue;
            };
            decoy.get_or_insert_with(|| hash.clone());
            let identity = maker.identity(Facts {
                subject: user.name.as_str().into(),
                scopes: boxed(&user.scopes),
                roles: boxed(&user.roles),
                claims: user.claims.iter().map(|(n, v)| (n.clone(), Value::String(v.clone()))).collect(),
                expires_at: None,
            });
            users.insert(Box::from(user.name.as_str()), User { hash, identity });
        }
        match decoy {
            Some(decoy) if problems.is_empty() => {
                Ok(Self { users, decoy, memo: Memo::new(), metrics: Arc::clone(metrics) })
            }
            // Without users there is a finding already.
            _ => Err(problems),
        }
    }

    /// Decides at once if the password was right a short time ago.
    pub fn check(&self, credential: &str, now: SystemTime) -> Result<Arc<Identity>, Undecided> {
        let known = self.memo.get(&self.memo.digest(credential.as_bytes()), now);
        self.metrics.remembered(if known.is_some() { Remembered::Hit } else { Remembered::Miss });
        match known {
            Some(identity) => Ok(identity),
            None if split(credential).is_none() => Err(Undecided::Refused(AuthError::Malformed)),
            None => Err(Undecided::Password),
        }
    }

    /// Decides by hashing the password.
    pub async fn resolve(&self, credential: &str, now: SystemTime) -> Result<Arc<Identity>, AuthError> {
        let (name, password) = split(credential).ok_or(AuthError::Malformed)?;
        let user = self.users.get(name.as_str());
        let right = user.map_or(&self.decoy, |user| &user.hash).check(password).await?;
        let user = user.filter(|_| right).ok_or(AuthError::BadPassword)?;
        let identity = Arc::clone(&user.identity);
        let digest = self.memo.digest(credential.as_bytes());
        self.memo.insert(digest, Arc::clone(&identity), now + REMEMBERED);
        Ok(identity)
    }
}

/// The name before the first colon and the password behind it.
fn split(credential: &str) -> Option<(String, Vec<u8>)> {
    let decoded = BASE64_STANDARD.decode(credential).ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    let name = String::from_utf8(decoded[..colon].to_vec()).ok()?;
    Some((name, decoded[colon + 1..].to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{auth::identity::Kind, telemetry::metrics::Metrics};

    fn users(yaml: &str) -> Result<Users, Vec<Problem>> {
        let maker = Maker { provider: "ops".into(), kind: Kind::Password, secret: [0; 32] };
        let metrics = Metrics::new("0", "0").unwrap().auth_provider("ops");
        Users::compile(&serde_yaml::from_str(yaml).unwrap(), &maker, &metrics)
    }

    #[tokio::test]
    async fn a_right_password_is_hashed_once_in_a_while() {
        let hash = bcrypt::hash("open:sesame", 4).unwrap();
        let users = users(&format!("{{ users: [{{ name: ann, hash: '{hash}' }}] }}")).ok().unwrap();
        let now = SystemTime::UNIX_EPOCH;
        let good = BASE64_STANDARD.encode("ann:open:sesame");
        assert!(matches!(users.check(&good, now), Err(Undecided::Password)));
        assert_eq!(users.resolve(&good, now).await.unwrap().subject(), "ann");
        assert!(users.check(&good, now + REMEMBERED / 2).is_ok());
        assert!(users.check(&good, now + REMEMBERED).is_err());
        for bad in ["ann:open", "bob:open:sesame", ":", "ann:"] {
            let bad = BASE64_STANDARD.encode(bad);
            assert_eq!(users.resolve(&bad, now).await.err(), Some(AuthError::BadPassword));
            assert!(
                matches!(users.check(&bad, now), Err(Undecided::Password)),
                "wrong ones are not remembered"
            );
        }
        for garbled in ["ann:open:sesame", "", "YW5u"] {
            let checked = users.check(garbled, now);
            assert!(matches!(checked, Err(Undecided::Refused(AuthError::Malformed))), "{garbled}");
        }
    }

    #[test]
    fn a_password_in_clear_is_no_hash() {
        let problems = users("{ users: [{ name: ann, hash: hunter2 }] }").err().unwrap();
        assert_eq!(problems[0].path, "users[0].hash");
        assert!(problems[0].secret);
    }
}
