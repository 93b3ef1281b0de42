//! One trace through the gateway: ids to backends and into the log, spans to a collector.

mod conformance;
mod environment;
mod exemplars;
mod export;
mod propagation;
mod sampling;
mod secure;
mod spans;

use crate::harness::{Collector, Gateway, gateway::Builder, ports::Port};

/// The process section with tracing as given.
fn tracing(builder: Builder, yaml: &str) -> Builder {
    let telemetry = format!(
        "{{ log: {{ format: text, level: info }}, access_log: {{ format: json }}, tracing: {yaml} }}"
    );
    builder.process("telemetry", &telemetry)
}

/// The same with spans to a collector; `yaml` are further keys of `tracing`.
pub fn exporting(builder: Builder, collector: &Collector, yaml: &str) -> Builder {
    tracing(builder, &format!("{{ export: {{ {} }}, {yaml} }}", collector.export()))
}

/// A gateway that samples nothing: `/fine` answers, and behind `/broken` is nobody, for as long as
/// the port is held.
async fn one_route_broken(collector: &Collector) -> (Gateway, Port) {
    let nobody = Port::free();
    let gateway = exporting(Gateway::before(&nobody), collector, "sampling: { ratio: 0 }")
        .routes(
            "- { name: broken, match: { path: /broken }, upstream: origin }\n\
             - { name: fine, match: { path: /fine }, respond: { body: ok } }",
        )
        .start()
        .await;
    (gateway, nobody)
}
