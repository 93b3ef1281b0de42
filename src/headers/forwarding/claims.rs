//! What strangers claim about clients, hosts and paths.

use http::HeaderName;
use pingora::http::RequestHeader;

use crate::headers::fields::Fields;

/// Removes what a stranger claims about clients, hosts and paths that were not theirs to
/// name, and everything that some server would take for the request id.
pub(super) fn remove_claims(request: &mut RequestHeader, request_id: &HeaderName) {
    // Seldom any, so collecting seldom allocates.
    let is_claim = |name: &&HeaderName| is_claim(name) || looks_like(name, request_id);
    let claims: Vec<HeaderName> = request.headers.keys().filter(is_claim).cloned().collect();
    for name in &claims {
        request.remove(name);
    }
}

/// Whether a field claims an identity: `Forwarded`, anything `X-Forwarded-*`, and fields that
/// servers take for the client's address or the real path. `_` counts as `-`, because CGI and
/// WSGI servers see no difference.
fn is_claim(name: &HeaderName) -> bool {
    const CLAIMS: [&str; 12] = [
        "cf-connecting-ip",
        "forwarded",
        "forwarded-for",
        "true-client-ip",
        "x-client-ip",
        "x-cluster-client-ip",
        "x-forwarded",
        "x-original-forwarded-for",
        "x-original-host",
        "x-original-url",
        "x-real-ip",
        "x-rewrite-url",
    ];
    const PREFIX: &str = "x-forwarded-";
    let name = name.as_str().as_bytes();
    if !matches!(name.first(), Some(b'c' | b'f' | b't' | b'x')) {
        return false;
    }
    name.get(..PREFIX.len()).is_some_and(|start| is_folded(start, PREFIX))
        || CLAIMS.iter().any(|claim| is_folded(name, claim))
}

/// Whether two names are one to servers that take `_` for `-`.
pub(in crate::headers) fn looks_like(name: &HeaderName, other: &HeaderName) -> bool {
    is_folded(name.as_str().as_bytes(), other.as_str())
}

fn is_folded(name: &[u8], other: &str) -> bool {
    let fold = |byte: u8| if byte == b'_' { b'-' } else { byte };
    name.len() == other.len() && name.iter().zip(other.bytes()).all(|(&a, b)| fold(a) == fold(b))
}
