//! `nilegate demo`: everything it prints works as printed.

use std::process::{Child, Command, Stdio};

use crate::harness::{Client, ports::Port, wait_until};

/// The demo on ports of its own; killed at the end.
struct Demo {
    child: Child,
    gateway: Port,
    admin: Port,
}

impl Demo {
    async fn start(latency: &str) -> Self {
        let (gateway, admin) = (Port::free(), Port::free());
        let child = Command::new(env!("CARGO_BIN_EXE_nilegate"))
            .args(["demo", "--latency", latency])
            .args(["--address", &gateway.to_string(), "--admin", &admin.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let demo = Self { child, gateway, admin };
        wait_until("the demo to be ready", async || {
            Client::new(demo.admin.address()).get("/readyz").try_send().await.is_ok_and(|a| a.status == 200)
        })
        .await;
        demo
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_it_prints_shows_what_it_promises() {
    let demo = Demo::start("1ms").await;
    for example in nilegate::demo::examples(demo.gateway.address(), demo.admin.address()) {
        let command = example.command.clone();
        let run = move || Command::new("sh").args(["-c", &command]).output().unwrap();
        let output = tokio::task::spawn_blocking(run).await.unwrap();
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(printed.contains(example.expect), "{}\n$ {}\n{printed}", example.title, example.command);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_versions_of_a_patient_come_through_the_gateway() {
    let demo = Demo::start("1ms").await;
    let client = Client::new(demo.gateway.address());
    let v1: serde_json::Value =
        serde_json::from_str(client.get("/api/v1/patients/7").send().await.text()).unwrap();
    let v2: serde_json::Value =
        serde_json::from_str(client.get("/api/v2/patients/7").send().await.text()).unwrap();
    assert_eq!(v1["firstName"], v2["name"]["given"]);
    assert_eq!(v1["lastName"], v2["name"]["family"]);
    assert_eq!(v1["email"], v2["contact"]["email"]);
}
