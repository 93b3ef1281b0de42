//! Spans to a collector, by OTLP.
//!
//! The exporter is that of `opentelemetry-otlp`; it is driven from a queue of our own, so that
//! every span is accounted for.

mod client;
mod notes;
mod tls;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::KeyValue;
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::{
    Resource,
    resource::TelemetryResourceDetector,
    trace::{SpanData, SpanExporter as _},
};
use tokio::time::timeout;
use tracing::{Dispatch, instrument::WithSubscriber as _};

use self::{
    client::{Settings, over_grpc, over_http},
    notes::{Noted, Notes},
    tls::Tls,
};
use super::queue::SpanQueue;
use crate::{
    config::{
        finding::Problem,
        trace::{ExportConfig, ExportProtocol, ExportTlsConfig},
    },
    telemetry::metrics::TraceMetrics,
};

/// Longest time that an export may take when nobody says.
const LIMIT: Duration = Duration::from_secs(10);

/// Where spans go, read and checked.
pub struct Export {
    endpoint: String,
    protocol: ExportProtocol,
    headers: HeaderMap,
    gzip: bool,
    resource: BTreeMap<String, String>,
    tls: Tls,
    limit: Duration,
    interval: Duration,
}

impl Export {
    /// Reads the files and checks what can be checked without a collector.
    ///
    /// # Errors
    /// All problems, with paths below the section.
    pub fn compile(config: &ExportConfig) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let headers = headers(config, &mut problems);
        let endpoint = config.endpoint.clone().unwrap_or_else(|| config.protocol.endpoint().to_owned());
        let none = ExportTlsConfig::default();
        let tls = match endpoint.starts_with("https:") {
            true => Tls::load(config.tls.as_ref().unwrap_or(&none)),
            false => Tls::none(),
        };
        match tls.map_err(|problem| problems.push(problem)) {
            Ok(tls) if problems.is_empty() => Ok(Self {
                endpoint,
                protocol: config.protocol,
                headers,
                gzip: config.gzip,
                resource: config.resource.clone(),
                tls,
                limit: config.timeout.map_or(LIMIT, |limit| limit.get()),
                interval: config.interval.get(),
            }),
            _ => Err(problems),
        }
    }

    /// Exports what comes out of the queue until it is closed and empty. Counts every span.
    pub async fn run(&self, queue: &SpanQueue, metrics: &TraceMetrics) {
        let notes = Notes::default();
        let listener = notes.listener();
        let exporter = self.exporter(&notes);
        if let Err(error) = &exporter {
            tracing::error!("spans cannot be exported: {error}");
        }
        let mut failing = false;
        while let Some(batch) = queue.next(self.interval).await {
            let (count, started) = (batch.len(), Instant::now());
            let outcome = match &exporter {
                Ok(exporter) => self.deliver(exporter, batch, &notes, &listener).await,
                Err(_) => Err("there is no exporter".to_owned()),
            };
            let failed = match &outcome {
                Ok(Noted { rejected, .. }) => usize::try_from(*rejected).unwrap_or(count).min(count),
                Err(_) => count,
            };
            metrics.exported(count - failed, failed, started.elapsed());
            // Once for each turn: a collector that is down stays so for many batches.
            match outcome {
                Ok(Noted { rejected: 0, .. }) if failing => tracing::info!("spans are exported again"),
                Ok(Noted { rejected: 1.., why }) | Err(why) if !failing => {
                    tracing::warn!("{failed} of {count} spans could not be exported: {why}");
                }
                _ => {}
            }
            failing = failed > 0;
        }
    }

    /// To be called inside a runtime: the exporter takes its own from there.
    fn exporter(&self, notes: &Notes) -> Result<SpanExporter, String> {
        let Self { endpoint, headers, tls, .. } = self;
        let settings = Settings { endpoint, headers, gzip: self.gzip, tls, limit: self.limit };
        let mut exporter = match self.protocol {
            ExportProtocol::Grpc => over_grpc(&settings),
            ExportProtocol::Http => over_http(&settings, notes),
        }?;
        exporter.set_resource(&self.resource());
        Ok(exporter)
    }

    /// What tells this process from others. The environment has been read with the configuration.
    fn resource(&self) -> Resource {
        let own = [("service.name", "nilegate"), ("service.version", env!("CARGO_PKG_VERSION"))];
        let said = self.resource.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
        Resource::builder_empty()
            .with_detector(Box::new(TelemetryResourceDetector))
            .with_attributes(own.map(|(key, value)| KeyValue::new(key, value)))
            .with_attributes(said)
            .build()
    }

    /// Sends a batch; the exporter repeats that where it may help, for as long as it may take.
    async fn deliver(
        &self,
        exporter: &SpanExporter,
        batch: Vec<SpanData>,
        notes: &Notes,
        listener: &Dispatch,
    ) -> Result<Noted, String> {
        let export = exporter.export(batch).with_subscriber(listener.clone());
        let sent = timeout(self.limit, export).await;
        let noted = notes.take();
        match sent {
            Ok(Ok(())) => Ok(noted),
            Ok(Err(error)) if noted.why.is_empty() => Err(error.to_string()),
            Ok(Err(error)) => Err(format!("{error}: {}", noted.why)),
            Err(_) => Err(format!("not done after {:?}", self.limit)),
        }
    }
}

fn headers(config: &ExportConfig, problems: &mut Vec<Problem>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in &config.headers {
        match (HeaderName::try_from(name), HeaderValue::from_str(value.expose())) {
            (Ok(name), Ok(mut value)) => {
                value.set_sensitive(true);
                headers.insert(name, value);
            }
            (Err(_), _) => problems.push(Problem::new("headers", format!("`{name}` is not a field name"))),
            (_, Err(_)) => {
                problems.push(Problem::new("headers", format!("the value of `{name}` is not a field value")));
            }
        }
    }
    headers
}
