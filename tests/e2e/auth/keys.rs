//! API keys.

use super::{echo, refusal};
use crate::harness::Gateway;

/// The key is `open-sesame`.
const PROVIDER: &str = "\
auth:
  providers:
    staff:
      api_keys:
        header: X-API-Key
        query: api_key
        keys:
          - id: lab-7
            hash: 'sha256:d7ecdf25eaf3deba0f2628771dbdd22d4138ab6cf38f91ed02a2ca0dec7c8ab7'
            scopes: [results.write]
            claims: { tenant: north }
";

async fn gateway(origin: &crate::harness::Origin) -> Gateway {
    Gateway::before(origin)
        .also(PROVIDER)
        .routes(
            "- { name: all, upstream: origin, auth: { with: staff, require: { all: ['scope:results.write'] },
                 forward: { X-User-Id: subject, X-Tenant: 'claim:tenant' } } }
- { name: stats, match: { path: /stats }, serve: cache_stats, auth: { with: staff } }",
        )
        .start()
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_taken_from_a_field_or_the_query() {
    let origin = echo().await;
    let gateway = gateway(&origin).await;
    let client = gateway.client();
    let by_field = client.get("/").header("X-API-Key", "open-sesame").send().await;
    assert_eq!(by_field.text(), "lab-7|north|");
    assert_eq!(client.get("/?a=1&api_key=open-sesame").send().await.text(), "lab-7|north|");
    let query = client.get("/x?api_ke%79=open-sesame").header("Host", "a").send().await;
    assert_eq!(query.status, 200);
    assert_eq!(origin.targets(), ["/", "/?a=1", "/x"], "no backend gets a key of the query");
    let wrong = client.get("/").header("X-API-Key", "open-sesam").send().await;
    assert_eq!(refusal(&wrong), (401, "api_key_unknown".to_owned()));
    let missing = client.get("/").send().await;
    assert_eq!(
        missing.header("www-authenticate"),
        Some("ApiKey realm=\"staff\", header=\"X-API-Key\", query=\"api_key\"")
    );
    let both = client.get("/?api_key=open-sesame").header("X-API-Key", "open-sesame").send().await;
    assert_eq!(refusal(&both), (400, "credentials_duplicate".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_statistics_can_be_a_guarded_route() {
    let origin = echo().await;
    let gateway = gateway(&origin).await;
    assert_eq!(gateway.get("/stats").await.status, 401);
    let stats = gateway.client().get("/stats").header("X-API-Key", "open-sesame").send().await;
    assert_eq!((stats.status, stats.json()["success"].as_bool()), (200, Some(true)));
}
