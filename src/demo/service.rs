//! One embedded service on Pingora: a resource behind a socket of its own.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::{HeaderName, Response, StatusCode, header::EXPECT};
use pingora_core::{
    apps::http_app::{HttpServer, ServeHttp},
    protocols::http::ServerSession,
    services::listening::Service,
};

use super::{
    latency::{self, Latency},
    message::{Reply, Request},
    refusal::Refusal,
    resource::Resource,
    sockets::{Listening, Socket},
    store::Store,
};

/// Bytes of a request's body that are read; a longer one is a 413.
const MAX_BODY: usize = 64 * 1024;

/// A resource as one named service answers it.
pub struct App {
    name: &'static str,
    resource: Resource,
    store: Arc<Store>,
    latency: Latency,
}

impl App {
    /// A service of a name; several may share a resource and a store.
    pub fn new(name: &'static str, resource: Resource, store: Arc<Store>, latency: Latency) -> Self {
        Self { name, resource, store, latency }
    }

    /// The same app as a Pingora service that listens on a socket.
    pub fn listen(self, socket: Socket) -> Listening<Service<HttpServer<Self>>> {
        let mut service = Service::new(format!("demo {}", self.name), HttpServer::new_app(self));
        service.add_tcp(&socket.address.to_string());
        // One thread carries thousands of requests that mostly wait.
        service.threads = Some(1);
        Listening::new(service, socket)
    }

    /// What this service answers, after the time it takes.
    async fn reply(&self, request: &Request) -> Result<Reply, Refusal> {
        tokio::time::sleep(self.latency.of(request)?).await;
        latency::failure(self.name, request)?;
        Ok(self.resource.answer(&self.store, request))
    }
}

#[async_trait]
impl ServeHttp for App {
    async fn response(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        let head = session.req_header();
        let mut request = Request {
            method: head.method.clone(),
            path: head.uri.path().to_owned(),
            query: head.uri.query().map(str::to_owned),
            headers: head.headers.clone(),
            body: Bytes::new(),
        };
        let reply = match read_body(session).await {
            Ok(body) => {
                request.body = body;
                self.reply(&request).await.unwrap_or_else(Reply::from)
            }
            Err(refusal) => {
                // What is left of the body must not be taken for the next request.
                session.set_keepalive(None);
                refusal.into()
            }
        };
        reply.text(HeaderName::from_static("x-served-by"), self.name).answer(&request)
    }
}

/// The whole body, if it is not too long.
async fn read_body(session: &mut ServerSession) -> Result<Bytes, Refusal> {
    let broken = |_| Refusal::new(StatusCode::BAD_REQUEST, "the body broke off");
    if session.get_header(EXPECT).is_some() {
        session.write_continue_response().await.map_err(broken)?;
    }
    let mut body = BytesMut::new();
    while let Some(piece) = session.read_request_body().await.map_err(broken)? {
        if body.len() + piece.len() > MAX_BODY {
            let detail = format!("a body has at most {MAX_BODY} bytes here");
            return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, detail));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.freeze())
}

#[cfg(test)]
mod tests;
