//! What a mapping leaves out stays out, whatever the request says and whatever was kept.

use http::Method;

use crate::harness::{Answer, Gateway, Origin, RawClient};

const MAPPED: &str = r#"
api_versions: { versions: { v1: {}, v2: {} }, default: v1, sources: [path, header] }
upstreams: { service: { backends: ['@service@'] } }
mappings:
  older:
    from: v1
    to: v2
    lossy: true
    request: [{ rename: { name: fullName } }]
    response: [{ rename: { fullName: name } }]
routes:
  - name: people
    match: { path: "/api/people/{id}" }
    upstream: service
    versions: { v1: { map: older }, v2: {} }
"#;

/// A service whose answer has something that clients of v1 are not to see.
async fn service() -> Origin {
    Origin::start(|_| {
        Answer::ok(r#"{"fullName":"Ann","diagnosis":"secret"}"#)
            .header("Content-Type", "application/json")
            .header("ETag", "\"e\"")
            .header("Cache-Control", "max-age=3600")
    })
    .await
}

fn without_diagnosis(traffic: &str) -> String {
    traffic
        .replace("[{ rename: { fullName: name } }]", "[{ rename: { fullName: name } }, { drop: diagnosis }]")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wish_to_switch_protocols_gets_around_no_mapping() {
    let service = service().await;
    let gateway = Gateway::new().set("service", &service).traffic(&without_diagnosis(MAPPED)).start().await;
    let mut client = RawClient::connect(gateway.address()).await;
    for fields in ["Upgrade: x\r\n", "Connection: Upgrade\r\nUpgrade: websocket\r\n"] {
        client.send(format!("GET /api/v1/people/7 HTTP/1.1\r\nHost: a\r\n{fields}\r\n")).await;
        let answer = client.response().await.unwrap();
        assert_eq!(answer.text(), r#"{"name":"Ann"}"#, "{fields}");
    }
    client
        .send(
            "POST /api/v1/people/7 HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\nContent-Type: application/json\r\n\
             Content-Length: 14\r\n\r\n{\"name\":\"Bob\"}",
        )
        .await;
    assert_eq!(client.response().await.unwrap().text(), r#"{"name":"Ann"}"#);
    let seen = service.requests();
    assert!(seen.iter().all(|request| request.header("upgrade").is_none()), "{seen:?}");
    assert_eq!(seen.last().unwrap().body, br#"{"fullName":"Bob"}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_kept_by_an_earlier_mapping_is_met_by_nobody() {
    let service = service().await;
    let traffic = MAPPED.replace("/{id}\" }", "/{id}\" }\n    cache: {}");
    let mut gateway = Gateway::new().set("service", &service).traffic(&traffic).start().await;
    let asked = || service.requests().len();
    for _ in 0..2 {
        assert!(gateway.get("/api/v1/people/7").await.text().contains("diagnosis"));
        assert!(gateway.get("/api/v2/people/7").await.text().contains("diagnosis"));
    }
    assert_eq!(asked(), 2);
    let had = gateway.get("/api/v1/people/7").await.header("etag").unwrap().to_owned();
    let again = async |gateway: &Gateway| {
        gateway.client().get("/api/v1/people/7").header("If-None-Match", &had).send().await.status
    };
    assert_eq!(again(&gateway).await, 304);
    gateway.write_traffic(&without_diagnosis(&traffic));
    assert_eq!(gateway.reload().await.status, 200);
    assert_eq!(again(&gateway).await, 200, "what the client has is no longer the same");
    for _ in 0..2 {
        assert_eq!(gateway.get("/api/v1/people/7").await.text(), r#"{"name":"Ann"}"#);
        assert!(gateway.get("/api/v2/people/7").await.text().contains("diagnosis"));
    }
    assert_eq!(asked(), 3, "the other version is kept as before");
    let url = format!("http://{}/api/v1/people/7", gateway.address());
    let entry = gateway.admin(&format!("/cache/entry?url={url}")).await;
    assert_eq!(entry.status, 200, "{}", entry.text());
    let purge = gateway.client().request(Method::PUT, "/api/v2/people/7").body("{}").send().await;
    assert_eq!(purge.status, 200);
    gateway.get("/api/v1/people/7").await;
    assert_eq!(asked(), 5, "a write voids it by whatever name it is kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_kept_before_a_route_asked_who_calls_is_met_by_nobody() {
    let origin = Origin::start(|request| {
        Answer::ok(request.header("x-user").unwrap_or("nobody")).header("Cache-Control", "max-age=3600")
    })
    .await;
    let traffic = |auth: &str| {
        let key = ring::digest::digest(&ring::digest::SHA256, b"sesame");
        let hash: String = key.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        format!(
            "upstreams: {{ service: {{ backends: ['@service@'] }} }}\n\
             auth: {{ providers: {{ keys: {{ api_keys: {{ header: X-API-Key, keys: [{{ id: ann, \
             hash: 'sha256:{hash}' }}] }} }} }} }}\n\
             routes: [{{ name: all, upstream: service, cache: {{ shared: true }}{auth} }}]"
        )
    };
    let mut gateway = Gateway::new().set("service", &origin).traffic(&traffic("")).start().await;
    let ask = async |gateway: &Gateway| {
        gateway.client().get("/a").header("X-API-Key", "sesame").send().await.text().to_owned()
    };
    assert_eq!(ask(&gateway).await, "nobody");
    for (auth, told) in [
        (", auth: { with: keys, forward: { X-User: subject } }", "ann"),
        (", auth: { with: keys }", "nobody"),
        (", auth: { with: keys, forward: { X-User: provider } }", "keys"),
    ] {
        gateway.write_traffic(&traffic(auth));
        assert_eq!(gateway.reload().await.status, 200);
        assert_eq!(ask(&gateway).await, told, "{auth}");
        assert_eq!(gateway.get("/a").await.status, 401);
    }
}
