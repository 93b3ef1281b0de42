//! The cache on the admin port: statistics, purge, and single entries.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode, header};
use serde_json::{Value, json};

use super::{json_response, not_allowed, problem, refresh};
use crate::{
    cache::{
        fields::{self, Omitted},
        fill::Admission,
        freshness::Answer,
        invalidation::Mode,
        key::{EntryKey, Tag},
        policy::Target,
        purge::{PurgeRequest, Subject, UrlName},
        store::Found,
    },
    phases::cache::manage,
    routing::RequestParts,
    runtime::{
        resources::Resources,
        route::{Route, RouteCache},
        snapshot::{Located, Snapshot},
    },
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
        "/cache/purge" if *asked.method == Method::POST => purge(&asked.body, resources, snapshot).await,
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

async fn purge(body: &[u8], resources: &Resources, snapshot: &Snapshot) -> Response<Vec<u8>> {
    let mut request = match PurgeRequest::from_json(body) {
        Ok(request) => request,
        Err(error) => return problem(StatusCode::BAD_REQUEST, "bad_purge", &error.to_string()),
    };
    if let Subject::Urls(urls) = &mut request.subject {
        urls.iter_mut().for_each(|url| *url = url.normalised(|path| snapshot.paths.apply(path).ok()));
    }
    let refreshes = request.mode == Mode::Refresh;
    let subject = request.subject.clone();
    request.also = manage::other_patterns(&subject, snapshot);
    let mut answer = resources.cache.purge(request, |url| snapshot.purge_names(url)).await;
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
            replace(&place, resources).await;
            json_response(StatusCode::OK, &json!({ "success": true, "data": { "removed": removed } }))
        }
        Method::PUT => match put(&place, asked, named("ttl").as_deref(), resources) {
            Ok(admission) => json_response(StatusCode::OK, &keep(&place, admission, asked, resources).await),
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
    /// All names by which it is purged.
    names: Vec<UrlName>,
    /// Of the route's templates; `None` if one lacks its value.
    tags: Option<Vec<Tag>>,
    route: Arc<Route>,
}

impl Place {
    fn find(url: &str, headers: &HeaderMap, resources: &Resources, snapshot: &Snapshot) -> Option<Self> {
        let tls = url.starts_with("https://");
        let url = UrlName::parse(url).ok()?.normalised(|path| snapshot.paths.apply(path).ok());
        let target = url.path_and_query();
        let (path, query) =
            target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        let parts = RequestParts { host: url.host(), path, query, method: &Method::GET, headers };
        let unversioned = snapshot.unversioned(path);
        let Located { parts, matched, stated } = snapshot.locate(&parts, unversioned.as_ref())?;
        let route = matched.value;
        let versions = snapshot.versions.as_ref().filter(|_| route.is_versioned());
        let version = match versions {
            Some(versions) => {
                Some(&*route.served(versions.find(stated, headers, query).ok()?.version)?.kept_as)
            }
            None => None,
        };
        let RouteCache { policy, scope, .. } = route.cache.as_ref()?;
        let keys = resources.cache.keys();
        let mut tags = Vec::new();
        let expanded = policy.tags().expand(keys, |name| matched.captures.get(name), &mut tags);
        let tags = expanded.is_ok().then_some(tags);
        let target =
            Target { scope, version, tls, method: &Method::GET, host: parts.host, path: parts.path, query };
        let slot = policy.key(keys, &target, headers, None)?;
        let route = Arc::clone(route);
        let url = versions.and_then(|_| snapshot.unversioned_url(&url)).unwrap_or(url);
        let names = snapshot.purge_names(url.clone());
        Some(Self { slot, url, names, tags, route })
    }
}

async fn look(place: &Place, resources: &Resources) -> Response<Vec<u8>> {
    let now = resources.cache.now();
    let Some(found) = resources.cache.find(place.slot, now, None).await else {
        // Whoever looks does not fetch: no node is to wait for that.
        resources.cache.end_lease(&place.slot, false);
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

/// Voids what any node has of the URL, its variants too: without that, the memory of the
/// others and a lookup that is on its way to Redis would keep it.
async fn replace(place: &Place, resources: &Resources) {
    let subject = Subject::Urls(place.names.clone());
    let request = PurgeRequest { subject, mode: Mode::Hard, also: Vec::new() };
    resources.cache.purge(request, |url| vec![url]).await;
}

/// The body as a response with status 200 and this `Content-Type`.
fn put(
    place: &Place,
    asked: &Asked<'_>,
    ttl: Option<&str>,
    resources: &Resources,
) -> Result<Admission, &'static str> {
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
    if asked.body.len() > store.max_object() {
        return Err("The body is too large.");
    }
    // As of a response that was fetched: whatever purges that has to purge this.
    let mut tags = place.tags.clone().ok_or("A tag of the route lacks its value.")?;
    tags.extend([cache.tag, place.url.tag(store.keys())]);
    tags.extend(cache.policy.shared_name(&place.url).map(|name| name.tag(store.keys())));
    Ok(Admission {
        status: StatusCode::OK,
        fields: Bytes::from(block),
        target: Bytes::copy_from_slice(place.url.without_query().as_bytes()),
        tags: tags.into(),
        times: storable.times,
        variance: None,
        limit: store.max_object(),
        announced: None,
    })
}

/// Stores it in place of what any node has.
async fn keep(place: &Place, mut admission: Admission, asked: &Asked<'_>, resources: &Resources) -> Value {
    let store = resources.cache;
    replace(place, resources).await;
    // What is stored at the moment of the purge would be void with it.
    tokio::time::sleep(store.invalidations().settling()).await;
    let now = store.requested();
    admission.times.requested = now;
    if let Some(entry) = admission.entry(&asked.body) {
        store.keep(place.slot, Arc::new(entry));
    }
    let ttl = admission.times.fresh_until.since(now).as_secs();
    json!({ "success": true, "data": { "key": place.slot.to_string(), "ttl": ttl } })
}
