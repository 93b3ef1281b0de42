//! The one name of a URL, for tags and for patterns.

use std::borrow::Cow;

use http::Uri;
use serde::Serialize;
use url::Url;

use crate::cache::key::{KeyMaker, Tag};

/// Bytes of the longest URL that can be purged.
pub const MAX_URL: usize = 8 * 1024;

/// A URL as entries and purges name it: `host/path?query`.
///
/// The scheme is left out, the host in lower case, without the scheme's default port and
/// without a dot at its end. Path and query are as they were sent, the query included:
/// `/a` and `/a?b` are two URLs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct UrlName(String);

impl UrlName {
    /// The name of what a request asks for. `secure` says whether it came over TLS; `target`
    /// is path and query, beginning with `/`.
    pub fn of_request(host: &str, secure: bool, target: &str) -> Self {
        let default_port = if secure { "443" } else { "80" };
        let (host, port) = host.rsplit_once(':').unwrap_or((host, ""));
        let mut name = String::with_capacity(host.len() + port.len() + target.len() + 2);
        name += host.strip_suffix('.').unwrap_or(host);
        if !port.is_empty() && port != default_port {
            name.push(':');
            name += port;
        }
        name.make_ascii_lowercase();
        if !target.starts_with('/') {
            name.push('/');
        }
        name += target;
        Self(name)
    }

    /// Parses `https://host/path?query`. The error says what is wrong, to go after the URL.
    pub fn parse(url: &str) -> Result<Self, &'static str> {
        if url.len() > MAX_URL {
            return Err("is longer than 8 KiB");
        }
        if let Some(wrong) = url.chars().find(|c| !c.is_ascii_graphic()) {
            let is_space = wrong.is_ascii();
            return Err(if is_space {
                "holds a space or control character"
            } else {
                "is not percent-encoded"
            });
        }
        if url.contains('#') {
            return Err("has a fragment, which no request has");
        }
        let uri: Uri = url.parse().map_err(|_| "is not a URL")?;
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err("does not begin with `https://` or `http://`"),
        };
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        if authority.contains('@') {
            return Err("has user information, which no request has");
        }
        if uri.host().is_none_or(str::is_empty) {
            return Err("has no host");
        }
        Ok(Self::of_request(authority, secure, uri.path_and_query().map_or("/", |target| target.as_str())))
    }

    /// The name of what `reference` leads to from here, whether relative or not; `None` if it
    /// leads to another host or port, or nowhere. `secure` is that of this URL's request.
    pub fn join(&self, reference: &str, secure: bool) -> Option<Self> {
        let scheme = if secure { "https" } else { "http" };
        let base = Url::parse(&format!("{scheme}://{}", self.0)).ok()?;
        let mut target = base.join(reference).ok()?;
        target.set_fragment(None);
        Self::parse(target.as_str()).ok().filter(|other| other.host() == self.host())
    }

    /// The name with what becomes of its path before a route is looked for: that is how it is
    /// stored. A path that no route would get stays as it is.
    #[must_use]
    pub fn normalised<'u>(&'u self, apply: impl FnOnce(&'u str) -> Option<Cow<'u, str>>) -> Self {
        let (path, query) = match self.path_and_query().split_once('?') {
            Some((path, _)) => (path, &self.path_and_query()[path.len()..]),
            None => (self.path_and_query(), ""),
        };
        match apply(path) {
            Some(path) => Self(format!("{}{path}{query}", self.host())),
            None => self.clone(),
        }
    }

    /// The tag that every variant stored for this URL bears.
    pub fn tag(&self, keys: &KeyMaker) -> Tag {
        keys.tag("url", self.0.as_bytes())
    }

    /// The whole: `host/path?query`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What patterns are compared with: `host/path`.
    pub fn without_query(&self) -> &str {
        self.0.split_once('?').map_or(&*self.0, |(before, _)| before)
    }

    /// The query without its `?`.
    pub fn query(&self) -> Option<&str> {
        self.0.split_once('?').map(|(_, query)| query)
    }

    /// The same with this query, and without its host if that does not count.
    #[must_use]
    pub fn reduced(&self, host: bool, query: Option<&str>) -> Self {
        let rest = self.without_query();
        let mut name = if host { rest.to_owned() } else { rest[self.path_start()..].to_owned() };
        if let Some(query) = query {
            name.push('?');
            name += query;
        }
        Self(name)
    }

    /// Host, and port if it is not the default one.
    pub fn host(&self) -> &str {
        &self.0[..self.path_start()]
    }

    /// Path and query.
    pub fn path_and_query(&self) -> &str {
        &self.0[self.path_start()..]
    }

    fn path_start(&self) -> usize {
        self.0.find('/').unwrap_or(self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_url_has_one_name() {
        let check = |url: &str, name: &str| assert_eq!(UrlName::parse(url).unwrap().as_str(), name, "{url}");
        check("https://Example.ORG/A/b?C=d&e", "example.org/A/b?C=d&e");
        check("HTTPS://example.org", "example.org/");
        check("https://example.org?a", "example.org/?a");
        check("https://example.org:443/", "example.org/");
        check("http://example.org:80/", "example.org/");
        check("http://example.org:443/", "example.org:443/");
        check("https://example.org.:8443/", "example.org:8443/");
        check("https://example.org./a%2Fb//c", "example.org/a%2Fb//c");
        check("http://[::1]:80/x", "[::1]/x");
        check("http://[::1]/x", "[::1]/x");
    }

    #[test]
    fn what_no_request_asks_for_is_refused() {
        let check = |url: &str, why: &str| assert_eq!(UrlName::parse(url), Err(why), "{url}");
        check("/patients/1", "does not begin with `https://` or `http://`");
        check("example.org", "does not begin with `https://` or `http://`");
        check("ftp://example.org/", "does not begin with `https://` or `http://`");
        check("https://user@example.org/", "has user information, which no request has");
        check("https://example.org/#top", "has a fragment, which no request has");
        check("https://example.org/a b", "holds a space or control character");
        check("https://example.org/é", "is not percent-encoded");
        check("https:///a", "is not a URL");
        check("", "is not a URL");
        check(&format!("https://example.org/{}", "a".repeat(MAX_URL)), "is longer than 8 KiB");
    }

    #[test]
    fn rfc3986_5_references_lead_on_from_where_they_are() {
        let base = UrlName::of_request("A.org:8080", false, "/p/q?x=1");
        let check = |reference: &str, name: &str| {
            assert_eq!(base.join(reference, false).unwrap().as_str(), name, "{reference}");
        };
        check("r", "a.org:8080/p/r");
        check("../r?y#top", "a.org:8080/r?y");
        check("/r", "a.org:8080/r");
        check("?y", "a.org:8080/p/q?y");
        check("", "a.org:8080/p/q?x=1");
        check("//a.org:8080/r", "a.org:8080/r");
        check("http://A.org:8080/r/../s", "a.org:8080/s");
    }

    #[test]
    fn rfc9111_4_4_only_the_same_host_and_port_count() {
        let base = UrlName::of_request("a.org", true, "/p");
        for same in ["https://a.org/r", "https://a.org:443/r", "//a.org/r"] {
            assert_eq!(base.join(same, true).unwrap().as_str(), "a.org/r", "{same}");
        }
        let others = ["https://b.org/r", "https://a.org:8443/r", "//www.a.org/r", "http://a.org:443/r"];
        for other in others.into_iter().chain(["https://u@a.org/r", "mailto:a@a.org", "https://", "//"]) {
            assert_eq!(base.join(other, true), None, "{other}");
        }
    }

    #[test]
    fn the_parts_of_a_name() {
        let name = UrlName::of_request("A.org:8080", true, "/p/q?x=/y?z");
        assert_eq!((name.host(), name.path_and_query()), ("a.org:8080", "/p/q?x=/y?z"));
        assert_eq!((name.without_query(), name.query()), ("a.org:8080/p/q", Some("x=/y?z")));
        assert_eq!(name.reduced(true, None).as_str(), "a.org:8080/p/q");
        assert_eq!(name.reduced(false, Some("y")).as_str(), "/p/q?y");
        assert_eq!(UrlName::of_request("", false, "*").as_str(), "/*");
    }

    #[test]
    fn a_name_takes_the_path_that_is_stored() {
        let name = UrlName::of_request("a.org", true, "/p//q?x=//y?z");
        let merged = name.normalised(|path| Some(path.replace("//", "/").into()));
        assert_eq!(merged.as_str(), "a.org/p/q?x=//y?z");
        assert_eq!(name.normalised(|_| None), name);
    }

    proptest! {
        #[test]
        fn a_purged_url_is_the_one_requested(
            host in "[a-z]{1,8}\\.org(:[1-9][0-9]{0,3})?", target in "/[a-z/%.]{0,9}(\\?[a-z=/?&]{0,9})?", secure: bool,
        ) {
            let scheme = if secure { "https" } else { "http" };
            let purged = UrlName::parse(&format!("{scheme}://{}{target}", host.to_uppercase()));
            prop_assert_eq!(purged, Ok(UrlName::of_request(&host, secure, &target)));
        }

        #[test]
        fn any_text_has_an_outcome(text in ".{0,60}") {
            if let Ok(name) = UrlName::parse(&text) {
                prop_assert!(name.path_and_query().starts_with('/'));
            }
            let base = UrlName::of_request("a.org", true, "/p");
            if let Some(name) = base.join(&text, true) {
                prop_assert_eq!(name.host(), "a.org");
            }
        }
    }
}
