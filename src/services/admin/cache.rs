//! The cache on the admin port: statistics, purge, and single entries.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode, header};
use serde_json::{Value, json};

use super::{json_response, not_allowed, problem, refresh};
use crate::{
    cache::{
        entry::{Stamp, StoredEntry},
        fields::{self, Omitted},
        fill::Admission,
        freshness::Answer,
        invalidation::Mode,
        key::EntryKey,
        policy::Target,
        purge::{PurgeRequest, UrlName},
        store::Found,
    },
    routing::{Matched, RequestParts},
    runtime::{resources::Resources, route::Route, snapshot::Snapshot},
};

/// A request to the cache's part of the admin port.
pub struct Asked<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Its path.
    pub path: &'a str,
    /// Its query.
    pub query: &'a str,
    /// Its fields.
    pub headers: &'a HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// Answers it; `None`: the path is not one of the cache's.
pub async fn answer(
    asked: &Asked<'_>,
    resources: &Resources,
    snapshot: &Snapshot,
) -> Option<Response<Vec<u8>>> {
    let read = matches!(*asked.method, Method::GET | Method::HEAD);
    Some(match asked.path {
        "/cache/stats" if read => json_response(StatusCode::OK, &statistics(resources, snapshot)),
        "/cache/purge" if *asked.method == Method::POST => purge(&asked.body, resources).await,
        "/cache/entry" => entry(asked, resources, snapshot).await,
        "/cache/stats" => not_allowed("GET, HEAD"),
        "/cache/purge" => not_allowed("POST"),
        _ => return None,
    })
}

/// The statistics of the cache and of every route that has one.
pub fn statistics(resources: &Resources, snapshot: &Snapshot) -> Value {
    resources.cache.statistics(snapshot.cached_routes())
}

async fn purge(body: &[u8], resources: &Resources) -> Response<Vec<u8>> {
    let request = match PurgeRequest::from_json(body) {
        Ok(request) => request,
        Err(error) => return problem(StatusCode::BAD_REQUEST, "bad_purge", &error.to_string()),
    };
    let refreshes = request.mode == Mode::Refresh;
    let subject = request.subject.clone();
    let mut answer = resources.cache.purge(request).await;
    if refreshes {
        answer.refreshed = refresh::fetch(refresh::urls(&subject, resources), resources).await;
    }
    json_response(StatusCode::OK, &json!(answer))
}

/// One response by its URL: looked at, put in, or taken out.
async fn entry(asked: &Asked<'_>, resources: &Resources, snapshot: &Snapshot) -> Response<Vec<u8>> {
    let named = |name: &str| {
        let pairs = url_pairs(asked.query);
        pairs.into_iter().find_map(|(key, value)| (key == name).then_some(value))
    };
    let Some(url) = named("url") else {
        return problem(
            StatusCode::BAD_REQUEST,
            "bad_url",
            "Name the response with `?url=https://host/path`.",
        );
    };
    let Some(place) = Place::find(&url, asked.headers, resources, snapshot) else {
        let detail = "No route with a cache takes this URL, or what separates its users is missing.";
        return problem(StatusCode::NOT_FOUND, "not_cached", detail);
    };
    match *asked.method {
        Method::GET | Method::HEAD => look(&place, resources).await,
        Method::DELETE => {
            let removed = resources.cache.remove(place.slot);
            json_response(StatusCode::OK, &json!({ "success": true, "data": { "removed": removed } }))
        }
        Method::PUT => match put(&place, asked, named("ttl").as_deref(), resources) {
            Ok(value) => json_response(StatusCode::OK, &value),
            Err(detail) => problem(StatusCode::BAD_REQUEST, "bad_entry", detail),
        },
        _ => not_allowed("GET, HEAD, PUT, DELETE"),
    }
}

fn url_pairs(query: &str) -> Vec<(String, String)> {
    url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

/// Where the response of a URL is kept.
struct Place {
    slot: EntryKey,
    url: UrlName,
    route: Arc<Route>,
}

impl Place {
    fn find(url: &str, headers: &HeaderMap, resources: &Resources, snapshot: &Snapshot) -> Option<Self> {
        let tls = url.starts_with("https://");
        let url = UrlName::parse(url).ok()?;
        let target = url.path_and_query();
        let (path, query) =
            target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        let parts = RequestParts { host: url.host(), path, query, method: &Method::GET, headers };
        let Matched { value: route, .. } = snapshot.routes.find(&parts)?;
        let policy = &route.cache.as_ref()?.policy;
        let target = Target { scope: &route.name, tls, method: &Method::GET, host: url.host(), path, query };
        let slot = policy.key(resources.cache.keys(), &target, headers, None)?;
        let route = Arc::clone(route);
        Some(Self { slot, url, route })
    }
}

async fn look(place: &Place, resources: &Resources) -> Response<Vec<u8>> {
    let now = Stamp::now();
    let Some(found) = resources.cache.find(place.slot, now).await else {
        return problem(StatusCode::NOT_FOUND, "not_stored", "Nothing is stored for this URL.");
    };
    let times = found.times();
    let (tier, bytes) = match &found {
        Found::Stored { entry, tier, .. } => (tier.as_str(), entry.body_len()),
        Found::Filling(_) => ("filling", 0),
    };
    let fields: Vec<_> = fields::lines(found.fields())
        .map(|(name, value)| json!([String::from_utf8_lossy(name), String::from_utf8_lossy(value)]))
        .collect();
    json_response(
        StatusCode::OK,
        &json!({ "success": true, "data": {
            "key": place.slot.to_string(),
            "route": place.route.name,
            "tier": tier,
            "status": found.status().as_u16(),
            "fresh": found.is_fresh(now),
            "age": times.age(now),
            "ttl": times.fresh_until.since(now).as_secs(),
            "stale_while_revalidate": times.stale_while_revalidate,
            "stale_if_error": times.stale_if_error,
            "varies": found.variance().is_some(),
            "tags": found.tags().len(),
            "bytes": bytes,
            "fields": fields,
        }}),
    )
}

/// Stores the body as a response with status 200 and this `Content-Type`.
fn put(
    place: &Place,
    asked: &Asked<'_>,
    ttl: Option<&str>,
    resources: &Resources,
) -> Result<Value, &'static str> {
    let cache = place.route.cache.as_ref().ok_or("The route has no cache.")?;
    let store = resources.cache;
    let ttl: Option<u32> =
        ttl.map(|text| text.parse().map_err(|_| "`ttl` is not a number of seconds.")).transpose()?;
    let mut headers = HeaderMap::new();
    if let Some(kind) = asked.headers.get(header::CONTENT_TYPE) {
        headers.insert(header::CONTENT_TYPE, kind.clone());
    }
    headers.insert(header::CONTENT_LENGTH, asked.body.len().into());
    if let Some(ttl) = ttl {
        let control = format!("max-age={ttl}").parse().map_err(|_| "`ttl` is out of range.")?;
        headers.insert(header::CACHE_CONTROL, control);
    }
    let now = store.now();
    let answer = Answer { status: StatusCode::OK, headers: &headers, requested: now, received: now };
    let storable = cache.policy.judge(&Method::GET, &HeaderMap::new(), &answer);
    let storable =
        storable.map_err(|_| "Without `ttl`, the route gives no lifetime to a response with status 200.")?;
    let block = fields::write(&headers, &Omitted::default(), now).map_err(|_| "The fields are too large.")?;
    let admission = Admission {
        status: StatusCode::OK,
        fields: Bytes::from(block),
        target: Bytes::copy_from_slice(place.url.without_query().as_bytes()),
        tags: Arc::from([cache.tag, place.url.tag(store.keys())]),
        times: storable.times,
        variance: None,
        limit: store.max_object(),
        announced: None,
    };
    let entry: StoredEntry = admission.entry(&asked.body).ok_or("The body is too large.")?;
    store.keep(place.slot, Arc::new(entry));
    let ttl = storable.times.fresh_until.since(now).as_secs();
    Ok(json!({ "success": true, "data": { "key": place.slot.to_string(), "ttl": ttl } }))
}
