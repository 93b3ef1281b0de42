//! TLS towards the collector.

use super::tracing;
use crate::harness::{Collector, Gateway, gateway::Builder, tls::Authority};

fn answering() -> Builder {
    Gateway::new().traffic("routes: [{ name: all, respond: { body: ok } }]")
}

/// A gateway that exports everything with these keys of `tls:`.
async fn exporting(builder: Builder, collector: &Collector, tls: &str) -> Gateway {
    let export = format!("{}, timeout: 300ms, tls: {{ {tls} }}", collector.export());
    tracing(builder, &format!("{{ sampling: {{ ratio: 1 }}, export: {{ {export} }} }}")).start().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_of_ones_own_and_a_certificate_for_the_collector() {
    let authority = Authority::new();
    let server = authority.leaf(&["127.0.0.1"]).server(Some(&authority), &["h2", "http/1.1"]);
    for collector in Collector::secure(server).await {
        let builder = answering();
        authority.write(builder.directory());
        authority.leaf(&["edge.test"]).write(builder.directory(), "edge");
        let pair = r#"client_certificate: { certificate: "@dir@/edge.pem", key: "@dir@/edge.key" }"#;
        let gateway = exporting(builder, &collector, &format!(r#"ca: "@dir@/ca.pem", {pair}"#)).await;
        assert_eq!(gateway.get("/a").await.status, 200);
        collector.wait_spans(1).await;
        gateway.wait_metric("proxy_spans_total", &[("outcome", "exported")], 1.0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_trusted_gets_no_span_and_no_request_is_touched() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let open = authority.leaf(&["127.0.0.1"]).server(None, &["h2", "http/1.1"]);
    let strict = authority.leaf(&["127.0.0.1"]).server(Some(&authority), &["h2", "http/1.1"]);
    for (server, trusted) in [(open, &stranger), (strict, &authority)] {
        // The gateway does not know the collector, and then has nothing to show to it.
        for collector in Collector::secure(server).await {
            let builder = answering();
            trusted.write(builder.directory());
            let gateway = exporting(builder, &collector, r#"ca: "@dir@/ca.pem""#).await;
            for _ in 0..5 {
                assert_eq!(gateway.get("/a").await.status, 200);
            }
            gateway.wait_metric("proxy_spans_total", &[("outcome", "failed")], 5.0).await;
            gateway.wait_for_stderr("could not be exported").await;
            assert!(collector.spans().is_empty());
        }
    }
}
