//! A real redis-server of a test's own, on a free port, gone with the test.

use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use bb8_redis::redis::{self, ErrorKind, FromRedisValue, ServerErrorKind};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::stepped_clock::SteppedClock;

const CONFIGURATION: &str = "redis.conf";

/// A server of a test's own.
pub(crate) struct RedisServer {
    process: Child,
    port: u16,
    user: &'static str,
    directory: TempDir,
    clock: Option<SteppedClock>,
}

impl RedisServer {
    /// Starts a server with some lines of configuration and waits until it answers.
    pub(crate) async fn start(settings: &[&str]) -> Self {
        let server = Self::start_on(free_port(), settings);
        server.answers().await;
        server
    }

    /// The same with a password.
    pub(crate) async fn start_with_password(settings: &[&str]) -> Self {
        let mut server = Self::start_on(free_port(), &[settings, &["requirepass p@ss"]].concat());
        server.user = ":p%40ss@";
        server.answers().await;
        server
    }

    /// The same with a clock of its own.
    pub(crate) async fn start_with_clock() -> Self {
        let server = Self::start_ruled_by(free_port(), &[], |directory| Some(SteppedClock::new(directory)));
        server.answers().await;
        server
    }

    /// Starts a server on a port.
    pub(crate) fn start_on(port: u16, settings: &[&str]) -> Self {
        Self::start_ruled_by(port, settings, |_| None)
    }

    fn start_ruled_by(port: u16, settings: &[&str], clock: impl FnOnce(&Path) -> Option<SteppedClock>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let own = format!("port {port}\nbind 127.0.0.1\ndir {}\nsave \"\"\n", directory.path().display());
        fs::write(directory.path().join(CONFIGURATION), own + &settings.join("\n")).unwrap();
        let clock = clock(directory.path());
        Self { process: spawn(&directory, &[], clock.as_ref()), port, user: "", directory, clock }
    }

    /// The same with a password.
    pub(crate) async fn sentinel_with_password(watched: &RedisServer, settings: &[&str]) -> Self {
        let mut sentinel = Self::sentinel(watched, &[settings, &["requirepass p@ss"]].concat());
        sentinel.user = ":p%40ss@";
        sentinel.answers().await;
        sentinel
    }

    /// Starts a Sentinel that watches a server under the name `primary`.
    pub(crate) async fn sentinel_of(watched: &RedisServer, settings: &[&str]) -> Self {
        let sentinel = Self::sentinel(watched, settings);
        sentinel.answers().await;
        sentinel
    }

    fn sentinel(watched: &RedisServer, settings: &[&str]) -> Self {
        let port = free_port();
        let directory = tempfile::tempdir().unwrap();
        let own = format!("port {port}\ndir {}\n", directory.path().display());
        let monitor = format!("sentinel monitor primary 127.0.0.1 {} 1\n", watched.port);
        fs::write(directory.path().join(CONFIGURATION), own + &monitor + &settings.join("\n")).unwrap();
        Self { process: spawn(&directory, &["--sentinel"], None), port, user: "", directory, clock: None }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}127.0.0.1:{}", self.user, self.port)
    }

    /// Sets its clock ahead of this machine's; it must have been started [with a clock](Self::start_with_clock).
    pub(crate) fn set_clock_ahead(&self, by: Duration) {
        self.clock.as_ref().unwrap().set_ahead(by.as_micros().try_into().unwrap());
    }

    /// Runs a command over a connection of its own.
    pub(crate) async fn run<T: FromRedisValue>(&self, command: &str) -> T {
        self.try_run(command).await.unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    /// Waits until it answers and is not loading.
    pub(crate) async fn answers(&self) {
        eventually("redis-server answers", async || self.try_run::<String>("PING").await.is_ok()).await;
    }

    /// Stops it at once, as a power cut does.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts it again where it was, with what it had saved.
    pub(crate) fn restart(&mut self) {
        self.process = spawn(&self.directory, &[], self.clock.as_ref());
    }

    /// Makes it fall silent with its connections open.
    pub(crate) fn pause(&self) {
        self.signal("-STOP");
    }

    /// Wakes it.
    pub(crate) fn wake(&self) {
        self.signal("-CONT");
    }

    /// Whether it has started and is reading what it had saved.
    pub(crate) async fn is_loading(&self) -> bool {
        let refused = self.try_run::<String>("PING").await.err();
        refused.is_some_and(|error| error.kind() == ErrorKind::Server(ServerErrorKind::BusyLoading))
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.process.id().to_string()]).status().unwrap();
        assert!(sent.success(), "kill {signal}: {sent}");
    }

    async fn try_run<T: FromRedisValue>(&self, command: &str) -> redis::RedisResult<T> {
        let mut connection = redis::Client::open(self.url())?.get_multiplexed_async_connection().await?;
        let mut words = command.split(' ');
        redis::cmd(words.next().unwrap()).arg(words.collect::<Vec<_>>()).query_async(&mut connection).await
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Waits until something is so, and fails where it is not within thirty seconds.
pub(crate) async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(30);
    while !is_so().await {
        assert!(Instant::now() < until, "not within thirty seconds: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}

/// A port that is free now. Below those that the system hands out for outgoing connections, as is the one 10,000 above it
/// which a cluster's node takes too: the server must find it free again after a restart.
pub(crate) fn free_port() -> u16 {
    let mut ports = std::iter::repeat_with(|| fastrand::u16(12_000..22_000));
    ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap()
}

fn spawn(directory: &TempDir, arguments: &[&str], clock: Option<&SteppedClock>) -> Child {
    let mut command = Command::new("redis-server");
    command.arg(directory.path().join(CONFIGURATION)).args(arguments).stdout(Stdio::null());
    if let Some(clock) = clock {
        clock.rule(&mut command);
    }
    command.spawn().expect("redis-server must be installed: apt-get install redis-server")
}
