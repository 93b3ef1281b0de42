//! `nilegate demo`: everything it prints works as printed.

use std::process::{Child, Command, Stdio};

use crate::harness::{Client, ports::Port, wait_for, wait_until};

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

#[tokio::test(flavor = "multi_thread")]
async fn patients_and_appointments_are_made_by_graphql() {
    let demo = Demo::start("1ms").await;
    let client = Client::new(demo.gateway.address());
    let ask = async |query: String| -> serde_json::Value {
        let body = serde_json::json!({ "query": query }).to_string();
        let request = client.post("/graphql", body).header("Content-Type", "application/json");
        request.send().await.json()
    };
    let patient = "createPatient(input: { firstName: \"Ada\", lastName: \"Said\" }) { id firstName }";
    let made = ask(format!("mutation {{ {patient} }}")).await;
    let id = made["data"]["createPatient"]["id"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
    let booked = ask(format!(
        "mutation {{ createAppointment(input: {{ patientId: {id}, date: \"2027-05-03\", time: \"09:30\" }}) \
         {{ id status }} }}"
    ))
    .await;
    assert!(booked["data"]["createAppointment"]["id"].is_string(), "{booked}");
    let seen = ask(format!("{{ patient(id: {id}) {{ firstName appointments {{ date }} }} }}")).await;
    let expected = serde_json::json!({ "firstName": "Ada", "appointments": [{ "date": "2027-05-03" }] });
    assert_eq!(seen["data"]["patient"], expected, "{seen}");
    let refused =
        ask("mutation { createPatient(input: { firstName: \"\", lastName: \"x\" }) { id } }".to_owned())
            .await;
    let extensions = &refused["errors"][0]["extensions"];
    assert_eq!(extensions["code"], "BAD_USER_INPUT", "{refused}");
    assert!(extensions["problem"]["errors"][0]["field"].is_string(), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn services_run_without_a_gateway_and_share_their_data() {
    let (first, second) = (Port::free(), Port::free());
    let mut child = Command::new(env!("CARGO_BIN_EXE_nilegate"))
        .args(["demo", "--latency", "1ms"])
        .args(["--service", &format!("patients-1={first}"), "--service", &format!("patients-2={second}")])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let healthy = |port: &Port| {
        let words = ["healthcheck", "--path", "/health", "--admin", &port.to_string()].map(str::to_owned);
        let run = move || Command::new(env!("CARGO_BIN_EXE_nilegate")).args(words).output().unwrap();
        async { tokio::task::spawn_blocking(run).await.unwrap().status.success() }
    };
    wait_until("both services to be healthy", async || healthy(&first).await && healthy(&second).await).await;

    let (first, second) = (Client::new(first.address()), Client::new(second.address()));
    let made = first
        .request(http::Method::POST, "/api/v2/patients")
        .header("Content-Type", "application/json")
        .body(r#"{"name": {"given": "Ada", "family": "Said"}}"#)
        .send()
        .await;
    assert_eq!(made.status, 201, "{made:?}");
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let seen = second.get(&format!("/api/v2/patients/{id}")).send().await;
    assert_eq!(seen.json()["name"]["given"], "Ada", "{seen:?}");
    assert_eq!(seen.header("x-served-by"), Some("patients-2"));

    let pid = child.id();
    Command::new("sh").arg("-c").arg(format!("kill -TERM {pid}")).status().unwrap();
    let status = wait_for("the services to end", async || child.try_wait().unwrap()).await;
    assert!(status.success(), "{status}");
}

#[test]
fn a_service_that_there_is_not_is_refused() {
    let output = Command::new(env!("CARGO_BIN_EXE_nilegate"))
        .args(["demo", "--service", "pharmacy=127.0.0.1:1"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("the platform has no `pharmacy`"));
}
