use super::*;

fn embedded() -> Playground {
    Playground::compile(None).unwrap()
}

fn fields(list: &[(&'static str, &'static str)]) -> HeaderMap {
    list.iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
        .collect()
}

/// The response to a GET by a browser.
#[track_caller]
fn get(below: &str, query: Option<&str>, headers: &HeaderMap) -> Response<Bytes> {
    ask(&Method::GET, below, query, headers).expect("a response")
}

fn ask(method: &Method, below: &str, query: Option<&str>, headers: &HeaderMap) -> Option<Response<Bytes>> {
    embedded().answer(&Asked { method, below, query, headers, wants_page: true })
}

fn body(response: &Response<Bytes>) -> &str {
    std::str::from_utf8(response.body()).unwrap()
}

#[test]
fn browsers_get_the_page_under_a_strict_policy() {
    let response = get("", None, &HeaderMap::new());
    assert_eq!(response.status(), StatusCode::OK);
    assert!(body(&response).starts_with("<!doctype html>"));
    let headers = response.headers();
    assert_eq!(headers[header::CONTENT_TYPE], "text/html; charset=utf-8");
    assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
    assert_eq!(headers[header::CACHE_CONTROL], "no-cache");
    assert_eq!(headers[header::VARY], "Accept, Accept-Encoding");
    assert_eq!(headers[header::CONTENT_LENGTH], body(&response).len().to_string().as_str());
    assert_eq!(
        headers[header::CONTENT_SECURITY_POLICY],
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
         base-uri 'none'; frame-ancestors 'none'"
    );
}

#[test]
fn what_the_page_refers_to_is_there() {
    let page = get("", None, &HeaderMap::new());
    for (query, kind) in [("playground.css", "text/css"), ("playground.js", "text/javascript")] {
        assert!(body(&page).contains(&format!("=\"?{query}\"")), "{query}");
        let response = get("", Some(query), &HeaderMap::new());
        assert!(response.headers()[header::CONTENT_TYPE].to_str().unwrap().starts_with(kind));
        assert_eq!(response.headers()[header::VARY], "Accept-Encoding");
        assert_eq!(get(&format!("/{query}"), None, &HeaderMap::new()).body(), response.body());
    }
}

#[test]
fn the_files_keep_their_budget() {
    let size = |encoding: &'static str| -> usize {
        let headers = fields(&[("accept-encoding", encoding)]);
        let files = [None, Some("playground.css"), Some("playground.js")];
        files.into_iter().map(|query| get("", query, &headers).body().len()).sum()
    };
    assert!(size("identity") <= 80 << 10, "{} bytes", size("identity"));
    assert!(size("gzip") <= 25 << 10, "{} bytes as gzip", size("gzip"));
    assert!(size("br") < size("gzip"));
}

#[test]
fn codings_have_their_own_tags_and_are_revalidated_by_them() {
    let plain = get("", Some("playground.js"), &HeaderMap::new());
    let coded = get("", Some("playground.js"), &fields(&[("accept-encoding", "gzip, br")]));
    assert_eq!(coded.headers()[header::CONTENT_ENCODING], "br");
    assert!(!plain.headers().contains_key(header::CONTENT_ENCODING));
    assert_ne!(plain.headers()[header::ETAG], coded.headers()[header::ETAG]);

    let mut headers = HeaderMap::new();
    headers.insert(header::IF_NONE_MATCH, plain.headers()[header::ETAG].clone());
    let unchanged = get("", Some("playground.js"), &headers);
    assert_eq!(unchanged.status(), StatusCode::NOT_MODIFIED);
    assert!(unchanged.body().is_empty() && !unchanged.headers().contains_key(header::CONTENT_LENGTH));
    assert_eq!(unchanged.headers()[header::ETAG], plain.headers()[header::ETAG]);
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    assert_eq!(get("", Some("playground.js"), &headers).status(), StatusCode::OK);
}

#[test]
fn gzip_and_brotli_carry_the_same_text() {
    use std::io::Read;
    let plain = get("", Some("playground.js"), &HeaderMap::new());
    let gzip = get("", Some("playground.js"), &fields(&[("accept-encoding", "gzip")]));
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(&gzip.body()[..]).read_to_end(&mut text).unwrap();
    assert_eq!(&text[..], &plain.body()[..]);
    let br = get("", Some("playground.js"), &fields(&[("accept-encoding", "br")]));
    text.clear();
    brotli::Decompressor::new(&br.body()[..], 4096).read_to_end(&mut text).unwrap();
    assert_eq!(&text[..], &plain.body()[..]);
}

#[test]
fn head_has_the_fields_and_no_body() {
    let response = ask(&Method::HEAD, "", None, &HeaderMap::new()).unwrap();
    let page = get("", None, &HeaderMap::new());
    assert_eq!(response.headers(), page.headers());
    assert!(response.body().is_empty());
}

#[test]
fn other_requests_are_not_for_the_page() {
    let headers = HeaderMap::new();
    assert!(ask(&Method::POST, "", None, &headers).is_none());
    for below in ["/none.js", "/../index.html", "/index.html/", "//index.html"] {
        assert!(ask(&Method::GET, below, None, &headers).is_none(), "{below}");
    }
    let api = Asked {
        method: &Method::GET,
        below: "",
        query: Some("query={a}"),
        headers: &headers,
        wants_page: false,
    };
    assert!(embedded().answer(&api).is_none(), "a query of GraphQL");
    assert!(embedded().answer(&Asked { query: None, ..api }).is_none());
    assert!(
        embedded().answer(&Asked { query: Some("playground.js"), ..api }).is_some(),
        "scripts are asked for with */*"
    );
}

#[test]
fn an_operators_page_replaces_the_embedded_one() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("index.html"), "<!doctype html>own").unwrap();
    std::fs::create_dir(dir.path().join("assets")).unwrap();
    std::fs::write(dir.path().join("assets/app.js"), "own()").unwrap();
    let own = Playground::compile(Some(dir.path())).unwrap();
    let headers = HeaderMap::new();
    let asked = Asked { method: &Method::GET, below: "", query: None, headers: &headers, wants_page: true };
    let page = own.answer(&asked).unwrap();
    assert_eq!(body(&page), "<!doctype html>own");
    let policy = page.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(policy.contains("style-src 'self' 'unsafe-inline'") && policy.contains("script-src 'self';"));
    assert_eq!(body(&own.answer(&Asked { below: "/assets/app.js", ..asked }).unwrap()), "own()");
    assert_eq!(body(&own.answer(&Asked { query: Some("assets/app.js"), ..asked }).unwrap()), "own()");
    assert!(own.answer(&Asked { below: "/playground.js", ..asked }).is_none());
}
