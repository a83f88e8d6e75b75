//! A real redis-server of a test's own, on a free port, gone with the test.

use std::{
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::Duration,
};

use redis::FromRedisValue;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

/// A server of a test's own.
pub struct RedisServer {
    process: Child,
    port: u16,
    arguments: Vec<String>,
    directory: TempDir,
}

impl RedisServer {
    /// Starts a server and waits until it answers.
    pub async fn start(arguments: &[&str]) -> Self {
        let server = Self::start_on(free_port(), arguments);
        server.answers().await;
        server
    }

    /// Starts a server on a port.
    pub fn start_on(port: u16, arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let process = spawn(port, &arguments, &directory);
        Self { process, port, arguments, directory }
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Runs a command over a connection of its own.
    pub async fn run<T: FromRedisValue>(&self, command: &str) -> T {
        self.try_run(command).await.unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    /// Waits until it answers and is not loading.
    pub async fn answers(&self) {
        eventually("redis-server answers", async || self.try_run::<String>("PING").await.is_ok()).await;
    }

    /// Stops it at once, as a power cut does.
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts it again where it was, with what it had saved.
    pub fn restart(&mut self) {
        self.process = spawn(self.port, &self.arguments, &self.directory);
    }

    /// Makes it fall silent with its connections open.
    pub fn pause(&self) {
        self.signal("-STOP");
    }

    /// Wakes it.
    pub fn wake(&self) {
        self.signal("-CONT");
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

/// Waits until something is so, and fails where it is not within ten seconds.
pub async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(10);
    while !is_so().await {
        assert!(Instant::now() < until, "not within ten seconds: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}

/// A port that is free now. Below those that the system hands out for outgoing connections: the server must find it free
/// again after a restart.
pub fn free_port() -> u16 {
    let mut ports = std::iter::repeat_with(|| fastrand::u16(15_000..30_000));
    ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap()
}

fn spawn(port: u16, arguments: &[String], directory: &TempDir) -> Child {
    Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
        .arg("--dir")
        .arg(directory.path())
        .args(arguments)
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server must be installed: apt-get install redis-server")
}
