//! Services without a gateway: how `nilegate demo --service` runs.

use pingora_core::{
    server::{
        RunArgs, Server,
        configuration::{Opt, ServerConf},
    },
    services::ServiceWithDependents,
};

/// Seconds that requests in flight get to finish.
const GRACE_S: u64 = 1;

/// Runs services until SIGTERM or SIGINT.
pub fn run_services(services: Vec<Box<dyn ServiceWithDependents>>) {
    let conf = ServerConf {
        grace_period_seconds: Some(GRACE_S),
        graceful_shutdown_timeout_seconds: Some(0),
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(Opt::default(), conf);
    server.bootstrap();
    for service in services {
        server.add_boxed_service(service);
    }
    server.run(RunArgs::default());
}
