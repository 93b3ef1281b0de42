//! Who may pass, how often, and what the others are told.

mod fields;
mod hits;
mod local;
mod shared;

use crate::harness::{Gateway, Origin, Response, gateway::Builder};

/// A gateway whose only route has these limits. Rates by the hour: no request comes back
/// while a story lasts.
fn limited(origin: &Origin, limits: &str) -> Builder {
    Gateway::before(origin).routes(&format!("- {{ name: all, upstream: origin, rate_limit: {limits} }}"))
}

/// Statuses of so many requests in a row.
async fn statuses(gateway: &Gateway, count: usize) -> Vec<u16> {
    let mut statuses = Vec::with_capacity(count);
    for _ in 0..count {
        statuses.push(gateway.get("/").await.status);
    }
    statuses
}

/// The second request of a tenant is refused, and costs nothing of a limit on all tenants: three.
async fn assert_refusals_cost_nothing(gateway: &Gateway) {
    let client = gateway.client();
    let ask = async |tenant: &str| client.get("/").header("X-Tenant", tenant).send().await.status;
    assert_eq!(ask("a").await, 200);
    for _ in 0..5 {
        assert_eq!(ask("a").await, 429);
    }
    assert_eq!([ask("b").await, ask("c").await, ask("d").await], [200, 200, 429]);
}

/// A whole 429.
#[track_caller]
fn assert_refused(answer: &Response) {
    assert_eq!(answer.status, 429, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(answer.header("retry-after").unwrap().parse::<u32>().unwrap() > 0);
    let problem = answer.json();
    assert_eq!((problem["code"].as_str(), problem["status"].as_u64()), (Some("rate_limited"), Some(429)));
    assert_eq!(problem["request_id"].as_str(), answer.header("x-request-id"));
}
