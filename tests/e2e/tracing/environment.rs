//! OpenTelemetry's variables of the environment, where the file is silent.

use super::tracing;
use crate::harness::{Collector, Gateway, gateway::Builder};

fn answering(section: &str) -> Builder {
    tracing(Gateway::new(), section).traffic("routes: [{ name: all, respond: { body: ok } }]")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_can_be_told_everything_by_the_environment() {
    for collector in [Collector::grpc().await, Collector::http().await] {
        let protocol = if collector.export().contains("grpc") { "grpc" } else { "http/protobuf" };
        let gateway = answering("{ trust: always }")
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url())
            .env("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
            .env("OTEL_EXPORTER_OTLP_HEADERS", "x-token=s3%20cret")
            .env("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
            .env("OTEL_TRACES_SAMPLER", "parentbased_always_on")
            .env("OTEL_PROPAGATORS", "b3,baggage")
            .env("OTEL_BSP_SCHEDULE_DELAY", "20")
            .env("OTEL_SERVICE_NAME", "from-environment")
            .env("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=story")
            .env("OTEL_BSP_MAX_QUEUE_SIZE", "plenty")
            .start()
            .await;
        let b3 = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1";
        gateway.client().get("/a").header("b3", b3).send().await;
        let spans = collector.wait_spans(1).await;
        assert_eq!(spans[0].trace, b3[..32]);
        assert_eq!(spans[0].resource["service.name"], "from-environment");
        assert_eq!(spans[0].resource["deployment.environment.name"], "story");
        let headers = &collector.headers()[0];
        assert_eq!(headers["x-token"], "s3 cret");
        assert!(headers.get("content-encoding").or(headers.get("grpc-encoding")).is_some());
        gateway.wait_for_stderr("`OTEL_BSP_MAX_QUEUE_SIZE` is ignored").await;
        assert!(!gateway.admin("/config").await.text().contains("s3 cret"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_wins_and_the_whole_can_be_turned_off() {
    let (named, other) = (Collector::http().await, Collector::http().await);
    let section = format!(
        "{{ sampling: {{ ratio: 1 }}, export: {{ {}, gzip: false, headers: {{ x-token: file }}, resource: {{ service.name: file }} }} }}",
        named.export()
    );
    let start = |disabled: &str| {
        answering(&section)
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", other.url())
            .env("OTEL_EXPORTER_OTLP_HEADERS", "x-token=environment,x-more=1")
            .env("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
            // The exporter reads these two itself: without this one `gzip: false` would not hold.
            .env("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "none")
            .env("OTEL_TRACES_SAMPLER", "always_off")
            .env("OTEL_SERVICE_NAME", "environment")
            .env("OTEL_SDK_DISABLED", disabled)
            .start()
    };
    let gateway = start("false").await;
    gateway.get("/a").await;
    let spans = named.wait_spans(1).await;
    assert_eq!(spans[0].resource["service.name"], "file");
    let headers = &named.headers()[0];
    assert_eq!(headers["x-token"], "file");
    assert!(!headers.contains_key("x-more") && !headers.contains_key("content-encoding"), "{headers:?}");

    let gateway = start("true").await;
    assert_eq!(gateway.get("/a").await.status, 200);
    let line = gateway.wait_for_log("the request", |line| line["status"] == 200).await;
    assert_eq!(line["trace_id"].as_str().map(str::len), Some(32), "ids are there all the same");
    assert!(gateway.metrics().await.sum("proxy_spans_total", &[]) == 0.0);
    assert_eq!((named.spans().len(), other.spans().len()), (1, 0));
}
