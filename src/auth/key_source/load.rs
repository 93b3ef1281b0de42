//! Keys as they come: from the configuration, a file or an upstream.

use std::{fs, path::Path};

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use crate::{
    auth::{
        fetch::{Call, Fetch},
        key_set::{self, Key},
    },
    config::{
        auth::{JwksConfig, PEM_MARK},
        finding::Problem,
    },
};

/// A public key, with a hash of what it was read from.
///
/// # Errors
/// With a path relative to `keys`.
pub fn pem(text: &str) -> Result<(blake3::Hash, Key), Problem> {
    let (content, shown) = if text.contains(PEM_MARK) {
        (text.as_bytes().to_vec(), "the key".to_owned())
    } else {
        let content = fs::read(text).map_err(|error| Problem::new("pem", format!("`{text}`: {error}")))?;
        (content, format!("`{text}`"))
    };
    let key = key_set::pem(&content).map_err(|why| {
        let problem = Problem::new("pem", format!("{shown} {why}"));
        problem.hint("the public half is enough: `openssl pkey -in key.pem -pubout`")
    })?;
    Ok((blake3::hash(&content), key))
}

/// A set of keys from a file.
pub fn file(path: &Path) -> Result<(blake3::Hash, Vec<Key>), String> {
    let length = fs::metadata(path).map_err(|error| format!("cannot be read: {error}"))?.len();
    if length > key_set::BYTES_MAX as u64 {
        return Err(format!("is larger than {} KiB", key_set::BYTES_MAX / 1024));
    }
    let content = fs::read(path).map_err(|error| format!("cannot be read: {error}"))?;
    Ok((blake3::hash(&content), key_set::jwks(&content)?))
}

/// A set of keys from an upstream.
pub async fn fetched(jwks: &JwksConfig, fetch: &dyn Fetch) -> Result<(blake3::Hash, Vec<Key>), String> {
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/jwk-set+json, application/json"));
    let call = Call {
        upstream: jwks.upstream.as_str(),
        method: Method::GET,
        path: &jwks.path,
        host: jwks.host.as_deref(),
        headers,
        body_max: key_set::BYTES_MAX,
        timeout: jwks.timeout.get(),
    };
    let reply = fetch.fetch(call).await.map_err(|error| error.to_string())?;
    if reply.status != StatusCode::OK {
        return Err(format!("the answer has status {}", reply.status.as_u16()));
    }
    let keys = key_set::jwks(&reply.body).map_err(|why| format!("the answer {why}"))?;
    Ok((blake3::hash(&reply.body), keys))
}
