//! The way of a response: passed on as it comes, or read whole and mapped.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use pingora_core::{Error, ErrorType, Result, protocols::http::client::HttpSession};
use pingora_http::ResponseHeader;

use super::{
    coding::{Undecoded, codings, decode},
    head,
    orders::{Orders, Refusal, is_bodyless},
    request::Request,
    session::{Exchange, out_of_order},
};
use crate::config::mapping::{OnError, OnOversize};

/// Where the response is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Response {
    /// The final head is not there.
    Waiting,
    /// What has been read of the body is still to be shown; the rest comes as it is read.
    Streaming(VecDeque<Bytes>),
    /// The backend has sent all; this is still to be shown.
    Whole(Bytes),
    /// All has been shown.
    Done,
}

/// What becomes of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Treatment {
    /// It passes.
    Pass,
    /// It passes under a tag of the client's version.
    Tag,
    /// It has no body, but the fields of one.
    Announce,
    /// Its body is mapped.
    Map,
}

impl Exchange {
    /// Reads a head, interim or final.
    pub(super) async fn read_head(&mut self) -> Result<()> {
        if self.go_on()? {
            return Ok(());
        }
        let read = loop {
            tokio::select! {
                biased;
                piece = self.pieces.next(), if self.request.is_open() => match piece {
                    Some(piece) => self.pass_on(piece).await?,
                    // Pingora has given up on the request.
                    None => return Err(out_of_order()),
                },
                read = self.inner.read_response_header(), if self.request.is_sent() => break read,
                else => return Err(out_of_order()),
            }
        };
        self.answered(read)?;
        let head = self.inner.response_header().cloned().ok_or_else(out_of_order)?;
        if head.status.is_informational() {
            self.head = Some(head);
            return Ok(());
        }
        self.treat(head).await?;
        self.pieces.hurry();
        Ok(())
    }

    /// What a broken request is told for, if the response does not tell.
    fn answered<T>(&mut self, read: Result<T>) -> Result<T> {
        match (read, &mut self.request) {
            (Err(_), Request::Broken(cause)) => {
                let told = Error::new(ErrorType::InternalError);
                Err(std::mem::replace(cause, told))
            }
            (read, _) => read,
        }
    }

    async fn treat(&mut self, mut head: ResponseHeader) -> Result<()> {
        self.response = Response::Streaming(VecDeque::new());
        let treatment = self.treatment(&head);
        let Some(orders) = &self.orders else {
            self.head = Some(head);
            return Ok(());
        };
        match treatment {
            Treatment::Pass => {}
            Treatment::Tag => head::tag(&mut head, orders, false)?,
            Treatment::Announce => head::announce_response(&mut head, None, orders)?,
            Treatment::Map => self.map_response(&mut head).await?,
        }
        self.head = Some(head);
        Ok(())
    }

    fn treatment(&self, head: &ResponseHeader) -> Treatment {
        let Some(orders) = self.orders.as_ref().filter(|orders| orders.response.is_some()) else {
            return Treatment::Pass;
        };
        let is_json = head::is_json(head.headers.get(header::CONTENT_TYPE));
        if head.status == http::StatusCode::NOT_MODIFIED {
            return Treatment::Announce;
        }
        match (orders.cover(head.status), is_json) {
            (false, _) => Treatment::Pass,
            (true, false) => Treatment::Tag,
            (true, true) if self.is_head() || is_bodyless(&self.method, head.status) => Treatment::Announce,
            (true, true) => Treatment::Map,
        }
    }

    async fn map_response(&mut self, head: &mut ResponseHeader) -> Result<()> {
        let Some(orders) = self.orders.clone() else { return Ok(()) };
        let body = match self.read_whole(head, &orders).await? {
            Read::All(body) if body.is_empty() => {
                self.response = Response::Whole(body);
                return Ok(());
            }
            Read::All(body) => body,
            Read::TooMuch(pieces) => {
                self.response = Response::Streaming(pieces);
                return oversize(&orders);
            }
        };
        match orders.timed(true, || map(head, body.clone(), &orders)) {
            Ok(mapped) => {
                head::announce_response(head, Some(mapped.len()), &orders)?;
                self.response = Response::Whole(mapped);
                self.trailers_pass = false;
                // Whatever they say is about other bytes.
                if let HttpSession::H2(session) = &mut self.inner {
                    session.read_trailers().await?;
                }
                Ok(())
            }
            Err(refusal) => {
                self.response = Response::Whole(body);
                match (refusal, orders.on_error) {
                    (Refusal::ResponseTooLarge, _) => oversize(&orders),
                    (_, OnError::Pass) => Ok(()),
                    (refusal, OnError::Fail) => Err(refusal.into()),
                }
            }
        }
    }

    /// Reads the body as far as the limit goes.
    async fn read_whole(&mut self, head: &ResponseHeader, orders: &Orders) -> Result<Read> {
        let limit = orders.max_response;
        let announced = head::length(&head.headers);
        if announced.is_some_and(|length| length > limit) {
            return Ok(Read::TooMuch(VecDeque::new()));
        }
        let mut pieces: VecDeque<Bytes> = VecDeque::new();
        let mut length = 0_usize;
        while let Some(piece) = self.read_inner().await? {
            if let Some(progress) = &orders.progress {
                progress();
            }
            length = length.saturating_add(piece.len());
            pieces.push_back(piece);
            if length > limit {
                return Ok(Read::TooMuch(pieces));
            }
        }
        if let (Some(_), 1) = (pieces.front(), pieces.len()) {
            return Ok(Read::All(pieces.pop_front().unwrap_or_default()));
        }
        let mut body = BytesMut::with_capacity(length);
        pieces.iter().for_each(|piece| body.extend_from_slice(piece));
        Ok(Read::All(body.freeze()))
    }

    /// Reads a piece of the backend's body; sends what there is of the request meanwhile.
    async fn read_inner(&mut self) -> Result<Option<Bytes>> {
        if self.inner_ended()? {
            return Ok(None);
        }
        loop {
            tokio::select! {
                biased;
                piece = self.pieces.next(), if self.request.is_open() => match piece {
                    Some(piece) => self.pass_on(piece).await?,
                    None => return Err(out_of_order()),
                },
                read = self.inner.read_response_body() => return self.answered(read),
            }
        }
    }

    /// Whether the backend has sent all of the body.
    fn inner_ended(&mut self) -> Result<bool> {
        match &mut self.inner {
            HttpSession::H1(session) => Ok(session.is_body_done()),
            HttpSession::H2(session) => session.check_response_end_or_error(),
            HttpSession::Custom(()) => Err(out_of_order()),
        }
    }

    /// The next piece for the client. `None` after the last.
    pub(super) async fn read_body(&mut self) -> Result<Option<Bytes>> {
        match &mut self.response {
            Response::Waiting => Err(out_of_order()),
            Response::Whole(body) => {
                let body = std::mem::take(body);
                self.end();
                Ok(Some(body).filter(|body| !body.is_empty()))
            }
            Response::Streaming(pieces) => {
                if let Some(piece) = pieces.pop_front() {
                    return Ok(Some(piece));
                }
                let piece = self.read_inner().await?;
                if piece.is_none() {
                    self.end();
                }
                Ok(piece)
            }
            Response::Done => Ok(None),
        }
    }

    /// Whether nothing of the body is left to be shown.
    pub(super) fn has_ended(&mut self) -> Result<bool> {
        let ended = match &self.response {
            Response::Waiting => false,
            Response::Whole(body) => body.is_empty(),
            Response::Streaming(pieces) => pieces.is_empty() && self.inner_ended()?,
            Response::Done => true,
        };
        if ended {
            self.end();
        }
        Ok(ended)
    }

    /// From here on nobody reads, so nobody sends.
    fn end(&mut self) {
        self.response = Response::Done;
        self.pieces.close();
    }

    /// Fields behind the body, unless it was mapped.
    pub(super) async fn trailers(&mut self) -> Result<Option<HeaderMap>> {
        match &mut self.inner {
            HttpSession::H2(session) if self.trailers_pass => session.read_trailers().await,
            _ => Ok(None),
        }
    }
}

/// A body, as far as the limit goes.
enum Read {
    All(Bytes),
    TooMuch(VecDeque<Bytes>),
}

fn oversize(orders: &Orders) -> Result<()> {
    match orders.on_oversize {
        OnOversize::Pass => Ok(()),
        OnOversize::Refuse => Err(Refusal::ResponseTooLarge.into()),
    }
}

fn map(head: &ResponseHeader, mut body: Bytes, orders: &Orders) -> Result<Bytes, Refusal> {
    if head::is_part(head) {
        return Err(Refusal::ResponsePart);
    }
    for coding in codings(&head.headers).ok_or(Refusal::ResponseCoding)?.into_iter().rev() {
        body = match decode(coding, &body, orders.max_response) {
            Ok(decoded) => decoded.into(),
            Err(Undecoded::TooLarge) => return Err(Refusal::ResponseTooLarge),
            Err(Undecoded::Broken) => return Err(Refusal::ResponseCoding),
        };
    }
    match &orders.response {
        Some(transform) => transform.apply(&body).map_err(Refusal::Response),
        None => Ok(body),
    }
}
