//! The composition root: configuration in, running server out.

mod services;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::Mutex;
use pingora_core::{
    apps::http_app::HttpServer,
    listeners::{L4BufferSettings, ListenerConfig, tls::TlsSettings},
    server::{
        RunArgs, Server,
        configuration::{Opt, ServerConf},
    },
    services::{ServiceHandle, ServiceWithDependents, background::background_service, listening::Service},
};

use crate::{
    config::{
        Config,
        finding::{ConfigError, Problem},
        load::{self, Loaded},
        process::{AdminConfig, ProcessConfig},
    },
    proxy::Gateway,
    runtime::{
        build,
        reload::Reloader,
        resources::Resources,
        snapshot::{Snapshot, SnapshotCell},
    },
    services::{
        admin::Admin,
        front::{Front, Proxy},
        graphql,
        until_end::UntilEnd,
    },
    tasks::{
        Drain, ExportTraces, KeepCache, KeepLimits, ProbeUpstreams, RefreshKeys, Signals, WarmUp,
        WatchCertificates, WatchConfig, WriteAccessLog,
    },
    telemetry::{
        access_log::AccessLogWriter,
        log::{self, LogHandle},
        metrics::Metrics,
    },
    tls,
    upstream::Prober,
};

pub use self::services::run_services;

/// Attempts Pingora would ever make; the retry policy stops long before.
const MAX_ATTEMPTS: usize = 16;
/// Added to the drain limit: the drain task always ends first.
const GRACE_MARGIN_S: u64 = 5;

/// How the process is to run.
pub struct Options {
    /// The files the configuration came from, for reloads.
    pub path: PathBuf,
    /// Whether the listeners of a running process are taken over.
    pub upgrade: bool,
    /// Further services that run beside the gateway. Those that are its backends listen
    /// already: the first probes would find them unhealthy otherwise.
    pub beside: Vec<Box<dyn ServiceWithDependents>>,
}

/// A configuration and what it amounts to before the server exists.
pub struct Compiled {
    /// What was read.
    pub loaded: Loaded,
    parts: Parts,
}

/// What is compiled once, for `check` as for a run.
struct Parts {
    resources: Resources,
    snapshot: Snapshot,
    tls: Vec<Option<TlsSettings>>,
}

impl Compiled {
    /// Where everything is counted.
    pub fn metrics(&self) -> &Metrics {
        &self.parts.resources.metrics
    }

    /// The first snapshot.
    pub fn snapshot(&self) -> &Snapshot {
        &self.parts.snapshot
    }
}

/// Reads a configuration and compiles it, without opening a socket: what is
/// found wrong is every problem that a run would meet.
///
/// # Errors
/// All findings at once, with their places.
pub fn load(path: &Path) -> Result<Compiled, ConfigError> {
    load::load_with(path, compile).map(|(loaded, parts)| Compiled { loaded, parts })
}

fn compile(config: &Config) -> Result<Parts, Vec<Problem>> {
    let process = &config.process;
    let level = &process.telemetry.log.level;
    let mut problems: Vec<Problem> =
        log::check(level).err().map(|p| p.within("process.telemetry.log")).into_iter().collect();
    let mut settings = Vec::new();
    let mut stores = Vec::new();
    for (index, listener) in process.all_listeners().iter().enumerate() {
        let built = listener.tls.as_ref().map(|tls| tls::settings(tls, listener.http2)).transpose();
        match built {
            Ok(built) => {
                let (tls, store) = built.unzip();
                settings.push(tls);
                stores.extend(store);
            }
            Err(found) => {
                let at = format!("process.listeners[{index}].tls");
                problems.extend(found.into_iter().map(|p| p.within(&at)));
            }
        }
    }
    let resources = Resources::new(process, stores).map_err(|found| [problems.clone(), found].concat())?;
    match build(&config.traffic, &resources, None) {
        Ok(snapshot) if problems.is_empty() => Ok(Parts { resources, snapshot, tls: settings }),
        Ok(_) => Err(problems),
        Err(found) => Err([problems, found].concat()),
    }
}

/// Runs until a signal ends it. What `log` writes may be changed through the admin port.
///
/// # Errors
/// An access log that cannot be opened; everything later is logged and ends the process.
pub fn run(compiled: Compiled, options: Options, log: LogHandle) -> Result<(), ConfigError> {
    let Compiled { loaded, parts: Parts { resources, snapshot, tls } } = compiled;
    let process = loaded.config.process.clone();
    let warnings = loaded.warnings.clone();
    let writer = open_access_log(&process).map_err(|problem| loaded.source.report(vec![problem]))?;
    let resources = Arc::new(resources);
    let cell = Arc::new(SnapshotCell::new(snapshot));
    let prober = Arc::new(Prober::new());
    // What runs beside would end with this process.
    let succeed_with = options.beside.is_empty().then(|| options.path.clone());
    let reloader = Arc::new(Reloader::new(
        options.path,
        loaded,
        Arc::clone(&cell),
        Arc::clone(&resources),
        Arc::clone(&prober),
    ));
    let conf = server_conf(&process);
    let opt = Opt { upgrade: options.upgrade, ..Opt::default() };
    resources.metrics.process().set_workers(conf.threads);
    let mut server = Server::new_with_opt_and_conf(opt, conf);
    server.bootstrap();

    for service in options.beside {
        server.add_boxed_service(service);
    }
    let warm = server.add_service(background_service(
        "warm up",
        WarmUp {
            resources: Arc::clone(&resources),
            cell: Arc::clone(&cell),
            prober: Arc::clone(&prober),
            is_successor: options.upgrade,
        },
    ));
    let graphql = Arc::new(graphql::Service::new(Arc::clone(resources.metrics.graphql())));
    let gateway = Gateway::new(Arc::clone(&resources), Arc::clone(&cell), graphql);
    let front = Front::new(Arc::clone(&resources), Arc::clone(&cell), tls);
    let service = front.before(gateway, &server.configuration);
    let listening = server.add_service(listeners(&process, service));
    listening.add_dependency(&warm);
    if let Some(admin) = &process.admin {
        server.add_service(admin_service(admin, &resources, &reloader, log));
    }
    let tasks = Tasks { process: &process, resources: &resources, cell: &cell, reloader: &reloader };
    tasks.add_to(&mut server, &warm, prober, writer);
    if let Some(path) = &process.shutdown.pid_file
        && let Err(error) = std::fs::write(path, format!("{}\n", std::process::id()))
    {
        tracing::error!("process id could not be written to {}: {error}", path.display());
    }
    tracing::info!(version = env!("NILEGATE_VERSION"), "nilegate starts");
    for warning in warnings {
        tracing::warn!("{}:{}: {}", warning.file, warning.line, warning.message);
    }
    let signals = Signals { resources, config: process.shutdown, succeed_with };
    server.run(RunArgs { shutdown_signal: Box::new(signals) });
    Ok(())
}

fn open_access_log(process: &ProcessConfig) -> Result<Option<Arc<Mutex<AccessLogWriter>>>, Problem> {
    let config = &process.telemetry.access_log;
    if !config.enabled {
        return Ok(None);
    }
    let writer = AccessLogWriter::open(config)
        .map_err(|error| Problem::new("process.telemetry.access_log.file", error.to_string()))?;
    Ok(Some(Arc::new(Mutex::new(writer))))
}

fn server_conf(process: &ProcessConfig) -> ServerConf {
    let threads = process
        .threads
        .map_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get), usize::from);
    ServerConf {
        threads,
        // One worker has nobody to steal from: its plain runtime costs a request less.
        work_stealing: threads > 1,
        upgrade_sock: process.shutdown.upgrade_socket.to_string_lossy().into_owned(),
        grace_period_seconds: Some(process.shutdown.drain_timeout.get().as_secs() + GRACE_MARGIN_S),
        graceful_shutdown_timeout_seconds: Some(0),
        upstream_keepalive_pool_size: process.upstream_pool,
        max_retries: MAX_ATTEMPTS,
        ..ServerConf::default()
    }
}

fn listeners(process: &ProcessConfig, mut service: Service<Proxy<Gateway>>) -> Service<Proxy<Gateway>> {
    for listener in process.all_listeners() {
        // The front reads whole heads itself: a buffer below it would only cost memory and a copy.
        let buffer = L4BufferSettings { read: Some(0), ..L4BufferSettings::default() };
        // It does TLS itself, too.
        service.add_listener(ListenerConfig::tcp(listener.address.to_string()).l4_buffer(buffer));
    }
    service
}

fn admin_service(
    admin: &AdminConfig,
    resources: &Arc<Resources>,
    reloader: &Arc<Reloader>,
    log: LogHandle,
) -> UntilEnd<Service<HttpServer<Admin>>> {
    let app = Admin::new(Arc::clone(resources), Arc::clone(reloader), admin.token.clone(), log);
    let mut service = Service::new("admin".to_owned(), HttpServer::new_app(app));
    service.threads = Some(1);
    service.add_tcp(&admin.address.to_string());
    UntilEnd::new(service, Arc::clone(resources))
}

/// What the background tasks work on.
struct Tasks<'a> {
    process: &'a ProcessConfig,
    resources: &'a Arc<Resources>,
    cell: &'a Arc<SnapshotCell>,
    reloader: &'a Arc<Reloader>,
}

impl Tasks<'_> {
    fn add_to(
        &self,
        server: &mut Server,
        warm: &ServiceHandle,
        prober: Arc<Prober>,
        writer: Option<Arc<Mutex<AccessLogWriter>>>,
    ) {
        let probes =
            ProbeUpstreams { cell: Arc::clone(self.cell), resources: Arc::clone(self.resources), prober };
        server.add_service(background_service("probe upstreams", probes)).add_dependency(warm);
        let keys = RefreshKeys { cell: Arc::clone(self.cell), resources: Arc::clone(self.resources) };
        server.add_service(background_service("refresh keys", keys)).add_dependency(warm);
        let config = self.process.reload.clone();
        let watch = WatchConfig { reloader: Arc::clone(self.reloader), config };
        server.add_service(background_service("watch configuration", watch));
        if !self.resources.certificates.is_empty() {
            let watch = WatchCertificates { resources: Arc::clone(self.resources) };
            server.add_service(background_service("watch certificates", watch));
        }
        let cache = KeepCache { resources: Arc::clone(self.resources) };
        server.add_service(background_service("keep cache", cache));
        if self.resources.tracing.as_ref().is_some_and(|tracing| tracing.spans.is_some()) {
            let export = ExportTraces { resources: Arc::clone(self.resources) };
            server.add_service(background_service("export traces", export));
        }
        if let Some(shared) = &self.resources.rate_limits.shared {
            let limits = KeepLimits { shared: Arc::clone(shared) };
            server.add_service(background_service("keep rate limits", limits));
        }
        let access_log = self.resources.access_log.clone().zip(writer);
        if let Some((log, writer)) = access_log.clone() {
            server.add_service(background_service("write access log", WriteAccessLog { log, writer }));
        }
        let drain = Drain {
            resources: Arc::clone(self.resources),
            limit: self.process.shutdown.drain_timeout.get(),
            access_log,
            pid_file: self.process.shutdown.pid_file.clone(),
        };
        server.add_service(background_service("drain", drain));
    }
}
