//! How spans get to a collector, and what happens when they do not.

use std::time::{Duration, Instant};

use super::exporting;
use crate::harness::{Collector, Gateway, gateway::Builder, load::Load, wait_until};

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
    let export = format!("{{ {ALL}, export: {{ {}, timeout: 300ms }} }}", collector.export());
    let gateway = super::tracing(answering(), &export).start().await;
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

#[tokio::test(flavor = "multi_thread")]
async fn what_a_busy_collector_asks_for_again_is_sent_again() {
    for collector in [Collector::grpc().await, Collector::http().await] {
        let gateway = exporting(answering(), &collector, ALL).start().await;
        collector.be_busy();
        ask(&gateway, 3).await;
        gateway.wait_metric("proxy_span_queue_length", &[], 0.0).await;
        collector.take();
        collector.wait_spans(3).await;
        gateway.wait_metric("proxy_spans_total", &[("outcome", "exported")], 3.0).await;
        assert_eq!(gateway.metrics().await.sum("proxy_spans_total", &[]), 3.0, "nothing is counted twice");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_collector_did_not_take_of_a_batch_is_counted_as_failed() {
    for collector in [Collector::grpc().await, Collector::http().await] {
        collector.take_all_but_one();
        let export =
            format!("{{ {ALL}, export: {{ {} }} }}", collector.export().replace("20ms", "1h, batch: 5"));
        let gateway = super::tracing(answering(), &export).start().await;
        ask(&gateway, 5).await;
        gateway.wait_metric("proxy_spans_total", &[("outcome", "failed")], 1.0).await;
        gateway.wait_metric("proxy_spans_total", &[("outcome", "exported")], 4.0).await;
        assert_eq!(collector.spans().len(), 4);
        gateway.wait_for_stderr("one is too many").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_span_is_lost_uncounted_when_the_collector_dies_under_load() {
    for mut collector in [Collector::grpc().await, Collector::http().await] {
        let export = format!(
            "{{ {ALL}, export: {{ {}, timeout: 200ms, batch: 64, queue: 512 }} }}",
            collector.export()
        );
        let gateway = super::tracing(answering(), &export).start().await;
        let load = Load::start(gateway.address(), "/a", 4);
        load.wait_for_more(1000).await;
        collector.kill().await;
        load.wait_for_more(1000).await;
        collector.revive().await;
        load.wait_for_more(500).await;
        let tally = load.stop().await;
        tally.assert_none_lost();
        // One span a request: each is somewhere.
        let accounted = async || gateway.metrics().await.sum("proxy_spans_total", &[]) as u64;
        wait_until("every span to be accounted for", async || accounted().await >= tally.ok).await;
        assert_eq!(accounted().await, tally.ok);
        let exported = gateway.metrics().await.sum("proxy_spans_total", &[("outcome", "exported")]) as usize;
        let arrived = collector.spans().len();
        // A batch whose answer was lost with the collector has arrived and counts as failed.
        assert!((exported..=exported + 64).contains(&arrived), "{exported} exported, {arrived} arrived");
        assert!(exported > 0 && exported < tally.ok as usize, "{exported} of {}", tally.ok);
    }
}
