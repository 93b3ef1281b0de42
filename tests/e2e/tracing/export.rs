//! How spans get to a collector, and what happens when they do not.

use std::time::{Duration, Instant};

use super::exporting;
use crate::harness::{Collector, Gateway, gateway::Builder};

const ALL: &str = "sampling: { ratio: 1 }";

/// A gateway that answers by itself: one span a request.
fn answering() -> Builder {
    Gateway::new().traffic("routes: [{ name: all, respond: { body: ok } }]")
}

async fn ask(gateway: &Gateway, count: usize) {
    let client = gateway.client();
    for _ in 0..count {
        assert_eq!(client.get("/a").send().await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_gzip_and_resource_go_along_over_grpc_and_http() {
    for collector in [Collector::grpc().await, Collector::http().await] {
        let export = format!(
            "{{ {ALL}, export: {{ {}, gzip: true, headers: {{ x-token: s3cret }}, \
             resource: {{ deployment.environment.name: story, service.name: edge }} }} }}",
            collector.export()
        );
        let gateway = super::tracing(answering(), &export).start().await;
        ask(&gateway, 3).await;
        let spans = collector.wait_spans(3).await;
        assert_eq!(spans[0].resource["service.name"], "edge");
        assert_eq!(spans[0].resource["deployment.environment.name"], "story");
        let headers = &collector.headers()[0];
        assert_eq!(headers["x-token"], "s3cret");
        let coding = headers.get("content-encoding").or_else(|| headers.get("grpc-encoding"));
        assert_eq!(coding.unwrap(), "gzip");
        gateway.wait_metric("proxy_spans_total", &[("outcome", "exported")], 3.0).await;
        gateway.wait_metric("proxy_span_queue_length", &[], 0.0).await;
        assert!(gateway.metrics().await.sum("proxy_trace_export_duration_seconds_count", &[]) >= 1.0);
        assert!(!gateway.admin("/config").await.text().contains("s3cret"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_span_is_counted_when_the_collector_refuses_or_dies() {
    let mut collector = Collector::grpc().await;
    let gateway = exporting(answering(), &collector, ALL).start().await;
    ask(&gateway, 10).await;
    gateway.wait_metric("proxy_spans_total", &[("outcome", "exported")], 10.0).await;
    collector.refuse();
    ask(&gateway, 10).await;
    gateway.wait_metric("proxy_spans_total", &[("outcome", "failed")], 10.0).await;
    collector.kill().await;
    ask(&gateway, 10).await;
    gateway.wait_metric("proxy_spans_total", &[("outcome", "failed")], 20.0).await;
    assert_eq!(collector.spans().len(), 10);
    assert!(gateway.stderr().contains("could not be exported"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_hangs_delays_neither_requests_nor_the_end() {
    let collector = Collector::http().await;
    collector.hang();
    let export = format!(
        "{{ {ALL}, export: {{ {}, queue: 8, batch: 4, flush_timeout: 300ms }} }}",
        collector.export()
    );
    let mut gateway = super::tracing(answering(), &export).start().await;
    let started = Instant::now();
    ask(&gateway, 100).await;
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    // Four at most are on their way, eight wait; the others found no room.
    let dropped = gateway.metrics().await.sum("proxy_spans_total", &[("outcome", "dropped")]);
    assert!((88.0..=92.0).contains(&dropped), "{dropped}");
    let started = Instant::now();
    gateway.sigterm();
    assert!(gateway.wait_exit().await.success());
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    assert!(gateway.stderr().contains("spans lost"), "{}", gateway.stderr());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_spans_are_exported_before_the_end() {
    let collector = Collector::http().await;
    let export = format!("{{ {ALL}, export: {{ {} }} }}", collector.export().replace("20ms", "1h"));
    let mut gateway = super::tracing(answering(), &export).start().await;
    ask(&gateway, 5).await;
    assert_eq!(collector.spans().len(), 0, "they wait for others");
    gateway.sigterm();
    assert!(gateway.wait_exit().await.success());
    assert_eq!(collector.spans().len(), 5);
}
