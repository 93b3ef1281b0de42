//! What a refusal asks for: the values of `WWW-Authenticate` (RFC 9110 section 11.6.1).

use super::{AuthError, Provider};
use crate::config::auth::{ApiKeysConfig, ProviderConfig, TokenSource};

impl Provider {
    /// The challenge with which a refusal goes out; `None` if another try would be of no use.
    pub(super) fn challenge(&self, error: AuthError, scopes: &str) -> Option<String> {
        let name = self.name();
        match self.config() {
            ProviderConfig::Jwt(jwt) if is_bearer(&jwt.from) => Some(bearer(name, error, scopes)),
            _ if error == AuthError::Forbidden => None,
            ProviderConfig::Jwt(_) | ProviderConfig::Forward(_) => Some(bearer(name, error, scopes)),
            ProviderConfig::Basic(basic) => {
                let realm = basic.realm.as_deref().unwrap_or(name);
                Some(format!("Basic realm={}, charset=\"UTF-8\"", quoted(realm)))
            }
            ProviderConfig::ApiKeys(keys) => Some(api_key(name, keys)),
        }
    }
}

fn is_bearer(source: &TokenSource) -> bool {
    matches!(source, TokenSource::Header(name) if name.eq_ignore_ascii_case("authorization"))
}

/// RFC 6750 section 3. A request without credentials is told nothing more.
fn bearer(realm: &str, error: AuthError, scopes: &str) -> String {
    let mut text = format!("Bearer realm={}", quoted(realm));
    let word = match error {
        AuthError::Missing => return text,
        AuthError::Duplicate | AuthError::Conflict => "invalid_request",
        AuthError::Forbidden => "insufficient_scope",
        _ => "invalid_token",
    };
    text.push_str(&format!(", error=\"{word}\""));
    if error != AuthError::Forbidden {
        text.push_str(&format!(", error_description=\"{}\"", error.as_str().replace('_', " ")));
    } else if !scopes.is_empty() {
        text.push_str(&format!(", scope={}", quoted(scopes)));
    }
    text
}

/// No registered scheme: the name tells people what to send, and where.
fn api_key(realm: &str, keys: &ApiKeysConfig) -> String {
    let mut text = format!("ApiKey realm={}", quoted(realm));
    for (place, name) in [("header", &keys.header), ("query", &keys.query)] {
        if let Some(name) = name {
            text.push_str(&format!(", {place}={}", quoted(name)));
        }
    }
    text
}

/// A quoted string (RFC 9110 section 5.6.4).
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_told_what_is_wrong_with_it() {
        assert_eq!(bearer("staff", AuthError::Missing, ""), "Bearer realm=\"staff\"");
        assert_eq!(
            bearer("staff", AuthError::Expired, ""),
            "Bearer realm=\"staff\", error=\"invalid_token\", error_description=\"token expired\""
        );
        assert_eq!(
            bearer("staff", AuthError::Forbidden, "a b"),
            "Bearer realm=\"staff\", error=\"insufficient_scope\", scope=\"a b\""
        );
    }

    #[test]
    fn realms_are_quoted() {
        assert_eq!(quoted(r#"a "b" \c"#), r#""a \"b\" \\c""#);
    }
}
