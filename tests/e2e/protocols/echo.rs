//! A gRPC service and its client, with messages written by hand so that no `protoc` is needed.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};

use futures::{FutureExt, Stream, StreamExt, future::BoxFuture, stream};
use http::uri::PathAndQuery;
use tokio::sync::mpsc;
use tonic::{
    Request, Response, Status, Streaming,
    body::Body,
    client::Grpc,
    codegen::Service,
    server::{NamedService, StreamingService, UnaryService},
    transport::{Channel, Server},
};
use tonic_prost::ProstCodec;

use crate::harness::{ports::Port, wait::in_time, wait_until};

/// The one message of the service.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Text {
    /// What is echoed; `fail` ends the call with a status instead.
    #[prost(string, tag = "1")]
    pub text: String,
}

impl Text {
    /// A message.
    pub fn new(text: &str) -> Self {
        Self { text: text.to_owned() }
    }

    fn echo(self) -> Result<Self, Status> {
        match self.text.as_str() {
            "fail" => Err(Status::resource_exhausted("as asked")),
            _ => Ok(self),
        }
    }
}

const SAY: &str = "/story.Echo/Say";
const CHAT: &str = "/story.Echo/Chat";

type Codec = ProstCodec<Text, Text>;
type Texts = Pin<Box<dyn Stream<Item = Result<Text, Status>> + Send>>;

/// The service.
#[derive(Clone)]
pub struct Echo;

impl Echo {
    /// Serves until the test ends.
    pub async fn serve() -> SocketAddr {
        let port = Port::free();
        let address = port.address();
        tokio::spawn(async move {
            // The port is claimed for as long as the service runs.
            let _port = port;
            Server::builder().add_service(Echo).serve(address).await.unwrap();
        });
        wait_until("the gRPC origin", async || tokio::net::TcpStream::connect(address).await.is_ok()).await;
        address
    }
}

impl NamedService for Echo {
    const NAME: &'static str = "story.Echo";
}

impl Service<http::Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        async move {
            let mut grpc = tonic::server::Grpc::new(Codec::default());
            Ok(match request.uri().path() {
                SAY => grpc.unary(Say, request).await,
                CHAT => grpc.streaming(Chat, request).await,
                _ => Status::unimplemented("no such method").into_http(),
            })
        }
        .boxed()
    }
}

struct Say;

impl UnaryService<Text> for Say {
    type Response = Text;
    type Future = BoxFuture<'static, Result<Response<Text>, Status>>;

    fn call(&mut self, request: Request<Text>) -> Self::Future {
        async move {
            let mut response = Response::new(request.into_inner().echo()?);
            response.metadata_mut().insert("x-from", "origin".parse().unwrap());
            Ok(response)
        }
        .boxed()
    }
}

struct Chat;

impl StreamingService<Text> for Chat {
    type Response = Text;
    type ResponseStream = Texts;
    type Future = BoxFuture<'static, Result<Response<Texts>, Status>>;

    fn call(&mut self, request: Request<Streaming<Text>>) -> Self::Future {
        let echoed = request.into_inner().map(|message| message.and_then(Text::echo));
        async move { Ok(Response::new(echoed.boxed())) }.boxed()
    }
}

/// The client.
pub struct Client(Grpc<Channel>);

impl Client {
    /// Connects in plain text by prior knowledge.
    pub async fn connect(to: SocketAddr) -> Self {
        let channel = Channel::from_shared(format!("http://{to}")).unwrap();
        Self(Grpc::new(in_time("a gRPC connection", channel.connect()).await.unwrap()))
    }

    /// One message there and one back.
    pub async fn say(&mut self, text: &str) -> Result<Response<Text>, Status> {
        self.unary(SAY, text).await
    }

    /// A method that the service does not have.
    pub async fn unknown(&mut self) -> Result<Response<Text>, Status> {
        self.unary("/story.Echo/Unknown", "").await
    }

    /// Messages both ways at once.
    pub async fn chat(&mut self) -> Result<(mpsc::Sender<Text>, Streaming<Text>), Status> {
        let (sender, receiver) = mpsc::channel(1);
        let messages = stream::unfold(receiver, async |mut receiver: mpsc::Receiver<Text>| {
            receiver.recv().await.map(|text| (text, receiver))
        });
        self.ready().await;
        let request = Request::new(messages);
        let call = self.0.streaming(request, PathAndQuery::from_static(CHAT), Codec::default());
        Ok((sender, in_time("the call", call).await?.into_inner()))
    }

    async fn unary(&mut self, method: &'static str, text: &str) -> Result<Response<Text>, Status> {
        self.ready().await;
        let request = Request::new(Text::new(text));
        let call = self.0.unary(request, PathAndQuery::from_static(method), Codec::default());
        in_time("the answer", call).await
    }

    async fn ready(&mut self) {
        in_time("the channel", self.0.ready()).await.unwrap();
    }
}
