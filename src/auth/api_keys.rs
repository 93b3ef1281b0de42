//! Keys given to programs.

use std::{collections::HashMap, sync::Arc};

use ring::digest::{SHA256, digest};
use serde_json::Value;
use subtle::ConstantTimeEq as _;

use super::{
    AuthError,
    identity::{Facts, Identity, Maker},
};
use crate::{
    config::{auth::ApiKeysConfig, finding::Problem},
    grammar::unhex,
};

/// Bytes of a SHA-256 hash.
const HASH: usize = 32;

/// The keys of one provider, by their hashes.
///
/// A key is looked for by its hash: which keys exist cannot be learnt from the time that takes,
/// because nobody can choose the hash of what is sent.
pub(super) struct ApiKeys(HashMap<[u8; HASH], Arc<Identity>>);

impl ApiKeys {
    /// # Errors
    /// Problems with paths relative to `api_keys`.
    pub fn compile(config: &ApiKeysConfig, maker: &Maker) -> Result<Self, Vec<Problem>> {
        let (mut keys, mut problems) = (HashMap::new(), Vec::new());
        for (index, key) in config.keys.iter().enumerate() {
            let Some(hash) =
                key.hash.expose().strip_prefix("sha256:").and_then(|digits| unhex(digits.as_bytes()))
            else {
                let path = format!("keys[{index}].hash");
                problems.push(
                    Problem::new(path, "is not `sha256:` and 64 hexadecimal digits")
                        .hint("make one: `printf %s KEY | sha256sum`")
                        .about_secret(),
                );
                continue;
            };
            let identity = maker.identity(Facts {
                subject: key.id.as_str().into(),
                scopes: boxed(&key.scopes),
                roles: boxed(&key.roles),
                claims: key.claims.iter().map(|(n, v)| (n.clone(), Value::String(v.clone()))).collect(),
                expires_at: None,
            });
            keys.insert(hash, identity);
        }
        if problems.is_empty() { Ok(Self(keys)) } else { Err(problems) }
    }

    pub fn check(&self, key: &str) -> Result<Arc<Identity>, AuthError> {
        let hash = digest(&SHA256, key.as_bytes());
        let mut sought = [0; HASH];
        sought.copy_from_slice(hash.as_ref());
        let (known, identity) = self.0.get_key_value(&sought).ok_or(AuthError::UnknownApiKey)?;
        if bool::from(known.ct_eq(&sought)) {
            Ok(Arc::clone(identity))
        } else {
            Err(AuthError::UnknownApiKey)
        }
    }
}

pub(super) fn boxed(words: &[String]) -> Vec<Box<str>> {
    words.iter().map(|word| word.as_str().into()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::identity::Kind;

    fn keys(yaml: &str) -> Result<ApiKeys, Vec<Problem>> {
        let maker = Maker { provider: "partners".into(), kind: Kind::ApiKey, secret: [0; 32] };
        ApiKeys::compile(&serde_yaml::from_str(yaml).unwrap(), &maker)
    }

    #[test]
    fn a_key_is_known_by_its_hash() {
        // printf %s open-sesame | sha256sum
        let yaml = "{ header: X-API-Key, keys: [{ id: lab-7, roles: [lab], claims: { tenant: north },
            hash: 'sha256:d7ecdf25eaf3deba0f2628771dbdd22d4138ab6cf38f91ed02a2ca0dec7c8ab7' }] }";
        let keys = keys(yaml).ok().unwrap();
        let identity = keys.check("open-sesame").unwrap();
        assert_eq!((identity.subject(), &*identity.roles()[0]), ("lab-7", "lab"));
        assert_eq!(identity.claim("tenant"), Some(&Value::from("north")));
        for wrong in ["", "open-sesam", "lab-7", "sha256:41ef"] {
            assert_eq!(keys.check(wrong).err(), Some(AuthError::UnknownApiKey), "{wrong}");
        }
    }

    #[test]
    fn hashes_must_be_hashes() {
        for bad in ["open-sesame", "sha256:12", &format!("sha256:{}", "+1".repeat(32)), "md5:00"] {
            let problems =
                keys(&format!("{{ header: X, keys: [{{ id: a, hash: '{bad}' }}] }}")).err().unwrap();
            assert_eq!(problems[0].path, "keys[0].hash", "{bad}");
            assert!(problems[0].secret && !problems[0].message.contains(bad));
        }
    }
}
