//! What a mapping leaves out stays out, whatever the request says and whatever was kept.

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
