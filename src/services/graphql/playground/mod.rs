//! A page to try queries on, for browsers that open the endpoint.
//!
//! The embedded page is three files without dependencies. It refers to the other two by a
//! query alone (`?playground.js`): such a reference keeps the path of the page, so they are
//! found wherever the endpoint is mounted, on a route for one exact path too.
//!
//! An operator's own page comes from a directory, read as a whole when the configuration is
//! loaded: a request only looks up names that were there, so no path leads outside. Its files
//! are served below the endpoint as well, if the route covers that (`/graphql/**`).

mod bundle;
mod files;

use std::{
    path::Path,
    sync::{Arc, LazyLock},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};

use self::files::{File, Files};
use crate::{
    cache::{
        compress::{Choice, Encoding, negotiate, token},
        conditional::{EntityTag, Validators, is_not_modified},
        entry::Stamp,
    },
    config::finding::Problem,
};

/// The file that browsers get at the endpoint itself.
const PAGE: &str = "index.html";

/// What the embedded page may do: load its own two files, and ask the gateway.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
     base-uri 'none'; frame-ancestors 'none'",
);

/// What an operator's page may do. Editors such as GraphiQL's make their styles at run time
/// and parse in workers; nothing comes from elsewhere here either.
const OWN_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; \
     img-src 'self' data:; font-src 'self' data:; worker-src 'self' blob:; base-uri 'none'; \
     frame-ancestors 'none'",
);

static EMBEDDED: LazyLock<Arc<Files>> = LazyLock::new(|| Arc::new(bundle::files()));

/// What a request for the page, or one of its files, consists of.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The method: the page answers GET and HEAD.
    pub method: &'a Method,
    /// What follows the endpoint in the path: nothing, or `/…`.
    pub below: &'a str,
    /// The query, undecoded.
    pub query: Option<&'a str>,
    /// The fields.
    pub headers: &'a HeaderMap,
    /// Whether `Accept` prefers HTML to what GraphQL answers.
    pub wants_page: bool,
}

/// A page with its files, ready to be sent.
#[derive(Clone, Debug)]
pub struct Playground {
    files: Arc<Files>,
    policy: HeaderValue,
}

impl Playground {
    /// The embedded page, or the one in `dir`.
    ///
    /// # Errors
    /// If the directory cannot be read, has no `index.html` or is too large. The path of the
    /// problem is relative to the section `playground`.
    pub fn compile(dir: Option<&Path>) -> Result<Self, Problem> {
        match dir {
            None => Ok(Self { files: Arc::clone(&EMBEDDED), policy: POLICY }),
            Some(dir) => Ok(Self { files: Arc::new(Files::read(dir)?), policy: OWN_POLICY }),
        }
    }

    /// The response to a request, or `None` if the request is not for the page.
    pub fn answer(&self, asked: &Asked<'_>) -> Option<Response<Bytes>> {
        if !matches!(*asked.method, Method::GET | Method::HEAD) {
            return None;
        }
        let (name, file) = self.file(asked)?;
        let values = asked.headers.get_all(header::ACCEPT_ENCODING).iter();
        let encoding = match negotiate(values.map(HeaderValue::as_bytes), &file.encodings()) {
            Choice::Encoded(encoding) => Some(encoding),
            // Who excludes everything gets the file as it is, which RFC 9110 section 15.5.7 permits.
            Choice::Identity | Choice::NotAcceptable => None,
        };
        Some(self.respond(asked, name, file, encoding))
    }

    /// The file that a request names: by its query, by its path, or as the page.
    fn file(&self, asked: &Asked<'_>) -> Option<(&str, &File)> {
        let by_path = asked.below.strip_prefix('/').filter(|name| !name.is_empty());
        if let Some(name) = by_path {
            return self.files.get(name);
        }
        let by_query = asked.query.and_then(|name| self.files.get(name));
        by_query.or_else(|| asked.wants_page.then(|| self.files.get(PAGE)).flatten())
    }

    fn respond(
        &self,
        asked: &Asked<'_>,
        name: &str,
        file: &File,
        encoding: Option<Encoding>,
    ) -> Response<Bytes> {
        let (body, tag) = file.variant(encoding);
        // At the endpoint itself, a client that prefers JSON gets an answer of GraphQL's.
        let vary = if name == PAGE { "Accept, Accept-Encoding" } else { "Accept-Encoding" };
        let fields: [(HeaderName, HeaderValue); 8] = [
            (header::CONTENT_TYPE, HeaderValue::from_static(file.content_type)),
            (header::ETAG, tag.clone()),
            // The next version of the gateway may have another page under the same name.
            (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
            (header::VARY, HeaderValue::from_static(vary)),
            (header::CONTENT_SECURITY_POLICY, self.policy.clone()),
            (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
            (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
            (
                HeaderName::from_static("cross-origin-resource-policy"),
                HeaderValue::from_static("same-origin"),
            ),
        ];
        let mut response = Response::new(Bytes::new());
        response.headers_mut().extend(fields);
        let validators = Validators { etag: EntityTag::parse(tag.as_bytes()), ..Validators::default() };
        if is_not_modified(asked.method, asked.headers, StatusCode::OK, &validators, Stamp::default()) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response.headers_mut().remove(header::CONTENT_TYPE);
            return response;
        }
        if let Some(encoding) = encoding {
            let coding = HeaderValue::from_static(token(encoding));
            response.headers_mut().insert(header::CONTENT_ENCODING, coding);
        }
        response.headers_mut().insert(header::CONTENT_LENGTH, body.len().into());
        if *asked.method == Method::GET {
            *response.body_mut() = body.clone();
        }
        response
    }
}

#[cfg(test)]
mod tests;
