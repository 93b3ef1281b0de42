//! Parts of a stored body.

use super::CACHED;
use crate::harness::{Answer, Gateway, Origin};

#[tokio::test(flavor = "multi_thread")]
async fn a_range_is_cut_out_of_the_stored_body() {
    let origin = Origin::start(|_| {
        Answer::ok("0123456789").header("Cache-Control", "max-age=60").header("ETag", "\"v\"")
    })
    .await;
    let gateway = Gateway::new().set("origin", &origin).traffic(CACHED).start().await;
    gateway.get("/a").await;
    for (range, part, place) in [
        ("bytes=0-3", "0123", "bytes 0-3/10"),
        ("bytes=7-", "789", "bytes 7-9/10"),
        ("bytes=-2", "89", "bytes 8-9/10"),
    ] {
        let answer = gateway.client().get("/a").header("Range", range).send().await;
        assert_eq!((answer.status, answer.text(), answer.header("content-range")), (206, part, Some(place)));
    }
    let beyond = gateway.client().get("/a").header("Range", "bytes=20-").send().await;
    assert_eq!((beyond.status, beyond.header("content-range")), (416, Some("bytes */10")));
    for broken in ["bytes=3-1", "bytes=x-", "lines=1-2", "bytes="] {
        let answer = gateway.client().get("/a").header("Range", broken).send().await;
        assert!(matches!(answer.status, 200 | 416), "{broken}: {}", answer.status);
    }
    let other =
        gateway.client().get("/a").header("Range", "bytes=0-3").header("If-Range", "\"w\"").send().await;
    assert_eq!((other.status, other.text()), (200, "0123456789"));
    assert_eq!(origin.requests().len(), 1);
}
