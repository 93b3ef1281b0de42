use crate::config::{
    load::{Loaded, load_text},
    trace::{ExportProtocol, TraceFormat, TracingConfig},
    values::Period,
};

/// What a tracing section amounts to under an environment.
fn loaded(section: &str, env: &[(&str, &str)]) -> Loaded {
    let text = format!(
        "process: {{ listeners: [{{ address: \"127.0.0.1:1\" }}], telemetry: {{ tracing: {section} }} }}\ntraffic: {{}}\n"
    );
    let get = |name: &str| env.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    load_text("test.yaml", &text, &get).unwrap_or_else(|error| panic!("{error}"))
}

fn tracing(section: &str, env: &[(&str, &str)]) -> TracingConfig {
    loaded(section, env).config.process.telemetry.tracing.unwrap()
}

/// What is said of an environment beside an export section.
fn warnings(env: &[(&str, &str)]) -> Vec<String> {
    loaded("{ export: {} }", env).warnings.into_iter().map(|finding| finding.message).collect()
}

#[test]
fn samplers() {
    let sampler = |name| {
        let sampling =
            tracing("{}", &[("OTEL_TRACES_SAMPLER", name), ("OTEL_TRACES_SAMPLER_ARG", "0.25")]).sampling;
        (sampling.ratio, sampling.parent_based)
    };
    assert_eq!(sampler("always_on"), (1.0, false));
    assert_eq!(sampler("always_off"), (0.0, false));
    assert_eq!(sampler("traceidratio"), (0.25, false));
    assert_eq!(sampler("parentbased_always_on"), (1.0, true));
    assert_eq!(sampler("parentbased_always_off"), (0.0, true));
    assert_eq!(sampler("parentbased_traceidratio"), (0.25, true));
    assert_eq!(sampler("jaeger_remote"), (0.01, true), "as without it");
    let file = tracing("{ sampling: { ratio: 0.5 } }", &[("OTEL_TRACES_SAMPLER", "always_off")]).sampling;
    assert_eq!((file.ratio, file.parent_based), (0.5, true), "the file wins");
    let bad = [("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "2")];
    assert_eq!(tracing("{}", &bad).sampling.ratio, 1.0, "as without an argument");
    assert_eq!(warnings(&bad), ["`OTEL_TRACES_SAMPLER_ARG` is ignored: `2` is no number from 0 to 1"]);
}

#[test]
fn propagators() {
    let env = [("OTEL_PROPAGATORS", "b3, tracecontext,baggage,b3,xray")];
    let tracing = tracing("{ also_send: [jaeger] }", &env);
    assert_eq!(tracing.accept, [TraceFormat::B3, TraceFormat::Tracecontext]);
    assert_eq!(tracing.also_send, [TraceFormat::Jaeger], "the file wins");
    assert_eq!(self::tracing("{}", &env).also_send, [TraceFormat::B3]);
    assert_eq!(warnings(&env), ["`OTEL_PROPAGATORS` is ignored: there is no propagator `xray` here"]);
}

#[test]
fn an_endpoint_turns_export_on_and_is_read_as_its_protocol_wants() {
    let endpoint = |env: &[_]| {
        let export = tracing("{}", env).export?;
        Some((export.protocol, export.endpoint.unwrap_or_default()))
    };
    assert_eq!(endpoint(&[]), None);
    let base = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/");
    let http = ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf");
    assert_eq!(endpoint(&[base]), Some((ExportProtocol::Grpc, "http://c:4318/".into())));
    assert_eq!(endpoint(&[base, http]), Some((ExportProtocol::Http, "http://c:4318/v1/traces".into())));
    let own = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://d/x");
    assert_eq!(endpoint(&[base, own, http]), Some((ExportProtocol::Http, "http://d/x".into())));
    let bare = ("OTEL_EXPORTER_OTLP_ENDPOINT", "c:4317");
    assert_eq!(endpoint(&[bare]), Some((ExportProtocol::Grpc, "https://c:4317".into())));
    let insecure = ("OTEL_EXPORTER_OTLP_INSECURE", "true");
    assert_eq!(endpoint(&[bare, insecure]), Some((ExportProtocol::Grpc, "http://c:4317".into())));
    assert_eq!(endpoint(&[base, ("OTEL_TRACES_EXPORTER", "none")]), None);
    assert_eq!(endpoint(&[base, ("OTEL_SDK_DISABLED", "TRUE")]), None);
    assert_eq!(tracing("{ export: {} }", &[("OTEL_SDK_DISABLED", "true")]).export, None);
    assert_eq!(endpoint(&[base, ("OTEL_SDK_DISABLED", "")]).map(|it| it.0), Some(ExportProtocol::Grpc));
    let file = tracing("{ export: { endpoint: \"http://file:1\" } }", &[base]).export.unwrap();
    assert_eq!(file.endpoint.unwrap(), "http://file:1", "the file wins");
}

#[test]
fn batches_times_headers_and_resource() {
    let env = [
        ("OTEL_BSP_MAX_QUEUE_SIZE", "512"),
        ("OTEL_BSP_SCHEDULE_DELAY", "250"),
        ("OTEL_BSP_EXPORT_TIMEOUT", "3000"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "4000"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-token=a%20b, x-other=c"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        ("OTEL_SERVICE_NAME", "edge"),
        ("OTEL_RESOURCE_ATTRIBUTES", "service.name=other,zone=a%2Cb"),
    ];
    let export = tracing("{ export: {} }", &env).export.unwrap();
    assert_eq!((export.queue, export.batch), (512, 512), "a small queue has small batches");
    assert_eq!((export.interval, export.timeout), (Period::millis(250), Some(Period::millis(3000))));
    assert_eq!(export.headers["x-token"].expose(), "a b");
    assert!(export.gzip);
    assert_eq!((export.resource["service.name"].as_str(), export.resource["zone"].as_str()), ("edge", "a,b"));

    let section = "{ export: { gzip: false, queue: 100, batch: 10, interval: 1s, timeout: 1s, \
                   headers: { a: b }, resource: { service.name: file } } }";
    let export = tracing(section, &env).export.unwrap();
    assert_eq!((export.queue, export.batch, export.gzip), (100, 10, false));
    assert_eq!((export.interval, export.timeout), (Period::secs(1), Some(Period::secs(1))));
    assert_eq!(export.headers.len(), 1);
    assert_eq!((export.resource["service.name"].as_str(), export.resource["zone"].as_str()), ("file", "a,b"));
    let said = loaded(section, &env).warnings;
    assert_eq!(said.len(), 1, "{said:#?}");
    assert!(said[0].message.contains("although `gzip` is `false`"), "the exporter reads it itself");
}

#[test]
fn compression_is_read_as_the_exporter_reads_it() {
    let gzip = |env: &[_]| tracing("{ export: {} }", env).export.unwrap().gzip;
    let (all, own) = ("OTEL_EXPORTER_OTLP_COMPRESSION", "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION");
    assert!(gzip(&[(all, "GZIP")]));
    assert!(gzip(&[(all, "gzip"), (own, "zstd")]), "the next one counts");
    assert!(!gzip(&[(all, "gzip"), (own, "none")]));
    let silenced = loaded("{ export: { gzip: false } }", &[(all, "gzip"), (own, "none")]);
    assert!(silenced.warnings.is_empty());
}

#[test]
fn bad_values_are_named_and_ignored() {
    let said = warnings(&[
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0"),
        ("OTEL_BSP_SCHEDULE_DELAY", "5s"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "many"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://x"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "s3cret"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca.pem"),
        ("OTEL_RESOURCE_ATTRIBUTES", "a=%ff"),
        ("OTEL_SDK_DISABLED", "yes"),
    ]);
    assert_eq!(said.len(), 10, "{said:#?}");
    assert!(said.iter().all(|text| text.contains("is ignored") && !text.contains("s3cret")), "{said:#?}");
    let env = [("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "600"), ("OTEL_BSP_MAX_QUEUE_SIZE", "500")];
    assert_eq!(warnings(&env).len(), 1);
    assert_eq!(tracing("{ export: {} }", &env).export.unwrap().batch, 500);
}

#[test]
fn certificates_need_an_https_endpoint_and_their_keys() {
    let file = std::env::current_exe().unwrap();
    let file = file.to_str().unwrap();
    let https = ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://c:1");
    let certificate = ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", file);
    let env = [
        https,
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", file),
        certificate,
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", file),
    ];
    let tls = tracing("{}", &env).export.unwrap().tls.unwrap();
    assert_eq!(tls.ca.unwrap().to_str(), Some(file));
    assert_eq!(tls.client_certificate.unwrap().key.to_str(), Some(file));
    let alone = [https, certificate];
    assert!(tracing("{}", &alone).export.unwrap().tls.is_none());
    assert_eq!(warnings(&alone).len(), 1);
}

#[test]
fn without_the_section_the_environment_turns_nothing_on() {
    let text = "process: { listeners: [{ address: \"127.0.0.1:1\" }] }\ntraffic: {}\n";
    let env = |name: &str| (name == "OTEL_EXPORTER_OTLP_ENDPOINT").then(|| "http://c".to_owned());
    let loaded = load_text("test.yaml", text, &env).unwrap();
    assert_eq!(loaded.config.process.telemetry.tracing, None);
    assert!(loaded.warnings.is_empty());
}
