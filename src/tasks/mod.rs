//! Long work beside the requests, driven inside Pingora's runtimes.
//!
//! Services cannot be added once the server runs, so each task walks whatever
//! the current snapshot holds. None of them starts before the server does.

mod drain;
mod export_traces;
mod keep_cache;
mod keep_limits;
mod probe_upstreams;
mod refresh_keys;
mod signals;
mod warm_up;
mod watch_certificates;
mod watch_config;
mod write_access_log;

pub use drain::Drain;
pub use export_traces::ExportTraces;
pub use keep_cache::KeepCache;
pub use keep_limits::KeepLimits;
pub use probe_upstreams::ProbeUpstreams;
pub use refresh_keys::RefreshKeys;
pub use signals::Signals;
pub use warm_up::WarmUp;
pub use watch_certificates::WatchCertificates;
pub use watch_config::WatchConfig;
pub use write_access_log::WriteAccessLog;
