//! Where Redis is, and how to get a connection to it.

use std::{fs, time::Duration};

use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo,
    RedisConnectionInfo, RedisError, RedisResult, TlsCertificates, Value,
    aio::{MultiplexedConnection, PubSub},
    cluster::{ClusterClient, ClusterClientBuilder},
    cluster_async::ClusterConnection,
    cluster_routing::{RoutingInfo, SingleNodeRoutingInfo},
};
use tokio::time::timeout;

use crate::config::{finding::Problem, redis::RedisServerConfig, values::Secret};

/// How often the crate itself tries a command of a cluster again, after a redirection.
const CLUSTER_RETRIES: u32 = 3;

/// A connection that many may use at once. Cheap to clone.
#[derive(Clone)]
pub enum Connection {
    /// To one server.
    Single(MultiplexedConnection),
    /// To all nodes of a cluster.
    Cluster(ClusterConnection),
}

impl Connection {
    /// Sends a command and waits for its answer; the caller sets the time.
    pub async fn query(&self, command: &Cmd) -> RedisResult<Value> {
        match self {
            Self::Single(connection) => command.query_async(&mut connection.clone()).await,
            Self::Cluster(connection) => command.query_async(&mut connection.clone()).await,
        }
    }

    /// Whether anybody answers.
    pub async fn ping(&self) -> RedisResult<()> {
        let ping = redis::cmd("PING");
        match self {
            Self::Single(connection) => ping.exec_async(&mut connection.clone()).await,
            Self::Cluster(connection) => {
                let any = RoutingInfo::SingleNode(SingleNodeRoutingInfo::Random);
                connection.clone().route_command(ping, any).await.map(drop)
            }
        }
    }
}

/// Where Redis is.
pub struct Target {
    place: Place,
    connect_timeout: Duration,
}

enum Place {
    Server(Client),
    Cluster { client: Box<ClusterClient>, seeds: Vec<Client> },
    Sentinel { sentinels: Vec<Client>, name: String, master: Master },
}

/// How to talk to the master that the sentinels name.
struct Master {
    settings: RedisConnectionInfo,
    tls: bool,
    certificates: Option<TlsCertificates>,
}

impl Target {
    /// Reads the authority's certificate; connects to nothing.
    ///
    /// # Errors
    /// What [`RedisServerConfig::problems`] finds, or a certificate that cannot be read.
    pub fn new(config: &RedisServerConfig) -> Result<Self, Problem> {
        if let Some(problem) = config.problems().into_iter().next() {
            return Err(problem);
        }
        // The crate takes the provider of the process; there may be none yet, or it is this one.
        drop(rustls::crypto::ring::default_provider().install_default());
        let certificates = certificates(config)?;
        let client = |url: &Secret, settings: bool| {
            let mut info = url.expose().into_connection_info()?;
            if settings {
                let given = given_settings(config, info.redis_settings().clone());
                info = info.set_redis_settings(given);
            }
            open(info, certificates.as_ref())
        };
        let refused = |path: &str| {
            let path = path.to_owned();
            // The error is not shown: it may hold the URL and with it the password.
            move |_: RedisError| Problem::new(path, "is not the address of a Redis server")
        };
        let place = if let Some(url) = &config.url {
            Place::Server(client(url, true).map_err(refused("url"))?)
        } else if let Some(sentinel) = &config.sentinel {
            let sentinels = sentinel.nodes.iter().map(|url| client(url, false));
            Place::Sentinel {
                sentinels: sentinels.collect::<RedisResult<_>>().map_err(refused("sentinel.nodes"))?,
                name: sentinel.master.clone(),
                master: Master {
                    settings: given_settings(config, RedisConnectionInfo::default()),
                    tls: sentinel.tls,
                    certificates,
                },
            }
        } else {
            let seeds = config.cluster.iter().map(|url| client(url, true)).collect::<RedisResult<Vec<_>>>();
            let seeds = seeds.map_err(refused("cluster"))?;
            let client = cluster(config, &seeds, certificates).map_err(refused("cluster"))?;
            Place::Cluster { client: Box::new(client), seeds }
        };
        Ok(Self { place, connect_timeout: config.connect_timeout.get() })
    }

    /// Longest time for getting a connection, or an answer that no request waits for.
    pub fn patience(&self) -> Duration {
        self.connect_timeout
    }

    /// A connection that has answered. `attempt` spreads the tries over what is listed.
    pub async fn connect(&self, attempt: usize) -> RedisResult<Connection> {
        let connect = async {
            let connection = match &self.place {
                Place::Server(client) => Connection::Single(self.multiplexed(client).await?),
                Place::Cluster { client, .. } => Connection::Cluster(client.get_async_connection().await?),
                Place::Sentinel { .. } => {
                    let client = self.server(attempt).await?;
                    Connection::Single(self.multiplexed(&client).await?)
                }
            };
            connection.ping().await?;
            Ok(connection)
        };
        timeout(self.connect_timeout, connect).await.map_err(too_late)?
    }

    /// A connection of its own that listens to `channel`. Any node of a cluster will do.
    pub async fn listen(&self, channel: &str, attempt: usize) -> RedisResult<PubSub> {
        let listen = async {
            let mut listener = self.server(attempt).await?.get_async_pubsub().await?;
            listener.subscribe(channel).await?;
            Ok(listener)
        };
        timeout(self.connect_timeout, listen).await.map_err(too_late)?
    }

    /// One server that has all we need: the only one, a node of the cluster, the master.
    async fn server(&self, attempt: usize) -> RedisResult<Client> {
        let nth = |clients: &[Client]| clients.get(attempt % clients.len().max(1)).cloned();
        match &self.place {
            Place::Server(client) => Ok(client.clone()),
            Place::Cluster { seeds, .. } => nth(seeds).ok_or_else(nobody),
            Place::Sentinel { sentinels, name, master } => {
                let sentinel = nth(sentinels).ok_or_else(nobody)?;
                let mut connection = self.multiplexed(&sentinel).await?;
                let ask = redis::cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(name).to_owned();
                let address: Option<(String, u16)> = ask.query_async(&mut connection).await?;
                let (host, port) = address.ok_or_else(nobody)?;
                master.client(host, port)
            }
        }
    }

    async fn multiplexed(&self, client: &Client) -> RedisResult<MultiplexedConnection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.connect_timeout))
            // Everybody who asks has a time of their own.
            .set_response_timeout(None);
        client.get_multiplexed_async_connection_with_config(&config).await
    }
}

impl Master {
    fn client(&self, host: String, port: u16) -> RedisResult<Client> {
        let address = if self.tls {
            ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
        } else {
            ConnectionAddr::Tcp(host, port)
        };
        let info = address.into_connection_info()?.set_redis_settings(self.settings.clone());
        open(info, self.certificates.as_ref())
    }
}

fn open(info: ConnectionInfo, certificates: Option<&TlsCertificates>) -> RedisResult<Client> {
    match (info.addr(), certificates) {
        (ConnectionAddr::TcpTls { .. }, Some(certificates)) => {
            Client::build_with_tls(info, certificates.clone())
        }
        _ => Client::open(info),
    }
}

fn cluster(
    config: &RedisServerConfig,
    seeds: &[Client],
    certificates: Option<TlsCertificates>,
) -> RedisResult<ClusterClient> {
    let infos = seeds.iter().map(|seed| seed.get_connection_info().clone());
    let builder = ClusterClientBuilder::new(infos)
        .retries(CLUSTER_RETRIES)
        .connection_timeout(config.connect_timeout.get())
        .response_timeout(config.connect_timeout.get());
    match certificates {
        Some(certificates) => builder.certs(certificates).build(),
        None => builder.build(),
    }
}

/// What stands beside the URL counts more than what stands in it.
fn given_settings(config: &RedisServerConfig, mut settings: RedisConnectionInfo) -> RedisConnectionInfo {
    if let Some(username) = &config.username {
        settings = settings.set_username(username);
    }
    if let Some(password) = &config.password {
        settings = settings.set_password(password.expose());
    }
    if let Some(database) = config.database {
        settings = settings.set_db(i64::from(database));
    }
    settings
}

fn certificates(config: &RedisServerConfig) -> Result<Option<TlsCertificates>, Problem> {
    let Some(file) = &config.tls.ca else { return Ok(None) };
    let pem = fs::read(file)
        .map_err(|error| Problem::new("tls.ca", format!("cannot read `{}`: {error}", file.display())))?;
    Ok(Some(TlsCertificates { client_tls: None, root_cert: Some(pem) }))
}

fn too_late(_: tokio::time::error::Elapsed) -> RedisError {
    RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut))
}

fn nobody() -> RedisError {
    RedisError::from((ErrorKind::MasterNameNotFoundBySentinel, "nobody knows where the server is"))
}
