//! Connections: how they are made, and when one is given up.
//!
//! The pool asks of each connection only whether it has been given up, which is a look at a number and not a round trip:
//! a PING for each question would halve what Redis can take.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bb8_redis::redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo, Pipeline,
    RedisConnectionInfo, RedisError, RedisFuture, ServerErrorKind, TlsCertificates, TlsMode, Value,
    aio::{ConnectionLike, MultiplexedConnection},
    cluster::{ClusterClient, ClusterConfig},
    cluster_async::ClusterConnection,
    sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType},
};
use secrecy::ExposeSecret;
use tokio::{sync::Mutex, time::timeout};

use crate::config::{RedisDeployment, RedisUrl};

/// How long making a connection may take. Nobody waits for it, since a question waits for the pool no longer than its
/// own bound; a connection that comes later is used by the next. Much less would let four TLS handshakes on a busy
/// machine starve each other for ever; much more would have an attempt at a host that was away outlast its absence.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// The same for Sentinel and Cluster, where several servers may have to be asked in turn.
const DISCOVER_WITHIN: Duration = Duration::from_secs(5);
/// Questions without an answer, in a row, after which a connection is given up: its other end may be gone without a
/// word.
const SILENT_FOR: u32 = 3;
/// Beyond any count of unanswered questions.
const BROKEN: u32 = u32::MAX / 2;

/// One connection, shared by whoever asks; cheap to clone.
#[derive(Clone)]
pub(super) struct RedisConnection {
    link: Link,
    unanswered: Arc<AtomicU32>,
}

#[derive(Clone)]
enum Link {
    Server(MultiplexedConnection),
    Cluster(ClusterConnection),
}

/// Makes connections.
#[derive(Clone)]
pub(super) enum Connector {
    Server(Arc<Client>),
    /// The client that worked last comes first: the password of the servers is also tried with the Sentinels.
    Sentinel(Arc<Mutex<Vec<SentinelClient>>>),
    Cluster(Arc<ClusterClient>),
}

impl Connector {
    /// A client for the address. Opens no connection.
    pub(super) fn new(url: &RedisUrl, ca_pem: Option<Vec<u8>>) -> Result<Self, RedisError> {
        let certificates = ca_pem.map(|pem| TlsCertificates { client_tls: None, root_cert: Some(pem) });
        match &url.deployment {
            RedisDeployment::Server { database } => {
                let server = node(url, address(url).next(), *database)?;
                Ok(Self::Server(Arc::new(match certificates {
                    Some(certificates) => Client::build_with_tls(server, certificates)?,
                    None => Client::open(server)?,
                })))
            }
            RedisDeployment::Cluster => {
                let nodes: Result<Vec<_>, _> = address(url).map(|address| node(url, Some(address), 0)).collect();
                let mut builder = ClusterClient::builder(nodes?);
                if let Some(certificates) = certificates {
                    builder = builder.certs(certificates);
                }
                Ok(Self::Cluster(Arc::new(builder.build()?)))
            }
            RedisDeployment::Sentinel { service, database } => {
                let client = |sentinels_have_password: bool| {
                    let mut builder =
                        SentinelClientBuilder::new(address(url), service.clone(), SentinelServerType::Master)?
                            .set_client_to_redis_db(*database);
                    if let Some(password) = url.password.as_ref().filter(|_| sentinels_have_password) {
                        builder = builder.set_client_to_sentinel_password(password.expose_secret());
                        if let Some(user) = &url.user {
                            builder = builder.set_client_to_sentinel_username(user.clone());
                        }
                    }
                    if let Some(user) = &url.user {
                        builder = builder.set_client_to_redis_username(user.clone());
                    }
                    if let Some(password) = &url.password {
                        builder = builder.set_client_to_redis_password(password.expose_secret());
                    }
                    if url.tls {
                        builder = builder.set_client_to_redis_tls_mode(TlsMode::Secure);
                        if let Some(certificates) = &certificates {
                            builder = builder
                                .set_client_to_redis_certificates(certificates.clone())
                                .set_client_to_sentinel_certificates(certificates.clone());
                        }
                    }
                    builder.build()
                };
                let mut clients = vec![client(false)?];
                if url.password.is_some() {
                    clients.push(client(true)?);
                }
                Ok(Self::Sentinel(Arc::new(Mutex::new(clients))))
            }
        }
    }

    /// Makes a connection over which an answer may take this long.
    pub(super) async fn connect_patient(&self, response: Duration) -> Result<RedisConnection, RedisError> {
        let options = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_WITHIN))
            .set_response_timeout(Some(response));
        let link = match self {
            Self::Server(client) => Link::Server(client.get_multiplexed_async_connection_with_config(&options).await?),
            Self::Sentinel(clients) => {
                let connecting = async {
                    let mut clients = clients.lock().await;
                    let mut failed = Err(too_slow());
                    for n in 0..clients.len() {
                        let Some(client) = clients.get_mut(n) else { break };
                        match client.get_async_connection_with_config(&options).await {
                            Ok(connection) => {
                                clients.swap(0, n);
                                return Ok(connection);
                            }
                            // The first client's failure is the one of the Sentinels as they were last.
                            Err(error) if n == 0 => failed = Err(error),
                            Err(_) => {}
                        }
                    }
                    failed
                };
                Link::Server(timeout(DISCOVER_WITHIN, connecting).await.map_err(|_| too_slow())??)
            }
            Self::Cluster(client) => {
                let options =
                    ClusterConfig::new().set_connection_timeout(CONNECT_WITHIN).set_response_timeout(response);
                let connecting = client.get_async_connection_with_config(options);
                Link::Cluster(timeout(DISCOVER_WITHIN, connecting).await.map_err(|_| too_slow())??)
            }
        };
        Ok(RedisConnection { link, unanswered: Arc::default() })
    }
}

impl bb8_redis::bb8::ManageConnection for Connector {
    type Connection = RedisConnection;
    type Error = RedisError;

    async fn connect(&self) -> Result<RedisConnection, RedisError> {
        self.connect_patient(CONNECT_WITHIN).await
    }

    async fn is_valid(&self, connection: &mut RedisConnection) -> Result<(), RedisError> {
        if connection.is_given_up() { Err((ErrorKind::Io, "given up").into()) } else { Ok(()) }
    }

    fn has_broken(&self, connection: &mut RedisConnection) -> bool {
        connection.is_given_up()
    }
}

impl RedisConnection {
    /// Records how a question over it ended: `None` without an answer, otherwise with the error, if it was one.
    pub(super) fn ended(&self, answer: Option<Option<&RedisError>>) {
        match answer {
            None => {
                self.unanswered.fetch_add(1, Ordering::Relaxed);
            }
            Some(Some(error)) if is_last_word(error) => self.unanswered.store(BROKEN, Ordering::Relaxed),
            Some(_) => self.unanswered.store(0, Ordering::Relaxed),
        }
    }

    fn is_given_up(&self) -> bool {
        self.unanswered.load(Ordering::Relaxed) >= SILENT_FOR
    }
}

/// Whether nothing good will come over a connection after this. A primary that was demoted goes on answering, and
/// refuses every write: only another connection finds the new one.
fn is_last_word(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_unrecoverable_error()
        || error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly)
}

fn too_slow() -> RedisError {
    std::io::Error::from(std::io::ErrorKind::TimedOut).into()
}

impl ConnectionLike for RedisConnection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match &mut self.link {
            Link::Server(connection) => connection.req_packed_command(command),
            Link::Cluster(connection) => connection.req_packed_command(command),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match &mut self.link {
            Link::Server(connection) => connection.req_packed_commands(pipeline, offset, count),
            Link::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match &self.link {
            Link::Server(connection) => connection.get_db(),
            Link::Cluster(connection) => connection.get_db(),
        }
    }
}

/// The addresses of the hosts of a URL.
fn address(url: &RedisUrl) -> impl Iterator<Item = ConnectionAddr> + '_ {
    url.hosts.iter().map(|(host, port)| match url.tls {
        false => ConnectionAddr::Tcp(host.clone(), *port),
        true => ConnectionAddr::TcpTls { host: host.clone(), port: *port, insecure: false, tls_params: None },
    })
}

/// One server, with the user and password of the URL.
fn node(url: &RedisUrl, address: Option<ConnectionAddr>, database: i64) -> Result<ConnectionInfo, RedisError> {
    let mut redis = RedisConnectionInfo::default().set_db(database);
    if let Some(user) = &url.user {
        redis = redis.set_username(user);
    }
    if let Some(password) = &url.password {
        redis = redis.set_password(password.expose_secret());
    }
    let address = address.ok_or((ErrorKind::InvalidClientConfig, "the address has no host"))?;
    Ok(address.into_connection_info()?.set_redis_settings(redis))
}
