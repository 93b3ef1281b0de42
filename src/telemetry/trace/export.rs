//! Spans to a collector, by OTLP.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use http::{HeaderMap, HeaderName, HeaderValue};
use hyper_rustls::HttpsConnectorBuilder;
use opentelemetry::{Key, KeyValue};
use opentelemetry_http::hyper::HyperClient;
use opentelemetry_otlp::{
    Compression, ExporterBuildError, Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _,
    WithTonicConfig as _,
    tonic_types::{
        metadata::MetadataMap,
        transport::{Certificate, ClientTlsConfig, Identity},
    },
};
use opentelemetry_sdk::{Resource, trace::SpanExporter as _};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use tokio::time::timeout;

use super::queue::SpanQueue;
use crate::{
    config::{
        finding::Problem,
        trace::{ExportConfig, ExportProtocol, ExportTlsConfig},
    },
    telemetry::metrics::TraceMetrics,
};

/// Longest time that an export may take when nobody says: OpenTelemetry's own limit, and time
/// for its last try.
const LIMIT: Duration = Duration::from_secs(20);

/// Where spans go, read and checked.
pub struct Export {
    config: ExportConfig,
    headers: HeaderMap,
    tls: Option<Tls>,
}

/// The files of the `tls:` section, as PEM, and as they are used over HTTP.
struct Tls {
    ca: Option<Vec<u8>>,
    identity: Option<(Vec<u8>, Vec<u8>)>,
    client: ClientConfig,
}

impl Export {
    /// Reads the files and checks what can be checked without a collector.
    ///
    /// # Errors
    /// All problems, with paths below the section.
    pub fn compile(config: &ExportConfig) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let headers = headers(config, &mut problems);
        let https = config.endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("https:"));
        let none = ExportTlsConfig::default();
        let section = config.tls.as_ref().or_else(|| https.then_some(&none));
        let tls = section.and_then(|section| Tls::load(section).map_err(|it| problems.push(it)).ok());
        if problems.is_empty() { Ok(Self { config: config.clone(), headers, tls }) } else { Err(problems) }
    }

    /// Exports what comes out of the queue until it is closed and empty. Counts every span.
    pub async fn run(&self, queue: &SpanQueue, metrics: &TraceMetrics) {
        let exporter = match self.connect() {
            Ok(exporter) => Some(exporter),
            Err(error) => {
                tracing::error!("spans cannot be exported: {error}");
                None
            }
        };
        let limit = self.config.timeout.map_or(LIMIT, |limit| limit.get());
        let mut failing = false;
        while let Some(batch) = queue.next(self.config.interval.get()).await {
            let (count, started) = (batch.len(), Instant::now());
            let outcome = match &exporter {
                Some(exporter) => match timeout(limit, exporter.export(batch)).await {
                    Ok(Ok(())) => Ok(()),
                    Ok(Err(error)) => Err(error.to_string()),
                    Err(_) => Err(format!("not done after {limit:?}")),
                },
                None => Err("there is no exporter".to_owned()),
            };
            let succeeded = outcome.is_ok();
            metrics.exported(succeeded, count, started.elapsed());
            // Once for each turn: a collector that is down stays so for many batches.
            match outcome {
                Ok(()) if failing => tracing::info!("spans are exported again"),
                Err(error) if !failing => tracing::warn!("{count} spans could not be exported: {error}"),
                _ => {}
            }
            failing = !succeeded;
        }
    }

    /// To be called inside a runtime: the exporter takes its own from there.
    fn connect(&self) -> Result<SpanExporter, ExporterBuildError> {
        let mut exporter = match self.config.protocol {
            ExportProtocol::Grpc => self.over_grpc(),
            ExportProtocol::Http => self.over_http(),
        }?;
        exporter.set_resource(&resource(&self.config.resource));
        Ok(exporter)
    }

    fn over_grpc(&self) -> Result<SpanExporter, ExporterBuildError> {
        let mut builder = SpanExporter::builder().with_tonic();
        if let Some(endpoint) = &self.config.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        if let Some(timeout) = self.config.timeout {
            builder = builder.with_timeout(timeout.get());
        }
        if self.config.gzip == Some(true) {
            builder = builder.with_compression(Compression::Gzip);
        }
        if !self.headers.is_empty() {
            builder = builder.with_metadata(MetadataMap::from_headers(self.headers.clone()));
        }
        if let Some(tls) = &self.tls {
            builder = builder.with_tls_config(tls.grpc());
        }
        builder.build()
    }

    fn over_http(&self) -> Result<SpanExporter, ExporterBuildError> {
        // For an endpoint without TLS, too: the client wants to be told.
        let without = || client(RootCertStore::empty(), None).ok();
        let tls = self.tls.as_ref().map_or_else(without, |tls| Some(tls.client.clone()));
        let mut builder = SpanExporter::builder().with_http().with_protocol(Protocol::HttpBinary);
        // Without one, the exporter makes its own, which knows no TLS.
        if let Some(tls) = tls {
            let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1();
            let limit = self.config.timeout.map_or(LIMIT, |limit| limit.get());
            builder = builder.with_http_client(HyperClient::new(connector.build(), limit, None));
        }
        if let Some(endpoint) = &self.config.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        if let Some(timeout) = self.config.timeout {
            builder = builder.with_timeout(timeout.get());
        }
        if self.config.gzip == Some(true) {
            builder = opentelemetry_otlp::WithHttpConfig::with_compression(builder, Compression::Gzip);
        }
        let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
        let headers = self.headers.iter().map(|(name, value)| (name.to_string(), text(value)));
        builder.with_headers(headers.collect::<HashMap<_, _>>()).build()
    }
}

fn headers(config: &ExportConfig, problems: &mut Vec<Problem>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in &config.headers {
        match (HeaderName::try_from(name), HeaderValue::from_str(value.expose())) {
            (Ok(name), Ok(value)) => {
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

/// What tells this process from others.
fn resource(own: &BTreeMap<String, String>) -> Resource {
    let name = Key::from_static_str("service.name");
    let from_environment = Resource::builder().build().get(&name);
    let unnamed = from_environment.is_none_or(|name| name.as_str().starts_with("unknown_service"));
    let mut builder =
        Resource::builder().with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    if unnamed {
        builder = builder.with_service_name("nilegate");
    }
    builder.with_attributes(own.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()))).build()
}

impl Tls {
    fn load(config: &ExportTlsConfig) -> Result<Self, Problem> {
        let read =
            |key: &str, path: &Path| fs::read(path).map_err(|error| bad(key, path, &error.to_string()));
        let mut roots = RootCertStore::empty();
        let ca = config.ca.as_deref().map(|path| {
            let pem = read("ca", path)?;
            add(&mut roots, &pem).map_err(|why| bad("ca", path, &why))?;
            Ok(pem)
        });
        let ca = ca.transpose()?;
        if ca.is_none() {
            pingora_core::tls::load_platform_certs_incl_env_into_store(&mut roots)
                .map_err(|error| Problem::new("tls", format!("the system's authorities: {error}")))?;
        }
        let identity = config.client_certificate.as_ref().map(|pair| {
            let certificate = read("client_certificate.certificate", &pair.certificate)?;
            Ok((certificate, read("client_certificate.key", &pair.key)?))
        });
        let identity: Option<(Vec<u8>, Vec<u8>)> = identity.transpose()?;
        let client =
            client(roots, identity.as_ref()).map_err(|why| Problem::new("tls.client_certificate", why))?;
        Ok(Self { ca, identity, client })
    }

    fn grpc(&self) -> ClientTlsConfig {
        let mut tls = ClientTlsConfig::new();
        tls = match &self.ca {
            Some(ca) => tls.ca_certificate(Certificate::from_pem(ca)),
            None => tls.with_enabled_roots(),
        };
        match &self.identity {
            Some((certificate, key)) => tls.identity(Identity::from_pem(certificate, key)),
            None => tls,
        }
    }
}

fn bad(key: &str, path: &Path, why: &str) -> Problem {
    Problem::new(format!("tls.{key}"), format!("`{}`: {why}", path.display()))
}

fn add(roots: &mut RootCertStore, pem: &[u8]) -> Result<(), String> {
    let certificates: Vec<_> =
        CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|error| error.to_string())?;
    if certificates.is_empty() {
        return Err("no certificate (PEM) in it".to_owned());
    }
    certificates.into_iter().try_for_each(|it| roots.add(it)).map_err(|error| error.to_string())
}

fn client(roots: RootCertStore, identity: Option<&(Vec<u8>, Vec<u8>)>) -> Result<ClientConfig, String> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots);
    let Some((certificate, key)) = identity else { return Ok(builder.with_no_client_auth()) };
    let chain: Vec<_> = CertificateDer::pem_slice_iter(certificate)
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| error.to_string())?;
    builder.with_client_auth_cert(chain, key).map_err(|error| error.to_string())
}
