//! Spans to a collector, by OTLP.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::{sleep, timeout};

use super::{
    otlp::{Client, Envelope, Refusal, SpanBatch, Tls},
    queue::SpanQueue,
};
use crate::{
    config::{
        finding::Problem,
        trace::{ExportConfig, ExportProtocol, ExportTlsConfig},
    },
    telemetry::metrics::TraceMetrics,
};

/// Longest time that an export may take when nobody says.
const LIMIT: Duration = Duration::from_secs(10);
/// Pauses before an export is tried again.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(5);

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
        let client = self.client();
        if let Err(error) = &client {
            tracing::error!("spans cannot be exported: {error}");
        }
        let mut failing = false;
        while let Some(batch) = queue.next(self.interval).await {
            let (count, started) = (batch.count, Instant::now());
            let outcome = match &client {
                Ok(client) => self.deliver(client, &batch).await,
                Err(_) => Err("there is no exporter".to_owned()),
            };
            let failed = match &outcome {
                Ok((rejected, _)) => usize::try_from(*rejected).unwrap_or(count).min(count),
                Err(_) => count,
            };
            metrics.exported(count - failed, failed, started.elapsed());
            // Once for each turn: a collector that is down stays so for many batches.
            match outcome {
                Ok((0, _)) if failing => tracing::info!("spans are exported again"),
                Ok((1.., why)) | Err(why) if !failing => {
                    tracing::warn!("{failed} of {count} spans could not be exported: {why}");
                }
                _ => {}
            }
            failing = failed > 0;
        }
    }

    fn client(&self) -> Result<Client, http::uri::InvalidUri> {
        let own = [
            ("service.name", "nilegate"),
            ("service.version", env!("CARGO_PKG_VERSION")),
            ("telemetry.sdk.name", "nilegate"),
            ("telemetry.sdk.language", "rust"),
            ("telemetry.sdk.version", env!("CARGO_PKG_VERSION")),
        ];
        let own = own.into_iter().filter(|(key, _)| !self.resource.contains_key(*key));
        let said = self.resource.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let envelope = Envelope::new(own.chain(said));
        Client::new(self.protocol, &self.endpoint, self.headers.clone(), self.gzip, &self.tls, envelope)
    }

    /// Sends a batch, again and again where that may help, for as long as it may take. Returns
    /// how many spans were refused all the same, and why.
    async fn deliver(&self, client: &Client, batch: &SpanBatch) -> Result<(u64, String), String> {
        let body = client.body(batch).map_err(|error| error.to_string())?;
        let ends = Instant::now() + self.limit;
        let mut pause = FIRST_PAUSE;
        loop {
            let left = ends.saturating_duration_since(Instant::now());
            let Refusal { why, again } = match timeout(left, client.send(body.clone())).await {
                Ok(Ok(taken)) => return Ok(taken),
                Ok(Err(refusal)) => refusal,
                Err(_) => return Err(format!("not done after {:?}", self.limit)),
            };
            let wait = again.map(|asked| asked.max(pause.mul_f64(rand::random_range(0.5..1.0))));
            match wait.filter(|wait| Instant::now() + *wait < ends) {
                Some(wait) => sleep(wait).await,
                None => return Err(why),
            }
            pause = (pause * 2).min(LAST_PAUSE);
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
