//! Cookies that HTTP/2 has cut into pieces.

use http::{HeaderValue, header};
use pingora::{Result, http::RequestHeader};

use super::fields::Fields;

/// Joins the `Cookie` fields of a request with `; `, as they must be before they pass into
/// a context that is not HTTP/2, and before anybody reads one (RFC 9113 section 8.2.3).
///
/// # Errors
/// None in practice: what was a field's value stays one.
pub fn join_cookies(request: &mut RequestHeader) -> Result<()> {
    let crumbs = request.headers.get_all(header::COOKIE);
    if crumbs.iter().nth(1).is_none() {
        return Ok(());
    }
    let mut joined = Vec::with_capacity(crumbs.iter().map(|crumb| crumb.len() + 2).sum());
    for crumb in crumbs {
        if !joined.is_empty() {
            joined.extend_from_slice(b"; ");
        }
        joined.extend_from_slice(crumb.as_bytes());
    }
    if let Ok(joined) = HeaderValue::from_maybe_shared(bytes::Bytes::from(joined)) {
        request.insert("cookie", joined)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(crumbs: &[&str]) -> Vec<String> {
        let mut request = RequestHeader::build("GET", b"/", None).unwrap();
        for crumb in crumbs {
            request.append_header("cookie", *crumb).unwrap();
        }
        join_cookies(&mut request).unwrap();
        let cookies = request.headers.get_all(header::COOKIE).iter();
        cookies.map(|cookie| cookie.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn crumbs_become_one_cookie_field() {
        assert_eq!(joined(&["a=b", "c=d", "e=f"]), ["a=b; c=d; e=f"]);
        assert_eq!(joined(&["a=b; c=d"]), ["a=b; c=d"]);
        assert!(joined(&[]).is_empty());
    }
}
