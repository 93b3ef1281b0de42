//! What is measured: throughput with its CPU, memory of idle connections, memory of long streams.

use std::{net::SocketAddr, time::Duration};

use tokio::{net::TcpStream, task::JoinSet};

use crate::{
    Error,
    client::{self, Connection},
    options::{Options, Target},
    origin::{self, Origin},
    process::{Launcher, Proxy},
    report::{Memory, Report, Sample},
};

/// Connections of the idle scenario.
const IDLE_CONNECTIONS: usize = 2_000;

/// Requests per second, latency and CPU of small and middling answers.
pub async fn pass(
    report: &mut Report,
    launcher: &Launcher,
    origin: &Origin,
    options: &Options,
    scenario: &'static str,
) -> Result<(), Error> {
    let path = match scenario {
        "pass100k" => "/pass100k",
        "hit1k" => "/hit1k",
        _ => "/pass1k",
    };
    let mut targets: Vec<(Target, SocketAddr, Option<Proxy>)> = Vec::new();
    for &target in &options.targets {
        let proxy = match target {
            Target::Direct => None,
            _ => Some(launcher.start(target, origin.address()).await?),
        };
        targets.push((target, proxy.as_ref().map_or(origin.address(), Proxy::address), proxy));
    }
    for (_, address, _) in &targets {
        client::load(*address, path, options.connections, Duration::from_secs(1)).await;
    }
    for _ in 0..options.rounds {
        for (target, address, proxy) in &targets {
            let before = proxy.as_ref().map(Proxy::cpu).transpose()?;
            let outcome =
                client::load(*address, path, options.connections, Duration::from_secs(options.seconds)).await;
            let cpu = proxy.as_ref().map(Proxy::cpu).transpose()?;
            let used = cpu.zip(before).map(|(after, before)| after - before);
            let rss = proxy.as_ref().map(Proxy::rss).transpose()?;
            report.pass(scenario, *target, Sample { outcome, cpu: used, rss });
        }
    }
    Ok(())
}

/// Growth of memory by connections that have asked once and now wait.
pub async fn idle(
    report: &mut Report,
    launcher: &Launcher,
    origin: &Origin,
    options: &Options,
) -> Result<(), Error> {
    for target in options.proxies() {
        let proxy = warm(launcher, target, origin).await?;
        let before = proxy.rss()?;
        let mut held = Vec::with_capacity(IDLE_CONNECTIONS);
        while held.len() < IDLE_CONNECTIONS {
            let mut opening = JoinSet::new();
            for _ in 0..50 {
                let address = proxy.address();
                opening.spawn(async move {
                    let mut connection = Connection::open(address, "/pass1k").await?;
                    connection.exchange().await?;
                    Ok::<_, std::io::Error>(connection)
                });
            }
            while let Some(connection) = opening.join_next().await {
                held.push(connection??);
            }
        }
        report.memory(Memory { scenario: "idle2000", target, before, after: proxy.rss()?, goal_mb: 60 });
        // All of them must still be served: a proxy that closed them would have cheated.
        for connection in &mut held {
            connection.exchange().await?;
        }
    }
    Ok(())
}

/// Growth of memory while a slow reader takes 512 MB, in either direction.
pub async fn stream(
    report: &mut Report,
    launcher: &Launcher,
    origin: &Origin,
    options: &Options,
) -> Result<(), Error> {
    for target in options.proxies() {
        let proxy = warm(launcher, target, origin).await?;
        let before = proxy.rss()?;
        let (mut answer, length) = client::ask(proxy.address(), "/download", 0).await?;
        tokio::time::sleep(origin::STREAM_LAG).await;
        origin::drain(&mut answer, length).await?;
        report.memory(Memory {
            scenario: "download512m",
            target,
            before,
            after: proxy.peak_rss()?,
            goal_mb: 64,
        });
        expect_quiet(&mut answer).await?;

        let (mut answer, length) = client::ask(proxy.address(), "/upload", origin::STREAM_BYTES).await?;
        origin::drain(&mut answer, length).await?;
        report.memory(Memory {
            scenario: "upload512m",
            target,
            before,
            after: proxy.peak_rss()?,
            goal_mb: 64,
        });
    }
    Ok(())
}

/// Starts a proxy and has it serve for a moment, so that what it keeps anyway is not counted.
async fn warm(launcher: &Launcher, target: Target, origin: &Origin) -> Result<Proxy, Error> {
    let proxy = launcher.start(target, origin.address()).await?;
    client::load(proxy.address(), "/pass1k", 64, Duration::from_millis(500)).await;
    Ok(proxy)
}

/// Nothing may follow a whole answer on a kept-alive connection.
async fn expect_quiet(stream: &mut TcpStream) -> Result<(), Error> {
    match stream.try_read(&mut [0; 1]) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(()),
        Ok(0) => Ok(()),
        _ => Err("bytes after the end of an answer".into()),
    }
}
