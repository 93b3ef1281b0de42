//! Cookies of a request.

use http::{HeaderMap, header};

/// The values of a cookie, in the order sent (RFC 6265 section 4.2).
pub fn cookies<'h>(headers: &'h HeaderMap, name: &str) -> impl Iterator<Item = &'h [u8]> {
    let lines = headers.get_all(header::COOKIE).into_iter();
    lines.flat_map(|line| line.as_bytes().split(|&byte| byte == b';')).filter_map(move |pair| {
        let pair = pair.trim_ascii();
        pair.strip_prefix(name.as_bytes())?.strip_prefix(b"=")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_found_by_their_whole_name() {
        let mut headers = HeaderMap::new();
        headers.append("cookie", "ab=1; a=2".parse().unwrap());
        headers.append("cookie", "a=3;A=4; a".parse().unwrap());
        assert_eq!(cookies(&headers, "a").collect::<Vec<_>>(), [b"2", b"3"]);
    }
}
