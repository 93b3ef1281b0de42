//! A well-behaved client: HTTP/1.1 or HTTP/2, plain or TLS, one connection a request.

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{ClientConfig, pki_types::ServerName},
};

use super::wait::in_time;

/// How to reach a server. Nothing is kept between requests.
#[derive(Clone)]
pub struct Client {
    address: SocketAddr,
    http2: bool,
    tls: Option<(Arc<ClientConfig>, String)>,
    ahead: Vec<u8>,
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The fields.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// The fields after the body.
    pub trailers: HeaderMap,
}

impl Response {
    /// The value of a field that must be there at most once.
    pub fn header(&self, name: &str) -> Option<&str> {
        let values: Vec<_> = self.headers.get_all(name).iter().collect();
        assert!(values.len() <= 1, "`{name}` came more than once: {values:?}");
        values.first().map(|value| value.to_str().unwrap())
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("not JSON ({e}): {self:?}"))
    }
}

impl Client {
    /// HTTP/1.1 in plain text.
    pub fn new(address: SocketAddr) -> Self {
        Self { address, http2: false, tls: None, ahead: Vec::new() }
    }

    /// The same with HTTP/2.
    #[must_use]
    pub fn http2(mut self) -> Self {
        self.http2 = true;
        self
    }

    /// The same over TLS, asking for this server name.
    #[must_use]
    pub fn tls(mut self, config: Arc<ClientConfig>, name: &str) -> Self {
        self.tls = Some((config, name.to_owned()));
        self
    }

    /// Sends these bytes ahead of everything else on a connection, as a load balancer does.
    #[must_use]
    pub fn ahead(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.ahead = bytes.into();
        self
    }

    /// A GET.
    pub fn get(&self, path: &str) -> RequestBuilder<'_> {
        self.request(Method::GET, path)
    }

    /// A POST.
    pub fn post(&self, path: &str, body: impl Into<Bytes>) -> RequestBuilder<'_> {
        let mut request = self.request(Method::POST, path);
        request.body = body.into();
        request
    }

    /// Any method.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder<'_> {
        let host = match &self.tls {
            Some((_, name)) => name.clone(),
            None => self.address.to_string(),
        };
        let path = path.to_owned();
        RequestBuilder { client: self, method, path, host, headers: HeaderMap::new(), body: Bytes::new() }
    }

    async fn connect(&self) -> std::io::Result<TcpStream> {
        let mut stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        stream.write_all(&self.ahead).await?;
        Ok(stream)
    }

    /// Only the handshake: the TLS stream, or why there is none.
    pub async fn handshake(&self) -> std::io::Result<TlsStream<TcpStream>> {
        let (config, name) = self.tls.clone().expect("a client with TLS");
        let stream = self.connect().await?;
        let name = ServerName::try_from(name).map_err(std::io::Error::other)?;
        in_time("the handshake", TlsConnector::from(config).connect(name, stream)).await
    }
}

/// A request in the making.
pub struct RequestBuilder<'a> {
    client: &'a Client,
    method: Method,
    path: String,
    host: String,
    headers: HeaderMap,
    body: Bytes,
}

/// Why there is no answer.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

impl RequestBuilder<'_> {
    /// Adds a field.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers
            .append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
        self
    }

    /// What is sent.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Asks for another host than the address.
    pub fn host(mut self, host: &str) -> Self {
        host.clone_into(&mut self.host);
        self
    }

    /// Sends it and reads the whole answer.
    pub async fn send(self) -> Response {
        let what = format!("{} {}", self.method, self.path);
        self.try_send().await.unwrap_or_else(|error| panic!("{what}: {error:?}"))
    }

    /// The same for a story in which there may be no answer.
    pub async fn try_send(self) -> Result<Response, Failure> {
        in_time("an answer", async {
            if self.client.tls.is_some() {
                let stream = self.client.handshake().await?;
                self.exchange(stream).await
            } else {
                let stream = self.client.connect().await?;
                self.exchange(stream).await
            }
        })
        .await
    }

    async fn exchange<S>(self, stream: S) -> Result<Response, Failure>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let io = TokioIo::new(stream);
        let (response, driver) = if self.client.http2 {
            let scheme = if self.client.tls.is_some() { "https" } else { "http" };
            let uri = format!("{scheme}://{}{}", self.host, self.path);
            let (mut sender, connection) =
                hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await?;
            let driver = tokio::spawn(async move { connection.await.map_err(Failure::from) });
            (sender.send_request(self.into_request(&uri, false)?).await?, driver)
        } else {
            let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await?;
            let driver = tokio::spawn(async move { connection.await.map_err(Failure::from) });
            let path = self.path.clone();
            (sender.send_request(self.into_request(&path, true)?).await?, driver)
        };
        let (parts, body) = response.into_parts();
        let body = body.collect().await?;
        driver.abort();
        let trailers = body.trailers().cloned().unwrap_or_default();
        let (status, headers) = (parts.status.as_u16(), parts.headers);
        Ok(Response { status, headers, body: body.to_bytes(), trailers })
    }

    fn into_request(self, uri: &str, with_host: bool) -> Result<Request<Full<Bytes>>, Failure> {
        let mut request = Request::builder().method(self.method).uri(uri).body(Full::new(self.body))?;
        *request.headers_mut() = self.headers;
        if with_host {
            request.headers_mut().insert(http::header::HOST, HeaderValue::from_str(&self.host)?);
        }
        Ok(request)
    }
}
