//! The way of a request: passed on as it comes, or held back until it can be mapped.

use bytes::{Bytes, BytesMut};
use http::{Method, StatusCode, header};
use pingora_core::{Error, Result, protocols::http::client::HttpSession};
use pingora_http::{RequestHeader, ResponseHeader};

use super::{
    coding::{Undecoded, codings, decode},
    head,
    orders::{Orders, Refusal},
    pieces::Piece,
    session::{Exchange, out_of_order},
};

/// Room for a body whose length is not known.
const USUAL_BODY: usize = 4096;

/// Where the request is.
#[derive(Debug)]
pub(super) enum Request {
    /// Nothing is known of it.
    Waiting,
    /// Held back until its body is complete.
    Held { head: Box<RequestHeader>, body: BytesMut },
    /// Its head is sent, its body goes as it comes.
    Streaming,
    /// All of it is sent.
    Done,
    /// The backend takes no more of it; the response may tell why.
    Broken(Box<Error>),
}

impl Request {
    pub(super) fn is_done(&self) -> bool {
        matches!(self, Self::Done)
    }

    /// Whether there can be a response.
    pub(super) fn is_sent(&self) -> bool {
        matches!(self, Self::Streaming | Self::Done | Self::Broken(_))
    }

    /// Whether more of it is wanted.
    pub(super) fn is_open(&self) -> bool {
        matches!(self, Self::Held { .. } | Self::Streaming)
    }
}

impl Exchange {
    /// Takes the head. It is sent at once unless a body follows that is to be mapped.
    pub(super) async fn begin(&mut self, mut request: Box<RequestHeader>, end: bool) -> Result<()> {
        self.orders = request.extensions_mut().remove::<Orders>();
        self.method = request.method.clone();
        if let Some(orders) = self.orders.as_ref().filter(|orders| orders.response.is_some()) {
            head::ask_for_mapped(&mut request, orders)?;
        }
        let Some(orders) = self.orders.as_ref().filter(|orders| !end && orders.request.is_some()) else {
            return self.send_head(request, end).await;
        };
        let content_type = request.headers.get(header::CONTENT_TYPE);
        if !head::is_json(content_type) {
            return self.send_head(request, end).await;
        }
        if head::is_json_patch(content_type) || codings(&request.headers).is_none() {
            return Err(Refusal::RequestForm.into());
        }
        let announced = head::length(&request.headers);
        if announced.is_some_and(|length| length > orders.max_request) {
            return Err(Refusal::RequestTooLarge.into());
        }
        let expect = request.remove_header(&header::EXPECT);
        self.continue_due =
            expect.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
        let body = BytesMut::with_capacity(announced.unwrap_or(USUAL_BODY));
        self.request = Request::Held { head: request, body };
        Ok(())
    }

    async fn send_head(&mut self, mut request: Box<RequestHeader>, end: bool) -> Result<()> {
        match &mut self.inner {
            HttpSession::H1(session) => {
                head::to_http1(&mut request, !end)?;
                session.write_request_header(request).await?;
                if end {
                    session.finish_body().await?;
                }
            }
            HttpSession::H2(session) => {
                head::to_http2(&mut request, self.tls)?;
                // gRPC wants its end of stream on a frame of its own.
                let with_head = end && request.send_end_stream() != Some(false);
                session.write_request_header(request, with_head)?;
                if end && !with_head {
                    session.write_request_body(Bytes::new(), true).await?;
                }
            }
            HttpSession::Custom(()) => return Err(out_of_order()),
        }
        self.request = if end { Request::Done } else { Request::Streaming };
        Ok(())
    }

    /// Takes a piece of the body: sends it, or keeps it until the body is complete.
    pub(super) async fn pass_on(&mut self, piece: Piece) -> Result<()> {
        match (&mut self.request, piece) {
            (Request::Held { body, .. }, Piece::Data(data)) => {
                let limit = self.orders.as_ref().map_or(0, |orders| orders.max_request);
                if data.len() > limit.saturating_sub(body.len()) {
                    return Err(Refusal::RequestTooLarge.into());
                }
                body.extend_from_slice(&data);
            }
            (Request::Held { .. }, Piece::End) => return self.send_mapped().await,
            (Request::Streaming, piece) => self.send(piece).await,
            (Request::Waiting | Request::Done | Request::Broken(_), _) => {}
        }
        Ok(())
    }

    /// A failure is told by the reader, which may have an answer nevertheless.
    async fn send(&mut self, piece: Piece) {
        let sent = match piece {
            Piece::Data(data) => self.inner.write_request_body(data, false).await,
            Piece::End => self.inner.finish_request_body().await.map(|()| self.request = Request::Done),
        };
        if let Err(error) = sent {
            self.request = Request::Broken(error);
            self.pieces.close();
        }
    }

    async fn send_mapped(&mut self) -> Result<()> {
        let Request::Held { mut head, body } = std::mem::replace(&mut self.request, Request::Waiting) else {
            return Err(out_of_order());
        };
        let Some(orders) = &self.orders else { return Err(out_of_order()) };
        if body.is_empty() {
            head.insert_header(header::CONTENT_LENGTH, 0)?;
            return self.send_head(head, true).await;
        }
        let mapped = orders.timed(false, || map(&head, body.freeze(), orders))?;
        head::announce_request(&mut head, mapped.len(), orders)?;
        self.send_head(head, false).await?;
        self.send(Piece::Data(mapped)).await;
        if !matches!(self.request, Request::Broken(_)) {
            self.send(Piece::End).await;
        }
        Ok(())
    }

    /// The interim answer to a client that waits for it (RFC 9110 section 10.1.1): the
    /// backend, which would give it, has not been asked yet.
    pub(super) fn go_on(&mut self) -> Result<bool> {
        let due = std::mem::take(&mut self.continue_due);
        if due {
            self.head = Some(ResponseHeader::build(StatusCode::CONTINUE, Some(0))?);
        }
        Ok(due)
    }

    /// Whether the response to this request has no body, whatever its fields say.
    pub(super) fn is_head(&self) -> bool {
        self.method == Method::HEAD
    }
}

fn map(head: &RequestHeader, mut body: Bytes, orders: &Orders) -> Result<Bytes, Refusal> {
    for coding in codings(&head.headers).ok_or(Refusal::RequestForm)?.into_iter().rev() {
        body = match decode(coding, &body, orders.max_request) {
            Ok(decoded) => decoded.into(),
            Err(Undecoded::TooLarge) => return Err(Refusal::RequestTooLarge),
            Err(Undecoded::Broken) => return Err(Refusal::RequestForm),
        };
    }
    match &orders.request {
        Some(transform) => transform.apply(&body).map_err(Refusal::Request),
        None => Ok(body),
    }
}
