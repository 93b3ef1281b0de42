//! A scripted HTTP/1.1 origin on a raw socket that records what it was sent, byte for byte.

mod input;

use std::{
    fmt, io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

use self::input::Input;
use super::{Answer, ports::Port, wait_until};

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Which connection brought it, counted from 0.
    pub connection: usize,
    /// Everything up to and including the blank line.
    pub head: Vec<u8>,
    /// The method.
    pub method: String,
    /// The request target.
    pub target: String,
    /// The fields in their order, names as written.
    pub headers: Vec<(String, String)>,
    /// The body without its framing.
    pub body: Vec<u8>,
    /// The body as it came over the wire.
    pub raw_body: Vec<u8>,
}

impl Recorded {
    /// The value of a field that must be there at most once.
    pub fn header(&self, name: &str) -> Option<&str> {
        match self.header_values(name)[..] {
            [] => None,
            [value] => Some(value),
            ref values => panic!("`{name}` came {} times: {values:?}", values.len()),
        }
    }

    /// All values of a field, in their order.
    pub fn header_values(&self, name: &str) -> Vec<&str> {
        let same = |field: &&(String, String)| field.0.eq_ignore_ascii_case(name);
        self.headers.iter().filter(same).map(|(_, value)| value.as_str()).collect()
    }
}

type Script = Arc<dyn Fn(&Recorded) -> Answer + Send + Sync>;

/// The running origin. Dropping it closes everything.
pub struct Origin {
    port: Port,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    script: RwLock<Script>,
    log: Mutex<Log>,
}

#[derive(Default)]
struct Log {
    requests: Vec<Recorded>,
    /// Requests whose head has come, whole or not.
    begun: usize,
    /// Every byte, by connection.
    received: Vec<Vec<u8>>,
}

impl Origin {
    /// An origin that answers by the script.
    pub async fn start(script: impl Fn(&Recorded) -> Answer + Send + Sync + 'static) -> Self {
        let shared = Arc::new(Shared { script: RwLock::new(Arc::new(script)), log: Mutex::default() });
        let mut origin = Self { port: Port::free(), shared, accepting: None };
        origin.revive().await;
        origin
    }

    /// An origin that answers 200 with this text, whatever it is asked.
    pub async fn saying(text: &'static str) -> Self {
        Self::start(move |_| Answer::ok(text)).await
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// Answers by another script from the next request on.
    pub fn script(&self, script: impl Fn(&Recorded) -> Answer + Send + Sync + 'static) {
        *self.shared.script.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(script);
    }

    /// Closes the listener and every connection, as when the process dies.
    pub async fn kill(&mut self) {
        if let Some(task) = self.accepting.take() {
            task.abort();
            // Ends with "cancelled"; once it has, the sockets are closed.
            let _ = task.await;
        }
    }

    /// Listens again on the same port.
    pub async fn revive(&mut self) {
        assert!(self.accepting.is_none(), "the origin is alive");
        let listener = TcpListener::bind(self.address()).await.unwrap();
        let shared = Arc::clone(&self.shared);
        self.accepting = Some(tokio::spawn(async move {
            // Owns the connections: when this task is aborted they are closed with it.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let number = shared.open_connection();
                let shared = Arc::clone(&shared);
                connections.spawn(async move {
                    // A connection that the proxy breaks off is part of many stories.
                    let _ = serve(stream, number, &shared).await;
                });
            }
        }));
    }

    /// The whole requests so far.
    pub fn requests(&self) -> Vec<Recorded> {
        self.shared.log().requests.clone()
    }

    /// The only request so far.
    pub fn only_request(&self) -> Recorded {
        let mut requests = self.requests();
        assert_eq!(requests.len(), 1, "requests: {requests:#?}");
        requests.remove(0)
    }

    /// The targets of the requests so far.
    pub fn targets(&self) -> Vec<String> {
        self.shared.log().requests.iter().map(|request| request.target.clone()).collect()
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> usize {
        self.shared.log().received.len()
    }

    /// Every byte received so far, by connection.
    pub fn received(&self) -> Vec<Vec<u8>> {
        self.shared.log().received.clone()
    }

    /// Waits until this many requests have begun: their heads are here, their bodies may not be.
    pub async fn wait_begun(&self, count: usize) {
        wait_until("requests at the origin", async || self.shared.log().begun >= count).await;
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address().fmt(f)
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        if let Some(task) = &self.accepting {
            task.abort();
        }
    }
}

impl Shared {
    fn log(&self) -> std::sync::MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open_connection(&self) -> usize {
        let mut log = self.log();
        log.received.push(Vec::new());
        log.received.len() - 1
    }

    fn answer(&self, request: &Recorded) -> Answer {
        let script = Arc::clone(&self.script.read().unwrap_or_else(PoisonError::into_inner));
        script(request)
    }
}

async fn serve(mut stream: TcpStream, number: usize, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut input = Input { number, buffer: Vec::new() };
    while let Some(mut request) = input.head(&mut stream, shared).await? {
        shared.log().begun += 1;
        if request.header_values("expect").contains(&"100-continue") {
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        input.body(&mut stream, shared, &mut request).await?;
        shared.log().requests.push(request.clone());
        if !shared.answer(&request).play(&mut stream, request.method == "HEAD").await? {
            return Ok(());
        }
    }
    Ok(())
}
