//! A response that the gateway has made itself, where Pingora expects one of a backend.
//!
//! Pingora stores, shares and compresses what comes from upstream. For a response of our own
//! to be treated like that, it is put among the extensions of the request's head, and a session
//! without a connection hands it back.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{Stream, stream};
use http::HeaderMap;
use parking_lot::Mutex;
use pingora_core::{
    Error, ErrorType, Result,
    protocols::{
        Digest, UniqueIDType,
        http::custom::{BodyWrite, CustomMessageWrite, client::Session},
        l4::socket::SocketAddr,
        tls::CustomALPN,
    },
    upstreams::peer::{ALPN, HttpPeer, Peer},
};
use pingora_http::{RequestHeader, ResponseHeader};

/// What stands in place of a protocol.
const PROTOCOL: &[u8] = b"nilegate-local";

/// Set apart from peers that are somewhere.
const GROUP: u64 = 0x6c6f_6361_6c00;

/// A response with its body, on its way through Pingora. It is taken once.
#[derive(Clone)]
pub struct LocalResponse(Arc<Mutex<Option<(ResponseHeader, Bytes)>>>);

impl LocalResponse {
    /// To be put among the extensions of the request it answers.
    pub fn new(head: ResponseHeader, body: Bytes) -> Self {
        Self(Arc::new(Mutex::new(Some((head, body)))))
    }
}

/// The peer that leads to a [`LocalSession`]. Nobody ever connects to its address.
pub fn peer() -> HttpPeer {
    let mut peer = HttpPeer::new("0.0.0.0:0", false, String::new());
    peer.options.alpn = ALPN::Custom(CustomALPN::new(PROTOCOL.to_vec()));
    peer.group_key = GROUP;
    peer
}

/// Whether a peer is the one of [`peer`].
pub fn is_local<P: Peer>(peer: &P) -> bool {
    matches!(peer.get_alpn(), Some(ALPN::Custom(custom)) if custom.protocol() == PROTOCOL)
}

/// A session with nobody, which answers with what its request brings along.
#[derive(Default)]
pub struct LocalSession {
    head: Option<ResponseHeader>,
    body: Option<Bytes>,
}

#[async_trait]
impl Session for LocalSession {
    async fn write_request_header(&mut self, request: Box<RequestHeader>, _end: bool) -> Result<()> {
        let response = request.extensions.get::<LocalResponse>();
        let Some((head, body)) = response.and_then(|response| response.0.lock().take()) else {
            return Error::e_explain(ErrorType::InternalError, "a request without its response");
        };
        self.head = Some(head);
        self.body = (!body.is_empty()).then_some(body);
        Ok(())
    }

    /// The request has been answered already: its body is nothing to anybody.
    async fn write_request_body(&mut self, _data: Bytes, _end: bool) -> Result<()> {
        Ok(())
    }

    async fn finish_request_body(&mut self) -> Result<()> {
        Ok(())
    }

    fn set_read_timeout(&mut self, _timeout: Option<Duration>) {}

    fn set_write_timeout(&mut self, _timeout: Option<Duration>) {}

    async fn read_response_header(&mut self) -> Result<()> {
        Ok(())
    }

    async fn read_response_body(&mut self) -> Result<Option<Bytes>> {
        Ok(self.body.take())
    }

    fn response_finished(&self) -> bool {
        self.body.is_none()
    }

    async fn shutdown(&mut self, _code: u32, _why: &str) {}

    fn response_header(&self) -> Option<&ResponseHeader> {
        self.head.as_ref()
    }

    fn was_upgraded(&self) -> bool {
        false
    }

    fn digest(&self) -> Option<&Digest> {
        None
    }

    fn digest_mut(&mut self) -> Option<&mut Digest> {
        None
    }

    fn server_addr(&self) -> Option<&SocketAddr> {
        None
    }

    fn client_addr(&self) -> Option<&SocketAddr> {
        None
    }

    async fn read_trailers(&mut self) -> Result<Option<HeaderMap>> {
        Ok(None)
    }

    fn fd(&self) -> UniqueIDType {
        UniqueIDType::default()
    }

    async fn check_response_end_or_error(&mut self, _headers: bool) -> Result<bool> {
        Ok(self.body.is_none())
    }

    fn take_request_body_writer(&mut self) -> Option<Box<dyn BodyWrite>> {
        Some(Box::new(Discard))
    }

    async fn finish_custom(&mut self) -> Result<()> {
        Ok(())
    }

    fn take_custom_message_reader(
        &mut self,
    ) -> Option<Box<dyn Stream<Item = Result<Bytes>> + Unpin + Send + Sync + 'static>> {
        Some(Box::new(stream::empty()))
    }

    async fn drain_custom_messages(&mut self) -> Result<()> {
        Ok(())
    }

    fn take_custom_message_writer(&mut self) -> Option<Box<dyn CustomMessageWrite>> {
        Some(Box::new(()))
    }
}

/// Takes a body that nobody reads.
struct Discard;

#[async_trait]
impl BodyWrite for Discard {
    async fn write_all_buf(&mut self, data: &mut Bytes) -> Result<()> {
        data.clear();
        Ok(())
    }

    async fn finish(&mut self) -> Result<()> {
        Ok(())
    }

    async fn cleanup(&mut self) -> Result<()> {
        Ok(())
    }

    fn upgrade_body_writer(&mut self) {}
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;

    #[tokio::test]
    async fn a_request_brings_its_response_along() {
        let mut request = RequestHeader::build(Method::GET, b"/", None).unwrap();
        let head = ResponseHeader::build(200, None).unwrap();
        request.extensions_mut().insert(LocalResponse::new(head, Bytes::from_static(b"ab")));
        let mut session = LocalSession::default();
        session.write_request_header(Box::new(request.clone()), true).await.unwrap();
        assert_eq!(session.response_header().unwrap().status, 200);
        assert!(!session.check_response_end_or_error(true).await.unwrap());
        assert_eq!(session.read_response_body().await.unwrap().unwrap(), "ab");
        assert!(session.check_response_end_or_error(false).await.unwrap());
        let again = LocalSession::default().write_request_header(Box::new(request), true).await;
        assert!(again.is_err(), "it is taken once");
    }

    #[test]
    fn the_peer_is_known_again() {
        assert!(is_local(&peer()));
        assert!(!is_local(&HttpPeer::new("127.0.0.1:1", false, String::new())));
    }
}
