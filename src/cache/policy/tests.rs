use http::{HeaderName, StatusCode};

use super::*;
use crate::{
    cache::{
        entry::Stamp,
        fields,
        freshness::{Answer, LifetimeSource},
        key::{EntryKey, KeyMaker},
    },
    config::{
        cache::{BypassConfig, Encoding, PartitionConfig},
        route::{ConditionConfig, ConditionTest},
        values::{ByteSize, OneOrMany, Period},
    },
};

const NOW: Stamp = Stamp(1_784_505_600_000);

fn headers(fields: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
    }
    headers
}

fn policy(change: impl FnOnce(&mut CacheConfig)) -> CachePolicy {
    let mut config = CacheConfig::default();
    change(&mut config);
    CachePolicy::compile(&config, &["id"]).unwrap()
}

fn plain() -> CachePolicy {
    policy(|_| {})
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

/// Judges a response to a GET with these request fields.
fn judge(
    policy: &CachePolicy,
    status: u16,
    request: &[(&str, &str)],
    response: &[(&str, &str)],
) -> Result<Storable, NotStored> {
    let response = headers(response);
    let status = StatusCode::from_u16(status).unwrap();
    let answer = Answer { status, headers: &response, requested: NOW, received: NOW };
    policy.judge(&Method::GET, &headers(request), &answer)
}

fn stored(status: u16, response: &[(&str, &str)]) -> Result<(), NotStored> {
    judge(&plain(), status, &[], response).map(drop)
}

const FRESH: (&str, &str) = ("cache-control", "max-age=60");

#[test]
fn rfc9111_3_any_final_status_with_explicit_freshness_is_stored() {
    for status in [200, 203, 204, 299, 301, 302, 303, 307, 308, 400, 404, 410, 499, 500, 502, 503, 504, 599] {
        assert_eq!(stored(status, &[FRESH]), Ok(()), "{status}");
    }
    assert_eq!(stored(200, &[("cdn-cache-control", "max-age=2147483648")]), Ok(()));
}

#[test]
fn rfc9111_3_interim_partial_and_confirming_responses_are_not_stored() {
    for status in [100, 102, 103, 206, 304] {
        assert_eq!(stored(status, &[FRESH]), Err(NotStored::Status), "{status}");
    }
}

#[test]
fn rfc6585_7_2_answers_about_one_client_are_not_stored() {
    for status in [428, 429, 431, 511] {
        assert_eq!(stored(status, &[FRESH]), Err(NotStored::Status), "{status}");
    }
}

#[test]
fn rfc9111_4_2_1_without_any_lifetime_nothing_is_stored() {
    assert_eq!(stored(200, &[]), Err(NotStored::NoLifetime));
    assert_eq!(stored(200, &[("etag", "\"1\"")]), Err(NotStored::NoLifetime));
    let day_ago = ("last-modified", "Sun, 19 Jul 2026 00:00:00 GMT");
    assert_eq!(stored(200, &[day_ago]), Ok(()));
    assert_eq!(stored(599, &[day_ago]), Err(NotStored::NoLifetime));
    assert_eq!(stored(599, &[day_ago, ("cache-control", "public")]), Ok(()));
}

#[test]
fn rfc9111_5_2_2_no_store_and_private_are_obeyed() {
    assert_eq!(stored(200, &[("cache-control", "max-age=9, No-StOrE")]), Err(NotStored::NoStore));
    assert_eq!(stored(200, &[FRESH, ("cache-control", "private")]), Err(NotStored::Private));
    assert_eq!(stored(200, &[FRESH, ("cdn-cache-control", "private")]), Err(NotStored::Private));
    assert_eq!(stored(200, &[FRESH, ("cache-control", "a=\"")]), Err(NotStored::CacheControl));
}

#[test]
fn rfc9213_2_2_the_targeted_field_overrides_no_store() {
    let no_store = ("cache-control", "no-store");
    let judged = judge(&plain(), 200, &[], &[no_store, ("cdn-cache-control", "max-age=5")]).unwrap();
    assert_eq!(judged.lifetime.source, LifetimeSource::CdnCacheControl);
    for invalid in ["max-age=10000, &&&&&", "max-age=\"10000\""] {
        assert_eq!(stored(200, &[no_store, ("cdn-cache-control", invalid)]), Err(NotStored::NoStore));
    }
}

#[test]
fn edge_arch_2_2_surrogate_control_overrides_no_store_and_max_age() {
    let no_store = ("cache-control", "no-store");
    let judged = judge(&plain(), 200, &[], &[no_store, ("surrogate-control", "max-age=5+3")]).unwrap();
    assert_eq!(judged.lifetime.source, LifetimeSource::SurrogateControl);
    assert_eq!((judged.times.stale_while_revalidate, judged.times.stale_if_error), (3, 3));
    assert_eq!(stored(200, &[FRESH, ("surrogate-control", "no-store")]), Err(NotStored::NoStore));
    for silent in ["public", "max-age=5;elsewhere", "content=\"ESI/1.0\""] {
        assert_eq!(stored(200, &[no_store, ("surrogate-control", silent)]), Err(NotStored::NoStore));
    }
    assert_eq!(stored(200, &[FRESH, ("surrogate-control", "a=\"")]), Err(NotStored::CacheControl));
}

#[test]
fn rfc9111_5_2_2_3_must_understand_overrides_no_store_for_known_statuses() {
    let understand = ("cache-control", "max-age=9, must-understand, no-store");
    assert_eq!(stored(200, &[understand]), Ok(()));
    assert_eq!(stored(599, &[understand]), Err(NotStored::NotUnderstood));
    assert_eq!(
        stored(599, &[("cache-control", "max-age=9, must-understand")]),
        Err(NotStored::NotUnderstood)
    );
}

#[test]
fn rfc9111_5_2_2_4_named_fields_are_left_out() {
    let judged =
        judge(&plain(), 200, &[], &[FRESH, ("cache-control", "no-cache=\"a, b\", private=c")]).unwrap();
    assert_eq!(judged.omitted.withheld, ["a", "b", "c"]);
    assert!(judged.times.is_fresh(NOW));
}

#[test]
fn rfc9111_3_5_credentials_need_permission() {
    let credentials = [("authorization", "Basic x")];
    let judged = |policy: &CachePolicy, cache_control| {
        judge(policy, 200, &credentials, &[("cache-control", cache_control)]).map(drop)
    };
    assert_eq!(judged(&plain(), "max-age=9"), Err(NotStored::Authorization));
    for permission in ["max-age=9, public", "max-age=9, must-revalidate", "s-maxage=9"] {
        assert_eq!(judged(&plain(), permission), Ok(()), "{permission}");
    }
    assert_eq!(judged(&policy(|config| config.shared = true), "max-age=9"), Ok(()));
    let partition = policy(|config| config.partition = Some(PartitionConfig::Header("X-Tenant".into())));
    assert_eq!(judged(&partition, "max-age=9"), Ok(()));
    assert_eq!(judged(&partition, "max-age=9, private"), Err(NotStored::Private));
}

#[test]
fn cookies_of_responses_are_refused_stripped_or_stored() {
    let judged = |set_cookie, response: &[(&str, &str)]| {
        let judged = judge(&policy(|config| config.set_cookie = set_cookie), 200, &[], response);
        judged.map(|storable| storable.omitted.cookies)
    };
    let cookie = [FRESH, ("set-cookie", "a=b")];
    assert_eq!(judged(SetCookie::Refuse, &cookie), Err(NotStored::SetCookie));
    assert_eq!(judged(SetCookie::Strip, &cookie), Ok(true));
    assert_eq!(judged(SetCookie::Store, &cookie), Ok(false));
    let withheld = [FRESH, ("set-cookie", "a=b"), ("cache-control", "no-cache=\"Set-Cookie\"")];
    assert!(judged(SetCookie::Refuse, &withheld).is_ok());
    // Cookies of requests do not matter.
    assert!(judge(&plain(), 200, &[("cookie", "a=b")], &[FRESH]).is_ok());
}

#[test]
fn rfc9111_4_1_a_star_in_vary_is_not_stored() {
    assert_eq!(stored(200, &[FRESH, ("vary", "a"), ("vary", ", *")]), Err(NotStored::VaryStar));
    let many: String = (0..17).map(|n| format!("n{n},")).collect();
    assert_eq!(stored(200, &[FRESH, ("vary", &many)]), Err(NotStored::VaryLimit));
    let varies =
        |policy: &CachePolicy, vary| judge(policy, 200, &[], &[FRESH, ("vary", vary)]).map(|s| s.varies);
    assert_eq!(varies(&plain(), "a"), Ok(true));
    assert_eq!(varies(&plain(), ""), Ok(false));
    assert_eq!(varies(&policy(|config| config.ignore = vec![IgnoredField::Vary]), "*"), Ok(false));
}

#[test]
fn rfc9112_7_unknown_transfer_codings_are_not_stored() {
    assert_eq!(stored(200, &[FRESH, ("transfer-encoding", "Chunked")]), Ok(()));
    assert_eq!(stored(200, &[FRESH, ("transfer-encoding", "foo, chunked")]), Err(NotStored::TransferCoding));
}

#[test]
fn rfc9110_14_4_content_range_means_nothing_on_a_200() {
    assert_eq!(stored(200, &[FRESH, ("content-range", "x")]), Ok(()));
}

#[test]
fn what_cannot_be_purged_is_not_stored() {
    assert_eq!(stored(200, &[FRESH, ("surrogate-key", &"a ".repeat(129))]), Err(NotStored::Tags));
}

#[test]
fn what_is_stale_already_is_stored_only_to_be_revalidated_or_by_its_own_word() {
    let stale = ("cache-control", "max-age=0");
    assert_eq!(stored(200, &[stale]), Err(NotStored::Stale));
    assert_eq!(stored(200, &[("expires", "0")]), Err(NotStored::Stale));
    assert_eq!(stored(200, &[stale, ("etag", "\"1\"")]), Ok(()));
    assert_eq!(stored(200, &[("cache-control", "no-cache"), ("etag", "\"1\"")]), Ok(()));
    assert_eq!(stored(200, &[("cache-control", "no-cache")]), Err(NotStored::Stale));
    assert_eq!(stored(200, &[("cache-control", "max-age=0, stale-while-revalidate=9")]), Ok(()));
    assert_eq!(
        stored(200, &[("cache-control", "max-age=0, stale-if-error=9"), ("age", "99")]),
        Err(NotStored::Stale)
    );
    assert_eq!(stored(200, &[FRESH, ("age", "60")]), Err(NotStored::Stale));
    assert_eq!(stored(200, &[FRESH, ("age", "59")]), Ok(()));
}

#[test]
fn the_route_overrides_what_it_ignores() {
    use IgnoredField::{CacheControl, CdnCacheControl, Expires, SurrogateControl};
    let forced = policy(|config| {
        config.ignore = vec![CacheControl, CdnCacheControl, SurrogateControl, Expires];
        config.ttl = [(TtlKey::Status(200), Period::secs(5)), (TtlKey::Class(5), Period::secs(0))].into();
    });
    let private = [
        ("cache-control", "private"),
        ("cdn-cache-control", "no-store"),
        ("surrogate-control", "no-store"),
        ("expires", "0"),
    ];
    assert!(!forced.heeds_surrogate_control() && plain().heeds_surrogate_control());
    let judged = judge(&forced, 200, &[], &private).unwrap();
    assert_eq!((judged.lifetime.duration.as_secs(), judged.lifetime.source), (5, LifetimeSource::Route));
    assert_eq!(judge(&forced, 500, &[], &[]).map(drop), Err(NotStored::NoLifetime));
}

#[test]
fn rfc9110_9_3_2_only_get_fills_unless_head_is_kept_apart() {
    let response = headers(&[FRESH]);
    let answer = Answer { status: StatusCode::OK, headers: &response, requested: NOW, received: NOW };
    let judged = |policy: &CachePolicy, method| policy.judge(method, &HeaderMap::new(), &answer).map(drop);
    assert_eq!(judged(&plain(), &Method::HEAD), Err(NotStored::Method));
    assert_eq!(judged(&plain(), &Method::POST), Err(NotStored::Method));
    assert_eq!(judged(&policy(|config| config.key.method = true), &Method::HEAD), Ok(()));
}

#[test]
fn rfc9111_4_3_4_a_confirmed_entry_is_fresh_again() {
    let old = b"cache-control: max-age=60\r\netag: \"1\"\r\ndate: Sun, 19 Jul 2026 00:00:00 GMT\r\n";
    let of = |update: &[(&str, &str)]| {
        let merged = fields::merge(old, &headers(update), false, NOW);
        let answer = Answer { status: StatusCode::OK, headers: &merged, requested: NOW, received: NOW };
        plain().judge(&Method::GET, &HeaderMap::new(), &answer).unwrap().times
    };
    assert!(of(&[]).is_fresh(NOW));
    assert_eq!(of(&[("age", "50")]).age(NOW), 50);
    assert!(!of(&[("cache-control", "max-age=0")]).is_fresh(NOW));
}

fn request(
    policy: &CachePolicy,
    method: &str,
    fields: &[(&str, &str)],
    query: Option<&str>,
) -> Result<(), Bypass> {
    policy.request(&Method::from_bytes(method.as_bytes()).unwrap(), &headers(fields), query, None).map(drop)
}

#[test]
fn rfc9111_4_only_plain_reads_use_the_cache() {
    let get = |fields: &[(&str, &str)]| request(&plain(), "GET", fields, None);
    assert_eq!(request(&plain(), "HEAD", &[], None), Ok(()));
    assert_eq!(request(&plain(), "POST", &[], None), Err(Bypass::Method));
    assert_eq!(get(&[("range", "bytes=0-1"), ("if-none-match", "*"), ("cookie", "a=b")]), Ok(()));
    assert_eq!(get(&[("content-length", "0")]), Ok(()));
    assert_eq!(get(&[("content-length", "5")]), Err(Bypass::Content));
    assert_eq!(get(&[("transfer-encoding", "chunked")]), Err(Bypass::Content));
    assert_eq!(get(&[("upgrade", "websocket")]), Err(Bypass::Upgrade));
}

#[test]
fn rfc9111_5_2_1_requests_are_obeyed_only_where_the_route_says_so() {
    let wishes = headers(&[("cache-control", "no-cache, max-age=0")]);
    let obeying = policy(|config| config.request_directives = config::RequestDirectives::Obey);
    assert_eq!(plain().request(&Method::GET, &wishes, None, None), Ok(RequestDirectives::default()));
    assert!(obeying.request(&Method::GET, &wishes, None, None).unwrap().no_cache);
    let no_store = [("cache-control", "no-store")];
    assert_eq!(request(&plain(), "GET", &no_store, None), Ok(()));
    assert_eq!(request(&obeying, "GET", &no_store, None), Err(Bypass::NoStore));
}

#[test]
fn one_condition_is_enough_to_leave_the_cache_alone() {
    let conditional = policy(|config| {
        let exact = ConditionConfig::Exact("1".into());
        let present = ConditionConfig::Test(ConditionTest::Present(true));
        config.bypass = Some(BypassConfig {
            headers: [("X-Debug".to_owned(), exact.clone())].into(),
            cookies: [("session".to_owned(), present)].into(),
            query: [("no cache".to_owned(), exact)].into(),
        });
    });
    assert_eq!(request(&conditional, "GET", &[("x-debug", "0")], Some("a=1")), Ok(()));
    assert_eq!(request(&conditional, "GET", &[("x-debug", "1")], None), Err(Bypass::Header));
    assert_eq!(request(&conditional, "GET", &[("cookie", "a=1; session=x")], None), Err(Bypass::Cookie));
    assert_eq!(request(&conditional, "GET", &[], Some("a&no%20cache=%31")), Err(Bypass::Query));
}

struct Asked<'a> {
    target: Target<'a>,
    headers: HeaderMap,
}

fn asked<'a>(host: &'a str, path: &'a str, query: Option<&'a str>) -> Asked<'a> {
    let target = Target { scope: "r", version: None, tls: false, method: &Method::GET, host, path, query };
    Asked { target, headers: HeaderMap::new() }
}

fn key(policy: &CachePolicy, asked: &Asked<'_>) -> Option<EntryKey> {
    policy.key(&KeyMaker::new(None), &asked.target, &asked.headers, None)
}

/// Whether two queries are in the same slot.
fn same_slot(policy: &CachePolicy, one: &str, other: &str) -> bool {
    key(policy, &asked("h", "/", Some(one))) == key(policy, &asked("h", "/", Some(other)))
}

#[test]
fn rfc9111_2_the_key_is_method_and_uri() {
    let base = asked("example.org", "/a", Some("b"));
    let of = |asked: &Asked<'_>| key(&plain(), asked).unwrap();
    assert_eq!(of(&base), of(&asked("Example.ORG:80", "/a", Some("b"))));
    let mut head = asked("example.org", "/a", Some("b"));
    head.target.method = &Method::HEAD;
    assert_eq!(of(&base), of(&head));
    let apart = policy(|config| config.key.method = true);
    assert_ne!(key(&apart, &base), key(&apart, &head));
    let mut other_scope = asked("example.org", "/a", Some("b"));
    other_scope.target.scope = "s";
    let mut secure = asked("example.org", "/a", Some("b"));
    secure.target.tls = true;
    let others = [
        asked("example.org:8080", "/a", Some("b")),
        asked("example.org:443", "/a", Some("b")),
        asked("example.com", "/a", Some("b")),
        asked("example.org", "/A", Some("b")),
        asked("example.org", "/a", Some("c")),
        asked("example.org", "/a", Some("")),
        asked("example.org", "/a", None),
        asked("example.org", "/ab", None),
        other_scope,
        secure,
    ];
    let mut keys: Vec<_> = others.iter().map(of).chain([of(&base)]).collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), others.len() + 1);
    let hostless = policy(|config| config.key.host = false);
    assert_eq!(key(&hostless, &asked("a", "/", None)), key(&hostless, &asked("b", "/", None)));
}

#[test]
fn parameters_may_be_ignored_allowed_and_sorted() {
    let ignoring = policy(|config| config.key.query.ignore = texts(&["utm_*", "fb"]));
    assert!(same_slot(&ignoring, "a=1&utm_source=x&fb=2", "a=1"));
    assert!(same_slot(&ignoring, "%75tm_x=1", ""));
    assert!(!same_slot(&ignoring, "a=1", "a=2"));
    assert!(!same_slot(&ignoring, "a=1&b=2", "b=2&a=1"));
    let allowing = policy(|config| config.key.query.allow = Some(texts(&["page"])));
    assert!(same_slot(&allowing, "page=1&x=2", "y&page=1"));
    assert!(!same_slot(&allowing, "page=1", "page=2"));
    assert!(same_slot(&policy(|config| config.key.query.allow = Some(Vec::new())), "a", "b"));
    let sorting = policy(|config| config.key.query.sort = true);
    assert!(same_slot(&sorting, "b=2&a=1&&", "a=1&b=2"));
    assert!(!same_slot(&sorting, "a=2&a=1", "a=1&a=2"));
    assert!(!same_slot(&sorting, "a=1&b=2", "a=1b=2"));
    assert!(!same_slot(&plain(), "b&a", "a&b"));
}

#[test]
fn fields_and_cookies_may_be_parts_of_the_key() {
    let parts = policy(|config| {
        config.key.headers = texts(&["X-Lang"]);
        config.key.cookies = texts(&["ab"]);
    });
    let of = |fields: &[(&str, &str)]| {
        let mut asked = asked("h", "/", None);
        asked.headers = headers(fields);
        key(&parts, &asked)
    };
    assert_eq!(of(&[("x-other", "1"), ("cookie", "c=1")]), of(&[]));
    let some = [of(&[]), of(&[("x-lang", "1")]), of(&[("cookie", "ab=1")]), of(&[("x-lang", "")])];
    assert!(some.iter().enumerate().all(|(at, key)| !some[..at].contains(key)));
}

#[test]
fn a_partition_keeps_users_apart() {
    for partition in [PartitionConfig::Header("X-User".into()), PartitionConfig::Cookie("user".into())] {
        let policy = policy(|config| config.partition = Some(partition));
        let of = |fields: &[(&str, &str)]| {
            let mut asked = asked("h", "/", None);
            asked.headers = headers(fields);
            (key(&policy, &asked), request(&policy, "GET", fields, None))
        };
        let user = |name: &str| of(&[("x-user", name), ("cookie", &format!("user={name}"))]).0.unwrap();
        assert_eq!(user("a"), user("a"));
        assert_ne!(user("a"), user("b"));
        let two = [("x-user", "a"), ("x-user", "b"), ("cookie", "user=a; user=b")];
        for unclear in [&[][..], &two, &[("x-user", ""), ("cookie", "user=")]] {
            assert_eq!(of(unclear), (None, Err(Bypass::Partition)), "{unclear:?}");
        }
    }
}

#[test]
fn a_changed_key_section_meets_no_old_key() {
    let by = |name| policy(|config| config.key.headers = texts(&[name]));
    assert_ne!(key(&by("a"), &asked("h", "/", None)), key(&by("b"), &asked("h", "/", None)));
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let mut config = CacheConfig {
        shared: true,
        partition: Some(PartitionConfig::Header("a b".into())),
        max_ttl: Period::secs(0),
        max_object: Some(ByteSize(0)),
        tags: texts(&["{nobody}"]),
        ttl: [(TtlKey::Status(429), Period::secs(1))].into(),
        ..CacheConfig::default()
    };
    config.key.headers = texts(&["Host", "a b", "x", "X"]);
    config.key.cookies = texts(&["a;b"]);
    config.key.query.allow = Some(texts(&["*"]));
    config.key.query.ignore = texts(&["a*b"]);
    let bad = ConditionConfig::Test(ConditionTest::OneOf(Vec::new()));
    config.bypass = Some(BypassConfig {
        headers: [("a b".to_owned(), bad.clone())].into(),
        cookies: [("c".to_owned(), bad.clone())].into(),
        query: [("q".to_owned(), bad)].into(),
    });
    config.compress = Some(CompressionConfig {
        encodings: vec![Encoding::Br, Encoding::Br],
        types: OneOrMany::One("text".into()),
        ..CompressionConfig::default()
    });
    let mut paths: Vec<_> =
        CachePolicy::compile(&config, &[]).unwrap_err().into_iter().map(|problem| problem.path).collect();
    paths.sort();
    let expected = [
        "bypass.cookies.c.one_of",
        "bypass.headers.a b",
        "bypass.headers.a b.one_of",
        "bypass.query.q.one_of",
        "compress.encodings",
        "compress.types[0]",
        "key.cookies[0]",
        "key.headers[0]",
        "key.headers[1]",
        "key.headers[3]",
        "key.query.allow[0]",
        "key.query.ignore",
        "key.query.ignore[0]",
        "max_object",
        "max_ttl",
        "partition",
        "shared",
        "tags[0]",
        "ttl.429",
    ];
    assert_eq!(paths, expected);
}

#[test]
fn the_rest_of_the_section_can_be_asked_for() {
    let all = policy(|config| {
        config.tags = texts(&["patient:{id}"]);
        config.max_object = Some(ByteSize(5));
        config.coalesce_wait = Period::secs(3);
        config.compress = Some(CompressionConfig::default());
        config.cache_status = false;
        config.x_cache = true;
        config.set_cookie = SetCookie::Store;
        config.ignore = vec![IgnoredField::Vary];
    });
    assert!(!all.tags().is_empty() && all.keeps_cookies() && !all.varies());
    assert_eq!((all.max_object(), all.coalesce()), (Some(5), Some(Duration::from_secs(3))));
    assert!(all.compress().is_some() && !all.cache_status() && all.x_cache());
    assert_eq!(policy(|config| config.coalesce = false).coalesce(), None);
}

#[test]
fn reasons_are_words_of_their_own() {
    let mut words: Vec<_> = NotStored::ALL.iter().map(|reason| reason.as_str()).collect();
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), NotStored::ALL.len());
    let mut words: Vec<_> = Bypass::ALL.iter().map(|reason| reason.as_str()).collect();
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), Bypass::ALL.len());
}
