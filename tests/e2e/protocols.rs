//! Everything that is more than a plain exchange of HTTP/1.1: HTTP/2, WebSocket, gRPC.

mod echo;

use futures::{SinkExt, StreamExt};
use http::Method;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};
use tonic::Code;

use self::echo::Echo;
use crate::harness::{
    Answer, Gate, Gateway, Origin, RawClient,
    h2_frame::{self, END_HEADERS, END_STREAM, HEADERS, RST_STREAM, SETTINGS, frame},
    h2_origin::{H2Answer, H2Origin},
    wait::in_time,
    wait_until,
};

#[tokio::test(flavor = "multi_thread")]
async fn http2_by_prior_knowledge_reaches_an_http1_backend() {
    let origin = Origin::start(|_| Answer::status(201).header("X", "y").chunked(["a", "b"])).await;
    let gateway = Gateway::before(&origin).start().await;
    let answer = gateway.client().http2().post("/a?b", "body").host("shop.test").send().await;

    assert_eq!((answer.status, answer.text(), answer.header("x")), (201, "ab", Some("y")));
    assert_eq!(answer.header("transfer-encoding"), None);
    let seen = origin.only_request();
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("POST", "/a?b"));
    assert_eq!((seen.header("host"), &seen.body[..]), (Some("shop.test"), &b"body"[..]));
    gateway.wait_metric("proxy_requests_by_protocol_total", &[("protocol", "h2")], 1.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_to_the_backend_carries_trailers_to_an_http2_client() {
    let origin = H2Origin::start(|_| H2Answer::ok(&["a", "b"]).header("x", "y").trailer("t", "1")).await;
    let gateway = Gateway::before(&origin).upstream("protocol: http2").start().await;

    let answer = gateway.client().http2().get("/x?y").send().await;
    assert_eq!((answer.text(), answer.header("x")), ("ab", Some("y")));
    assert_eq!(answer.trailers["t"], "1");
    assert_eq!(gateway.get("/x?y").await.text(), "ab", "and an HTTP/1.1 client is served as well");
    assert!(origin.requests().iter().all(|request| request.path == "/x?y"));
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_of_one_http2_connection_do_not_wait_for_each_other() {
    let gate = Gate::closed();
    let hold = gate.clone();
    let origin = Origin::start(move |request| match request.target.as_str() {
        "/held" => Answer::ok("held").hold(&hold),
        _ => Answer::ok("quick"),
    })
    .await;
    let gateway = Gateway::before(&origin).start().await;
    let stream = TcpStream::connect(gateway.address()).await.unwrap();
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let mut client = client.ready().await.unwrap();
    let get =
        |path: &str| http::Request::get(format!("http://{}{path}", gateway.address())).body(()).unwrap();

    let (held, _) = client.send_request(get("/held"), true).unwrap();
    origin.wait_begun(1).await;
    let (quick, _) = client.send_request(get("/quick"), true).unwrap();
    assert_eq!(in_time("the quick answer", quick).await.unwrap().status(), 200);
    gate.open();
    assert_eq!(in_time("the held answer", held).await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_number_of_streams_at_once_is_announced_and_kept_to() {
    let gate = Gate::closed();
    let hold = gate.clone();
    let origin = Origin::start(move |_| Answer::ok("held").hold(&hold)).await;
    let gateway = Gateway::before(&origin).process("limits", "{ http2_streams: 3 }").start().await;
    // A client that does as it is told sees the limit and waits.
    let stream = TcpStream::connect(gateway.address()).await.unwrap();
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let client = client.ready().await.unwrap();
    wait_until("the announcement", async || client.current_max_send_streams() == 3).await;

    // One that does not has the streams beyond refused: RST_STREAM with REFUSED_STREAM.
    let mut rude = RawClient::connect(gateway.address()).await;
    rude.send([h2_frame::PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).await;
    for stream in [1, 3, 5, 7, 9] {
        rude.send(frame(HEADERS, END_HEADERS | END_STREAM, stream, h2_frame::GET_ROOT)).await;
    }
    let mut received = Vec::new();
    let mut refused = Vec::new();
    while refused.len() < 2 {
        received.extend(rude.at_least(1).await);
        refused = h2_frame::frames(&received).into_iter().filter(|frame| frame.kind == RST_STREAM).collect();
    }
    assert!(refused.iter().all(|frame| frame.payload == [0, 0, 0, 7]), "{refused:?}");
    origin.wait_begun(3).await;
    gate.open();
    assert_eq!(origin.requests().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn http1_answers_keep_their_framing() {
    let origin = Origin::start(|request| match request.target.as_str() {
        "/chunked" => Answer::status(200).chunked(["a", "bc"]),
        "/until-close" => Answer::status(200).until_close("to the end"),
        "/204" => Answer::status(204),
        "/304" => Answer::status(304).header("ETag", "\"1\""),
        _ => Answer::ok("whole"),
    })
    .await;
    let gateway = Gateway::before(&origin).start().await;
    let client = gateway.client();
    assert_eq!(client.get("/chunked").send().await.text(), "abc");
    assert_eq!(client.get("/until-close").send().await.text(), "to the end");
    assert_eq!(client.get("/204").send().await.status, 204);
    assert_eq!(client.get("/304").send().await.header("etag"), Some("\"1\""));
    let head = client.request(Method::HEAD, "/whole").send().await;
    assert_eq!((head.header("content-length"), head.text()), (Some("5"), ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn pipelined_requests_are_answered_in_order() {
    let origin = Origin::start(|request| Answer::ok(&request.target)).await;
    let gateway = Gateway::before(&origin).start().await;
    let mut client = RawClient::connect(gateway.address()).await;
    client.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    for target in ["/1", "/2"] {
        assert_eq!(client.response().await.unwrap().text(), target);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_expects_100_continue_gets_it_before_it_sends() {
    let origin = Origin::saying("got it").await;
    let gateway = Gateway::before(&origin).start().await;
    let mut client = RawClient::connect(gateway.address()).await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n").await;
    assert_eq!(client.head().await.unwrap().status, 100);
    client.send("body").await;
    assert_eq!(client.response().await.unwrap().text(), "got it");
    assert_eq!(origin.only_request().body, b"body");
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_stream_before_they_are_whole() {
    let gate = Gate::closed();
    let hold = gate.clone();
    let origin =
        Origin::start(move |_| Answer::status(200).chunked(["first", "second"]).hold_body(&hold)).await;
    let gateway = Gateway::before(&origin).start().await;
    let mut client = RawClient::connect(gateway.address()).await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(client.head().await.unwrap().status, 200);
    let first = client.at_least(10).await;
    assert!(first.ends_with(b"first\r\n"), "{:?}", String::from_utf8_lossy(&first));
    gate.open();
    let second = client.at_least(16).await;
    assert!(second.ends_with(b"0\r\n\r\n"), "{:?}", String::from_utf8_lossy(&second));
}

#[tokio::test(flavor = "multi_thread")]
async fn websocket_messages_pass_both_ways() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        while let Some(Ok(message)) = socket.next().await {
            if message.is_text() || message.is_binary() {
                socket.send(message).await.unwrap();
            }
        }
    });
    let gateway = Gateway::before(origin).start().await;

    let request = format!("ws://{}/chat", gateway.address()).into_client_request().unwrap();
    let stream = TcpStream::connect(gateway.address()).await.unwrap();
    let (mut socket, answer) =
        in_time("the upgrade", tokio_tungstenite::client_async(request, stream)).await.unwrap();
    assert_eq!(answer.status(), 101);
    for message in [Message::text("hello"), Message::binary(vec![7; 100_000])] {
        socket.send(message.clone()).await.unwrap();
        assert_eq!(in_time("the echo", socket.next()).await.unwrap().unwrap(), message);
    }
    socket.close(None).await.unwrap();
    // The close handshake goes through as well: the origin answers it and the stream ends.
    in_time("the end", async { while let Some(Ok(_)) = socket.next().await {} }).await;
    let line = gateway.wait_for_log("the upgrade", |line| line["status"] == 101).await;
    assert_eq!(line["route"], "all");
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc_calls_pass_with_metadata_and_status() {
    let origin = Echo::serve().await;
    let gateway = Gateway::before(origin).upstream("protocol: http2").start().await;
    let mut client = echo::Client::connect(gateway.address()).await;

    let answer = client.say("hello").await.unwrap();
    assert_eq!(answer.get_ref().text, "hello");
    assert_eq!(answer.metadata().get("x-from").unwrap(), "origin");
    let refused = client.say("fail").await.unwrap_err();
    assert_eq!((refused.code(), refused.message()), (Code::ResourceExhausted, "as asked"));
    assert_eq!(client.unknown().await.unwrap_err().code(), Code::Unimplemented);
    for status in ["0", "8", "12"] {
        let labels = [("route", "all"), ("grpc_status", status)];
        gateway.wait_metric("proxy_grpc_responses_total", &labels, 1.0).await;
    }
    gateway.wait_metric("proxy_http2_streams", &[], 0.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc_streams_flow_both_ways_at_once_and_end_with_trailers() {
    let origin = Echo::serve().await;
    let gateway = Gateway::before(origin).upstream("protocol: http2").start().await;
    let mut client = echo::Client::connect(gateway.address()).await;

    let (sender, mut answers) = client.chat().await.unwrap();
    for text in ["one", "two", "three"] {
        // The next message is sent only after this one came back: nothing may wait for the end.
        sender.send(echo::Text::new(text)).await.unwrap();
        let answer = in_time("the echo", answers.message()).await.unwrap().unwrap();
        assert_eq!(answer.text, text);
    }
    sender.send(echo::Text::new("fail")).await.unwrap();
    let status = in_time("the status", answers.message()).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::ResourceExhausted, "as asked"));

    let (sender, mut answers) = client.chat().await.unwrap();
    drop(sender);
    assert_eq!(in_time("the end", answers.message()).await.unwrap(), None);
    let trailers = answers.trailers().await.unwrap().unwrap_or_default();
    assert!(trailers.get("grpc-message").is_none(), "{trailers:?}");
}
