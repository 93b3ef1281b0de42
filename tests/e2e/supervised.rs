//! Under a service manager: what it is told, and how it has the process replaced.

use std::{os::unix::net::UnixDatagram, process::Command, time::Duration};

use crate::harness::{Gateway, Load, Origin, gateway::Builder, wait_for, wait_until};

/// The socket that a service manager listens on.
struct Manager {
    socket: UnixDatagram,
    heard: Vec<String>,
}

impl Manager {
    /// Listens in the gateway's directory.
    fn of(gateway: Builder) -> (Self, Builder) {
        let path = gateway.directory().join("notify.sock");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        (Self { socket, heard: Vec::new() }, gateway.env("NOTIFY_SOCKET", path.display()))
    }

    fn listen(&mut self) {
        let mut message = [0; 1024];
        while let Ok(length) = self.socket.recv(&mut message) {
            self.heard.push(String::from_utf8(message[..length].to_vec()).unwrap());
        }
    }

    /// Waits until the last message says this, and takes all.
    async fn wait_for(&mut self, line: &str) -> Vec<String> {
        wait_until(&format!("the manager to hear {line}"), async || {
            self.listen();
            self.heard.last().is_some_and(|message| message.lines().any(|said| said == line))
        })
        .await;
        std::mem::take(&mut self.heard)
    }

    /// Waits for a message with this variable, and returns its value.
    async fn wait_for_value(&mut self, name: &str) -> String {
        let start = format!("{name}=");
        wait_for(&format!("the manager to hear {name}"), async || {
            self.listen();
            let mut lines = self.heard.iter().flat_map(|message| message.lines());
            lines.find_map(|line| line.strip_prefix(&start)).map(str::to_owned)
        })
        .await
    }
}

const ROUTES: &str = "routes: [{ name: all, respond: { body: ok } }]";

#[tokio::test(flavor = "multi_thread")]
async fn the_manager_hears_of_readiness_reloads_and_the_end() {
    let (mut manager, gateway) = Manager::of(Gateway::new().traffic(ROUTES));
    let mut gateway = gateway.start().await;
    let heard = manager.wait_for("READY=1").await;
    assert_eq!(heard, ["READY=1\nSTATUS=serving\n"], "once, when the listeners are open");

    gateway.write_traffic("routes: [{ name: all, respond: { body: changed } }]");
    gateway.sighup();
    let heard = manager.wait_for("READY=1").await;
    assert_eq!(heard.len(), 2, "{heard:?}");
    assert!(heard[0].starts_with("RELOADING=1\nMONOTONIC_USEC="), "{heard:?}");
    assert_eq!(gateway.get("/").await.text(), "changed");

    gateway.write_file("traffic: [");
    gateway.sighup();
    let heard = manager.wait_for("READY=1").await;
    assert!(heard[1].contains("refused"), "{heard:?}");

    gateway.sigterm();
    let heard = manager.wait_for("STOPPING=1").await;
    let limit = Duration::from_secs(10 + 5).as_micros();
    assert!(heard[0].contains(&format!("EXTEND_TIMEOUT_USEC={limit}\n")), "{heard:?}");
    assert!(gateway.wait_exit().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn sigusr2_replaces_the_process_under_load_and_names_the_new_one() {
    let origin = Origin::saying("ok").await;
    let (mut manager, gateway) = Manager::of(Gateway::before(&origin));
    let mut gateway = gateway.start().await;
    manager.wait_for("READY=1").await;
    let load = Load::start(gateway.address(), "/", 8);
    load.wait_for_more(200).await;

    gateway.signal("USR2");
    let successor: u32 = manager.wait_for_value("MAINPID").await.parse().unwrap();
    let _ended = EndOf(successor);
    assert_ne!(successor, gateway.pid());
    assert!(gateway.wait_exit().await.success(), "the old process ends by itself");
    load.wait_for_more(200).await;
    load.stop().await.assert_none_lost();
    manager.listen();
    assert!(!manager.heard.concat().contains("STOPPING"), "the unit goes on: {:?}", manager.heard);
    assert_eq!(gateway.get("/").await.text(), "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_successor_that_does_not_start_changes_nothing() {
    let mut gateway = Gateway::new().traffic(ROUTES).start().await;
    gateway.write_file("traffic: [");
    gateway.signal("USR2");
    gateway.wait_for_stderr("no upgrade: the successor does not listen").await;
    assert!(gateway.stderr().contains("the successor ended with exit status: 64"), "{}", gateway.stderr());
    assert_eq!(gateway.get("/").await.text(), "ok");
    assert_eq!(gateway.admin_status("/readyz").await, Some(200));
    gateway.sigterm();
    assert!(gateway.wait_exit().await.success());
}

/// Ends a process that is no child of the test.
struct EndOf(u32);

impl Drop for EndOf {
    fn drop(&mut self) {
        let _ = Command::new("sh").arg("-c").arg(format!("kill -KILL {}", self.0)).status();
    }
}
