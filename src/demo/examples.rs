//! What to try once the demo runs: commands that work as they are printed.

use std::net::SocketAddr;

use super::auth;

/// Something to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// What it shows.
    pub title: &'static str,
    /// A command for a POSIX shell.
    pub command: String,
    /// Text that its output contains.
    pub expect: &'static str,
}

/// The examples, in the order in which they tell the story.
///
/// `gateway` is where clients connect, `admin` the admin port.
pub fn examples(gateway: SocketAddr, admin: SocketAddr) -> Vec<Example> {
    let base = format!("http://{gateway}");
    [api(&base), gateway_at_work(&base), operations(&format!("http://{admin}"))].concat()
}

fn example(title: &'static str, command: String, expect: &'static str) -> Example {
    Example { title, command, expect }
}

/// What the platform offers.
fn api(base: &str) -> Vec<Example> {
    let json = "-H 'Content-Type: application/json'";
    let login = format!(r#"{{"username": "dr.okoro", "password": "{}"}}"#, auth::PASSWORD);
    let token = auth::token(&auth::ACCOUNTS[0]);
    let post = |path: &str, body: &str| format!("curl -is {base}{path} {json} -d '{body}'");
    vec![
        example("What is here", format!("curl -s {base}/"), "NileCare behind nilegate"),
        example("A patient, version 1", format!("curl -is {base}/api/v1/patients/1"), "\"firstName\""),
        example("The same patient, version 2", format!("curl -is {base}/api/v2/patients/1"), "\"given\""),
        example(
            "The same by media type",
            format!("curl -is {base}/api/patients/1 -H 'Accept: application/vnd.nilecare.v2+json'"),
            "application/vnd.nilecare.v2+json",
        ),
        example("The versions there are", format!("curl -s {base}/api/versions"), "\"deprecated\""),
        example(
            "A page of patients",
            format!("curl -s '{base}/api/v1/patients?limit=3&offset=10'"),
            "\"total\":",
        ),
        example(
            "A new patient",
            post("/api/v1/patients", r#"{"firstName": "Ada", "lastName": "Said"}"#),
            "201 Created",
        ),
        example(
            "One that is not valid: a problem that names the field",
            post("/api/v1/patients", r#"{"firstName": "", "lastName": "Said"}"#),
            "\"field\": \"name.given\"",
        ),
        example(
            "The appointments of a patient (also: medications, lab-orders)",
            format!("curl -s '{base}/api/v1/appointments?patientId=1'"),
            "\"patientId\": \"1\"",
        ),
        example(
            "Patients with their appointments: one graph over all services",
            post("/graphql", r#"{"query": "{ patients(limit: 2) { firstName appointments { date } } }"}"#),
            "\"appointments\":[{",
        ),
        example("Log in", post("/api/v1/auth/login", &login), "\"tokenType\": \"Bearer\""),
        example(
            "Who am I",
            format!("curl -s {base}/api/v1/auth/me -H 'Authorization: Bearer {token}'"),
            "\"role\": \"doctor\"",
        ),
    ]
}

/// What the gateway adds.
fn gateway_at_work(base: &str) -> Vec<Example> {
    let patient = format!("{base}/api/v1/patients/1");
    vec![
        example("A redirect", format!("curl -sL {base}/patients/1"), "\"given\""),
        example(
            "Two backends by turns: see X-Served-By",
            format!(
                "for i in 1 2 3 4; do curl -sI {patient} -H 'X-Demo-Latency: 1ms' | grep -i x-served-by; done"
            ),
            "patients-2",
        ),
        example(
            "One of them fails: the gateway tries the other",
            format!("curl -is {patient} -H 'X-Demo-Fail: 503@patients-1'"),
            "patients-2",
        ),
        example(
            "The second answer comes from the cache",
            format!("for i in 1 2; do curl -sI {base}/api/v1/patients/2 | grep -i cache-status; done"),
            "nilegate;hit",
        ),
        example(
            "A slow answer",
            format!(
                "curl -s -o /dev/null -w '%{{http_code}} in %{{time_total}} s\\n' {patient} -H 'X-Demo-Latency: 500ms'"
            ),
            "200 in ",
        ),
        example(
            "A refusal of the gateway itself",
            format!("curl -is {base}/no/such/path"),
            "application/problem+json",
        ),
    ]
}

/// What operators look at.
fn operations(admin: &str) -> Vec<Example> {
    vec![
        example("Is it ready", format!("curl -is {admin}/readyz"), "200 OK"),
        example(
            "What it counted",
            format!("curl -s {admin}/metrics | grep ^http_requests_total"),
            "http_requests_total",
        ),
        example("What the cache did", format!("curl -s {admin}/cache/stats"), "\"hitRate\""),
        example(
            "Drop a patient from the cache, on every node",
            format!(r#"curl -s {admin}/cache/purge -d '{{"tag": "patient:2"}}'"#),
            "\"success\": true",
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_use_the_addresses_given() {
        let all = examples("127.0.0.1:18080".parse().unwrap(), "127.0.0.1:19900".parse().unwrap());
        assert!(all.len() > 10);
        for Example { title, command, expect } in all {
            let known =
                command.contains("http://127.0.0.1:18080/") || command.contains("http://127.0.0.1:19900/");
            assert!(known, "{title}: {command}");
            assert!(!expect.is_empty());
        }
    }
}
