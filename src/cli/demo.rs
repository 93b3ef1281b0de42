//! `demo`: the gateway before an embedded platform, from one command.

use std::{io, net::TcpListener, path::PathBuf, process::ExitCode};

use super::{
    args::{DemoArgs, Format},
    output, refused, serve,
};
use crate::{
    demo::{Platform, SCHEMA, SEED, Sockets, config_text, examples},
    server,
};

/// Prepares the platform, says what to try, and serves.
pub fn run(args: &DemoArgs) -> ExitCode {
    if !args.services.is_empty() {
        return services(args);
    }
    let (sockets, path) = match prepare(args) {
        Ok(prepared) => prepared,
        Err(error) => {
            output::complain(format_args!("nilegate: the demo cannot start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let compiled = match server::load(&path) {
        Ok(compiled) => compiled,
        Err(error) => return refused(&error, Format::Text),
    };
    let platform = Platform::new(SEED, args.latency.get());
    output::line(format_args!("nilegate demo: http://{} (admin port http://{})", args.address, args.admin));
    output::line(format_args!(
        "configuration: {} (edit it while this runs: it is reloaded)\n",
        path.display()
    ));
    for example in examples(args.address, args.admin) {
        output::line(format_args!("# {}\n{}\n", example.title, example.command));
    }
    serve(compiled, server::Options { path, upgrade: false, beside: platform.services(sockets) })
}

/// Runs services of the platform without a gateway.
fn services(args: &DemoArgs) -> ExitCode {
    match Platform::new(SEED, args.latency.get()).services_at(&args.services) {
        Ok(services) => {
            for place in &args.services {
                output::line(format_args!("nilegate demo: {} on http://{}", place.name, place.address));
            }
            server::run_services(services);
            ExitCode::SUCCESS
        }
        Err(error) => {
            output::complain(format_args!("nilegate: the services cannot start: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Opens the sockets of the services and writes the configuration down.
fn prepare(args: &DemoArgs) -> io::Result<(Sockets, PathBuf)> {
    for address in [args.address, args.admin] {
        // A friendlier answer than the one a listener would give later.
        TcpListener::bind(address)
            .map_err(|error| io::Error::new(error.kind(), format!("{address}: {error}")))?;
    }
    let sockets = Sockets::open()?;
    let path = std::env::temp_dir().join(format!("nilegate-demo-{}.yaml", args.address.port()));
    let schema = path.with_extension("graphql");
    std::fs::write(&schema, SCHEMA)?;
    let schema = schema.file_name().unwrap_or_default().to_string_lossy().into_owned();
    std::fs::write(&path, config_text(args.address, args.admin, &sockets, &schema))?;
    Ok((sockets, path))
}
