//! Everything that happens to a gateway, in rounds of about a second.

use futures::future::join_all;
use serde_json::json;

use super::stage::Stage;
use crate::harness::{
    Client, Gateway, RawClient,
    tokens::{claims, in_seconds},
    wait_until,
};

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// One round. What some of it breaks is mended by the next.
pub async fn round(stage: &mut Stage, gateway: &Gateway, round: usize) {
    let tunnel = open_tunnel(gateway).await;
    futures::join!(
        ordinary(gateway, round),
        kept(gateway, round),
        callers(stage, gateway, round),
        failures(gateway),
        connections(stage, gateway),
        hostile(gateway),
    );
    drop(tunnel);
    operations(stage, gateway, round).await;
}

/// Asks and does not care for the answer.
async fn ask(client: &Client, path: &str) {
    // Some of it is refused on purpose.
    let _ = client.get(path).try_send().await;
}

async fn open_tunnel(gateway: &Gateway) -> RawClient {
    let mut client = RawClient::connect(gateway.address()).await;
    client
        .send(
            "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n",
        )
        .await;
    assert_eq!(client.head().await.unwrap().status, 101);
    client
}

async fn ordinary(gateway: &Gateway, round: usize) {
    let client = gateway.client();
    for n in 0..4 {
        let _ = client.get(&format!("/plain/{n}")).header("traceparent", TRACE).try_send().await;
    }
    let _ = client.post("/plain/upload", vec![b'x'; 5000]).header("b3", "nonsense").try_send().await;
    ask(&client, "/plain/slow").await;
    for path in ["/named", "/sealed", "/nowhere"] {
        ask(&client, path).await;
    }
    ask(&client.clone().http2(), "/plain/h2").await;
    let call = client.clone().http2();
    let call = call.post("/story.Echo/Say", vec![0; 5]).header("content-type", "application/grpc");
    let _ = call.header("te", "trailers").try_send().await;
    for version in ["v1", "v2", "v9"] {
        let person = json!({ "name": "Bob", "fullName": "Bob" }).to_string();
        let path = format!("/api/{version}/people/{round}");
        let caller = client.post(&path, person).header("content-type", "application/json");
        let _ = caller.header("X-Client-Id", "old-app").try_send().await;
    }
    let mut http10 = RawClient::connect(gateway.address()).await;
    http10.send("GET /plain/old HTTP/1.0\r\nHost: a\r\n\r\n").await;
    http10.response().await;
}

async fn kept(gateway: &Gateway, round: usize) {
    let client = gateway.client();
    for path in ["text", "confirmed", "refreshed", "failing", "never", "text"] {
        let request = client.get(&format!("/kept/{path}")).header("Accept-Encoding", "gzip, br");
        let _ = request.try_send().await;
    }
    ask(&client, "/kept/text?fresh=1").await;
    for n in 0..10 {
        ask(&client, &format!("/kept/large/{}", (round * 7 + n) % 24)).await;
    }
    let path = format!("/kept/slow/{round}");
    join_all((0..6).map(|_| ask(&client, &path))).await;
}

async fn callers(stage: &Stage, gateway: &Gateway, round: usize) {
    let client = gateway.client();
    let good = stage.signer.token(&claims("ann"));
    let over = stage.signer.token(&json!({ "sub": "ann", "exp": in_seconds(-3600) }));
    // A new subject each round is none that was verified before.
    let new = stage.signer.token(&claims(&format!("user-{round}")));
    // No field can hold this name.
    let strange = stage.signer.token(&claims("line\nbreak"));
    for token in [&good, &good, &over, &new, &strange] {
        let bearer = format!("Bearer {token}");
        let _ = client.get("/guarded").header("Authorization", &bearer).try_send().await;
    }
    ask(&client, "/guarded").await;
    for n in 0..24 {
        let tenant = if n < 8 { "one".to_owned() } else { format!("{round}-{n}") };
        let _ = client.get("/limited").header("X-Tenant", &tenant).try_send().await;
    }
    let wish = client.get("/plain/why").header("X-Nilegate-Explain", "1.00");
    let _ = wish.try_send().await;
}

async fn failures(gateway: &Gateway) {
    let client = gateway.client();
    for _ in 0..8 {
        ask(&client, "/flaky").await;
        ask(&client, "/gone").await;
    }
    ask(&client, "/late").await;
    join_all((0..4).map(|_| ask(&client, "/small"))).await;
    // A client that leaves before the answer, and one that leaves within it.
    let mut leaves = RawClient::connect(gateway.address()).await;
    leaves.send("GET /small HTTP/1.1\r\nHost: a\r\n\r\n").await;
    drop(leaves);
    let mut leaves = RawClient::connect(gateway.address()).await;
    leaves.send("GET /plain/slow HTTP/1.1\r\nHost: a\r\n\r\n").await;
    leaves.head().await;
}

async fn connections(stage: &Stage, gateway: &Gateway) {
    let secure = Client::new(stage.secure.address());
    for config in [&stage.browser, &stage.browser, &stage.old_browser] {
        let client = secure.clone().tls(config.clone(), "a.test");
        ask(&client, "/plain/tls").await;
    }
    // The certificate is not for this name: the client says so.
    ask(&secure.clone().tls(stage.browser.clone(), "b.test"), "/plain/tls").await;
    let balanced = Client::new(stage.balanced.address());
    ask(&balanced.clone().ahead("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"), "/plain/balanced").await;
    ask(&balanced, "/plain/balanced").await;
    // One of these has the only place that there is.
    let first = RawClient::connect(stage.narrow.address()).await;
    ask(&Client::new(stage.narrow.address()), "/plain/narrow").await;
    drop(first);
    // Two requests on one connection.
    let mut client = RawClient::connect(gateway.address()).await;
    for _ in 0..3 {
        client.send("GET /plain/again HTTP/1.1\r\nHost: a\r\n\r\n").await;
        client.response().await;
    }
}

async fn hostile(gateway: &Gateway) {
    for request in [
        "GET /plain HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET /plain HTTP/1.1\nHost: a\n\n",
        "GET /plain HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    ] {
        let mut client = RawClient::connect(gateway.address()).await;
        client.send(request).await;
        client.response().await;
    }
}

/// What operators do, and what they would rather not see.
async fn operations(stage: &mut Stage, gateway: &Gateway, round: usize) {
    let admin = Client::new(gateway.admin_address());
    let purge = async |body: serde_json::Value| {
        let _ = admin.post("/cache/purge", body.to_string()).try_send().await;
    };
    match round % 6 {
        1 => purge(json!({ "route": "kept" })).await,
        2 => drop(gateway.reload().await),
        3 => {
            let good = std::fs::read_to_string(gateway.directory().join("nilegate.yaml")).unwrap();
            gateway.write_file("traffic: [");
            gateway.reload().await;
            gateway.write_file(&format!("{good}\n# round {round}\n"));
            gateway.reload().await;
        }
        4 => {
            stage.authority.leaf(&["a.test"]).write(gateway.directory(), "a");
            let broken = gateway.directory().join("a.pem");
            if round > 6 {
                std::fs::write(broken, "nothing").unwrap();
            }
        }
        5 => {
            stage.redis.pause();
            let client = gateway.client();
            for n in 0..6 {
                ask(&client, &format!("/kept/large/away-{round}-{n}")).await;
                let _ = client.get("/limited").header("X-Tenant", &format!("away-{n}")).try_send().await;
            }
            stage.redis.resume();
        }
        _ => {
            stage.collector.kill().await;
            purge(json!({ "urls": ["http://a/kept/text"] })).await;
            ask(&gateway.client(), "/plain/lost").await;
            let failed = [("outcome", "failed")];
            wait_until("a failed export", async || {
                gateway.metrics().await.sum("proxy_spans_total", &failed) > 0.0
            })
            .await;
            stage.collector.revive().await;
        }
    }
}
