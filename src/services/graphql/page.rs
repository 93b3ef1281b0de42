//! The page to try queries on, as the current schema's section has it.

use std::sync::{Arc, Weak};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use parking_lot::Mutex;
use pingora_http::ResponseHeader;

use super::playground::{self, Playground};
use crate::{
    phases::graphql::{Asked, Response},
    runtime::graphql::Graphql,
};

/// The page of the generation that was asked for last.
///
/// An operator's own page is read once a generation, by the first request for it.
#[derive(Default)]
pub struct Page(Mutex<Option<(Weak<Graphql>, Option<Playground>)>>);

impl Page {
    fn of(&self, graphql: &Arc<Graphql>) -> Option<Playground> {
        let mut held = self.0.lock();
        if let Some((generation, page)) = &*held
            && generation.as_ptr() == Arc::as_ptr(graphql)
        {
            return page.clone();
        }
        let page = Playground::compile(graphql.config.playground.dir.as_deref());
        let page = page.inspect_err(|problem| tracing::error!("playground: {}", problem.message)).ok();
        *held = Some((Arc::downgrade(graphql), page.clone()));
        page
    }

    /// The answer to a request for the page or one of its files.
    ///
    /// # Errors
    /// If a field cannot be set.
    pub fn respond(&self, graphql: &Arc<Graphql>, asked: &Asked<'_>) -> pingora_core::Result<Response> {
        let request = &asked.request;
        let plan = asked.ctx.planned()?;
        let question = playground::Asked {
            method: &request.method,
            below: below(&plan.pattern, request.uri.path()),
            query: request.uri.query(),
            headers: &request.headers,
            wants_page: asked.ctx.graphql.as_ref().is_some_and(|graphql| graphql.wanted.page),
        };
        let answer = self.of(graphql).and_then(|page| page.answer(&question));
        let Some(answer) = answer else { return not_found() };
        let (parts, body) = answer.into_parts();
        let mut head = ResponseHeader::build(parts.status, Some(parts.headers.len()))?;
        for (name, value) in &parts.headers {
            head.append_header(name, value)?;
        }
        Ok(Response { head, body, operation: None, asked: Vec::new() })
    }
}

/// What a path has below the endpoint: where the route is for all below it, too.
fn below<'p>(pattern: &str, path: &'p str) -> &'p str {
    pattern.strip_suffix("/**").and_then(|endpoint| path.strip_prefix(endpoint)).unwrap_or_default()
}

fn not_found() -> pingora_core::Result<Response> {
    let mut head = ResponseHeader::build(StatusCode::NOT_FOUND, Some(2))?;
    let fields: [(HeaderName, HeaderValue); 2] = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    for (name, value) in fields {
        head.insert_header(name, value)?;
    }
    let body = Bytes::from_static(b"There is no such file.\n");
    Ok(Response { head, body, operation: None, asked: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_below_the_endpoint() {
        assert_eq!(below("/graphql/**", "/graphql/assets/app.js"), "/assets/app.js");
        assert_eq!(below("/graphql/**", "/graphql"), "");
        assert_eq!(below("/graphql", "/graphql"), "");
        assert_eq!(below("/**", "/a.js"), "/a.js");
    }
}
