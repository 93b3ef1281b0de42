//! What the types of the shared tier cannot say. No secret is ever part of a problem.

use base64::{Engine, prelude::BASE64_STANDARD};

use super::{EncryptionConfig, RedisConfig};
use crate::config::{
    finding::Problem,
    values::{Period, Secret},
};

/// Bytes of a key of XChaCha20-Poly1305.
type Key = [u8; 32];

impl RedisConfig {
    /// All that is wrong, with paths from this section.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = self.server().place_problems();
        let mut not_zero = |path: &str, period: Period| {
            if period == Period::default() {
                problems.push(Problem::new(path, "must be longer than zero"));
            }
        };
        not_zero("timeout", self.timeout);
        not_zero("connect_timeout", self.connect_timeout);
        not_zero("breaker.open", self.breaker.open);
        if let Some(lease) = &self.lease {
            not_zero("lease.hold", lease.hold);
        }
        // Redis itself takes no larger value.
        if self.max_object.get() == 0 || self.max_object.get() > 512 << 20 {
            problems.push(Problem::new("max_object", "must be more than zero and at most 512MiB"));
        }
        if let Some(Err(problem)) = self.encrypt.as_ref().map(EncryptionConfig::decoded) {
            problems.push(problem);
        }
        problems
    }
}

impl EncryptionConfig {
    /// The key for new entries and those for older ones.
    ///
    /// # Errors
    /// The first that is not 32 bytes in base64.
    pub fn decoded(&self) -> Result<(Key, Vec<Key>), Problem> {
        let decode = |path: String, secret: &Secret| {
            let bytes = BASE64_STANDARD.decode(secret.expose().trim()).ok();
            bytes.and_then(|bytes| Key::try_from(bytes).ok()).ok_or_else(|| {
                let message = "is not 32 bytes in base64";
                Problem::new(path, message).hint("make one: `openssl rand -base64 32`").about_secret()
            })
        };
        let key = decode("encrypt.key".to_owned(), &self.key)?;
        let previous = self.previous.iter().enumerate();
        let previous = previous.map(|(n, secret)| decode(format!("encrypt.previous[{n}]"), secret));
        Ok((key, previous.collect::<Result<_, _>>()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(yaml: &str) -> Vec<String> {
        let config: RedisConfig = serde_yaml::from_str(yaml).unwrap();
        let problems = config.problems();
        let shown = problems.iter().map(|problem| format!("{problem:?}"));
        assert!(
            shown.clone().all(|text| !text.contains("hunter2")),
            "a secret in {:?}",
            shown.collect::<Vec<_>>()
        );
        problems.into_iter().map(|problem| problem.path).collect()
    }

    #[test]
    fn each_way_to_name_a_server_is_fine_by_itself() {
        for yaml in [
            "url: redis://127.0.0.1:6379/2",
            "url: rediss://user:hunter2@redis.example:6380",
            "cluster: [redis://a:1, redis://b:1]",
            "sentinel: { nodes: [redis://a:26379], master: main }",
        ] {
            assert_eq!(problems(yaml), Vec::<String>::new(), "{yaml}");
        }
    }

    #[test]
    fn nothing_or_two_places_are_refused() {
        assert_eq!(problems("{}"), [""]);
        assert_eq!(problems("{ url: redis://a, cluster: [redis://b] }"), [""]);
    }

    #[test]
    fn addresses_must_make_sense() {
        assert_eq!(problems("url: http://a"), ["url"]);
        assert_eq!(problems("url: rediss://:hunter2@a/#insecure"), ["url"]);
        assert_eq!(problems("cluster: [redis://a/1]"), ["cluster"]);
        assert_eq!(problems("{ cluster: [redis://a], database: 3 }"), ["cluster"]);
        assert_eq!(problems("cluster: [redis://:hunter2@a, redis://a]"), ["cluster"]);
        assert_eq!(problems("cluster: [unix:///tmp/x]"), ["cluster"]);
        assert_eq!(problems("sentinel: { nodes: [], master: '' }"), ["sentinel.nodes", "sentinel.master"]);
        assert_eq!(problems("sentinel: { nodes: ['hunter2'], master: m }"), ["sentinel.nodes[0]"]);
    }

    #[test]
    fn numbers_names_and_keys_are_checked_together() {
        let yaml = "
            url: redis://a
            prefix: 'a{b}'
            timeout: 0s
            max_object: 0
            breaker: { open: 0s }
            lease: { hold: 0s }
            encrypt: { key: hunter2 }
        ";
        let paths = ["prefix", "timeout", "breaker.open", "lease.hold", "max_object", "encrypt.key"];
        assert_eq!(problems(yaml), paths);
        let key = BASE64_STANDARD.encode([7; 32]);
        assert_eq!(
            problems(&format!("{{ url: redis://a, encrypt: {{ key: {key} }} }}")),
            Vec::<String>::new()
        );
        let yaml = format!("{{ url: redis://a, encrypt: {{ key: {key}, previous: [{key}, hunter2] }} }}");
        assert_eq!(problems(&yaml), ["encrypt.previous[1]"]);
    }
}
