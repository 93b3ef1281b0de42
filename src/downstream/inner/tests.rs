use http::Method;

use super::*;

fn request(method: Method) -> RequestHeader {
    let mut request = RequestHeader::build(method, b"/a?b=c", None).unwrap();
    request.insert_header("host", "example.org").unwrap();
    request
}

fn session(body: &'static str, limit: usize) -> (ServerSession, Awaited) {
    let body = Bytes::from_static(body.as_bytes());
    let deadline = DeadlineHandle::default();
    InnerRequest::session(request(Method::POST), body, limit, Digest::default(), deadline)
}

fn head(status: u16) -> Box<ResponseHeader> {
    Box::new(ResponseHeader::build(status, None).unwrap())
}

fn data(text: &'static str, end: bool) -> HttpTask {
    HttpTask::Body(Some(Bytes::from_static(text.as_bytes())), end)
}

#[tokio::test]
async fn the_body_is_read_once_and_kept_for_another_attempt() {
    let (mut session, _awaited) = session("hello", 10);
    assert!(!session.is_body_done() && session.get_retry_buffer().is_none());
    assert_eq!(session.read_body_or_idle(false).await.unwrap().unwrap(), "hello");
    assert!(session.is_body_done());
    assert_eq!(session.read_request_body().await.unwrap(), None);
    assert_eq!(session.get_retry_buffer().unwrap(), "hello");
}

#[tokio::test]
async fn a_response_arrives_whole_with_the_last_of_its_heads() {
    let (mut session, awaited) = session("", 10);
    let tasks = vec![HttpTask::Header(head(103), false), HttpTask::Header(head(200), false)];
    assert!(!session.response_duplex_vec(tasks).await.unwrap());
    assert!(session.response_duplex_vec(vec![data("ab", false), data("cd", true)]).await.unwrap());
    let response = awaited.response().await.unwrap();
    assert_eq!((response.head.status.as_u16(), &*response.body), (200, &b"abcd"[..]));
}

#[tokio::test]
async fn a_head_alone_is_whole_when_the_session_ends() {
    let (mut session, awaited) = session("", 10);
    session.write_response_header(head(204)).await.unwrap();
    session.finish().await.unwrap();
    assert_eq!(awaited.response().await.unwrap().head.status, 204);
}

#[tokio::test]
async fn a_response_that_breaks_off_is_none() {
    let (mut session, awaited) = session("", 10);
    session.response_duplex_vec(vec![HttpTask::Header(head(200), false), data("ab", false)]).await.unwrap();
    let cut = Error::new_up(ErrorType::ConnectionClosed);
    assert!(session.response_duplex_vec(vec![HttpTask::Failed(cut)]).await.is_err());
    drop(session);
    assert_eq!(awaited.response().await.unwrap_err(), InnerFailure::Broken);
}

#[tokio::test]
async fn a_body_past_the_limit_ends_the_request_like_a_client_that_left() {
    let (mut session, awaited) = session("", 3);
    let tasks = vec![HttpTask::Header(head(200), false), data("abcd", true)];
    let error = session.response_duplex_vec(tasks).await.unwrap_err();
    assert_eq!(*error.esource(), pingora_core::ErrorSource::Downstream);
    assert_eq!(awaited.response().await.unwrap_err(), InnerFailure::TooLarge);
}

#[tokio::test]
async fn whoever_asked_and_left_is_a_client_that_went_away() {
    let (mut session, awaited) = session("", 10);
    drop(awaited);
    let error = session.read_body_or_idle(true).await.unwrap_err();
    assert_eq!(*error.etype(), ErrorType::ConnectionClosed);
    assert!(session.write_response_header(head(200)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_the_backend_ends_by_its_deadline() {
    let deadline = DeadlineHandle::default();
    let (mut session, _awaited) =
        InnerRequest::session(request(Method::GET), Bytes::new(), 10, Digest::default(), deadline.clone());
    deadline.begin(std::time::Instant::now(), Duration::from_millis(1), None);
    let error = session.read_body_or_idle(true).await.unwrap_err();
    assert_eq!(*error.etype(), ErrorType::ReadTimedout);
    assert!(deadline.has_passed());
}

#[tokio::test]
async fn it_can_be_made_again_in_the_background() {
    let (session, _awaited) = session("", 10);
    assert_eq!(session.to_h1_raw(), "POST /a?b=c HTTP/1.1\r\nhost: example.org\r\n\r\n");
}
