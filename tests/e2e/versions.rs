//! Clients of one HTTP version before backends of another.

use crate::harness::{Gateway, Origin};

/// RFC 9113 section 8.2.3: a server that is not told so would see the first crumb only.
#[tokio::test(flavor = "multi_thread")]
async fn the_cookies_of_an_http2_client_reach_the_backend_as_one_field() {
    let origin = Origin::saying("ok").await;
    let gateway = Gateway::before(&origin).start().await;
    let client = gateway.client().http2();
    client.get("/").header("cookie", "a=b").header("cookie", "c=d").header("cookie", "e=f").send().await;
    assert_eq!(origin.only_request().header("cookie"), Some("a=b; c=d; e=f"));
}
