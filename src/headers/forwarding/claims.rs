//! What strangers claim about clients, hosts and paths.

use http::HeaderName;
use pingora::http::RequestHeader;

use crate::headers::fields::Fields;

/// Removes what a stranger claims about clients, hosts and paths that were not theirs to name.
pub(super) fn remove_claims(request: &mut RequestHeader) {
    // Seldom any, so collecting seldom allocates.
    let claims: Vec<HeaderName> = request.headers.keys().filter(|name| is_claim(name)).cloned().collect();
    for name in &claims {
        request.remove(name);
    }
}

/// Whether a field claims an identity: `Forwarded`, anything `X-Forwarded-*`, and fields that
/// servers take for the client's address or the real path. `_` counts as `-`, because CGI and
/// WSGI servers see no difference.
fn is_claim(name: &HeaderName) -> bool {
    const CLAIMS: [&str; 9] = [
        "x-real-ip",
        "x-client-ip",
        "x-cluster-client-ip",
        "x-original-forwarded-for",
        "x-original-host",
        "x-original-url",
        "x-rewrite-url",
        "true-client-ip",
        "forwarded",
    ];
    let name = name.as_str().as_bytes();
    if !matches!(name.first(), Some(b'x' | b't' | b'f')) {
        return false;
    }
    let starts_with = |claim: &str| {
        name.len() >= claim.len()
            && claim.bytes().zip(name).all(|(claim, &byte)| byte == claim || (byte == b'_' && claim == b'-'))
    };
    starts_with("x-forwarded-") || CLAIMS.iter().any(|claim| claim.len() == name.len() && starts_with(claim))
}
