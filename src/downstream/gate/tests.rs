use std::{
    future::poll_fn,
    time::{Duration, Instant},
};

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::*;

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

fn gate() -> (DuplexStream, GatedStream) {
    let (client, server) = tokio::io::duplex(1024);
    (client, GatedStream::new(Box::new(server)))
}

async fn receive(gate: &mut GatedStream) -> usize {
    poll_fn(|cx| gate.poll_receive(cx)).await.unwrap()
}

/// Whether a read comes to nothing for now.
async fn is_pending(gate: &mut GatedStream) -> bool {
    let mut byte = [0];
    let mut read = std::pin::pin!(gate.read(&mut byte));
    poll_fn(|cx| Poll::Ready(read.as_mut().poll(cx).is_pending())).await
}

#[tokio::test]
async fn hands_on_one_request_and_keeps_what_follows() {
    let (mut client, mut gate) = gate();
    client.write_all(b"headbo").await.unwrap();
    receive(&mut gate).await;
    assert_eq!(&gate.admit(4, Allowance::Bytes(4))[..], b"headbo");
    client.write_all(b"dyGET /next").await.unwrap();
    AsyncWriteExt::shutdown(&mut client).await.unwrap();
    let mut rest = Vec::new();
    gate.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, b"dy");
    assert_eq!(gate.received(), b"GET /next");
}

#[tokio::test]
async fn keeps_what_follows_a_chunked_body() {
    for split in 4..30 {
        let (mut client, mut gate) = gate();
        let bytes = b"head3\r\nabc\r\n0\r\n\r\nGET /next";
        let (first, second) = bytes.split_at(split.min(bytes.len()));
        client.write_all(first).await.unwrap();
        receive(&mut gate).await;
        let mut seen = gate.admit(4, Allowance::Chunked(ChunkedBody::default())).to_vec();
        client.write_all(second).await.unwrap();
        AsyncWriteExt::shutdown(&mut client).await.unwrap();
        gate.read_to_end(&mut seen).await.unwrap();
        assert_eq!(seen, b"head3\r\nabc\r\n0\r\n\r\n", "split at {split}");
        assert_eq!(gate.received(), b"GET /next", "split at {split}");
    }
}

#[tokio::test]
async fn a_tunnel_gets_what_was_sent_ahead_and_all_that_follows() {
    let (mut client, mut gate) = gate();
    client.write_all(b"headearly").await.unwrap();
    receive(&mut gate).await;
    assert_eq!(&gate.admit(4, Allowance::Bytes(0))[..], b"head");
    assert!(is_pending(&mut gate).await, "not before the protocol is switched");
    gate.handle().set_tunnel();
    client.write_all(b" and late").await.unwrap();
    let mut seen = [0; 14];
    gate.read_exact(&mut seen).await.unwrap();
    assert_eq!(&seen, b"early and late");
    assert!(gate.received().is_empty());
}

#[tokio::test]
async fn lets_everything_through_when_open() {
    let (mut client, mut gate) = gate();
    client.write_all(b"PRI * ").await.unwrap();
    receive(&mut gate).await;
    gate.open(Allowance::All);
    client.write_all(b"HTTP/2.0").await.unwrap();
    let mut seen = [0; 14];
    gate.read_exact(&mut seen).await.unwrap();
    assert_eq!(&seen, b"PRI * HTTP/2.0");
}

#[tokio::test(start_paused = true)]
async fn a_deadline_ends_the_wait_and_the_next_request_starts_without_it() {
    let (mut client, mut gate) = gate();
    gate.open(Allowance::Bytes(0));
    gate.deadline().begin(Instant::now(), Duration::from_secs(5), None);
    let error = gate.read_u8().await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert!(gate.deadline().has_passed());
    gate.open(Allowance::Bytes(1));
    client.write_all(b"x").await.unwrap();
    assert_eq!(gate.read_u8().await.unwrap(), b'x');
}

#[tokio::test(start_paused = true)]
async fn one_timer_keeps_waits_of_any_length() {
    let (_client, mut gate) = gate();
    gate.open(Allowance::Bytes(0));
    for seconds in [5, 60, 2, 30] {
        let begun = tokio::time::Instant::now();
        gate.deadline().begin(begun.into_std(), Duration::from_secs(seconds), None);
        assert_eq!(gate.read_u8().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        let took = begun.elapsed();
        assert!(took.abs_diff(Duration::from_secs(seconds)) < Duration::from_millis(100), "{took:?}");
    }
}

#[tokio::test]
async fn a_client_slow_to_take_the_answer_does_not_use_up_the_wait() {
    let (mut client, mut gate) = gate();
    gate.open(Allowance::Bytes(0));
    gate.deadline().begin(Instant::now(), Duration::from_secs(5), None);
    let before = gate.deadline().ends();
    gate.write_all(&[b'x'; 1024]).await.unwrap();
    assert_eq!(gate.deadline().ends(), before, "nothing held it up");
    let mut taken = [0; 2048];
    let (sent, _) = tokio::join!(gate.write_all(&[b'x'; 1024]), client.read_exact(&mut taken));
    sent.unwrap();
    assert!(gate.deadline().ends() > before);
}

#[tokio::test]
async fn a_client_cannot_send_ahead_without_end_over_many_requests() {
    let (mut client, mut gate) = gate();
    let flood = tokio::spawn(async move { while client.write_all(&GET.repeat(100)).await.is_ok() {} });
    for _ in 0..5_000 {
        while gate.received().len() < GET.len() {
            receive(&mut gate).await;
        }
        assert_eq!(&gate.admit(GET.len(), Allowance::Bytes(0))[..], GET);
        // As Pingora does while the origin works.
        while gate.received().len() < AHEAD_LIMIT {
            assert!(is_pending(&mut gate).await);
            tokio::task::yield_now().await;
        }
        assert!(is_pending(&mut gate).await);
        assert!(gate.received().len() < AHEAD_LIMIT + READ);
        assert!(gate.received.capacity() <= 4 * AHEAD_LIMIT, "{}", gate.received.capacity());
    }
    flood.abort();
}
