//! The built program, as its operators start it.

use std::{net::SocketAddr, path::PathBuf, process::Stdio};

use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, Command},
    sync::watch,
};
use tonic::transport::Channel;

use crate::support::soon;

/// A running `stockroom serve`. It is killed when it is dropped.
pub struct Program {
    child: Child,
    address: SocketAddr,
    log: watch::Receiver<String>,
}

/// A folder with a `stockroom.toml`, which may be written again.
pub struct ConfigFile(TempDir);

impl ConfigFile {
    pub fn new(text: &str) -> Self {
        let file = Self(tempfile::tempdir().unwrap());
        file.write(text);
        file
    }

    pub fn write(&self, text: &str) {
        std::fs::write(self.path(), text).unwrap();
    }

    pub fn path(&self) -> PathBuf {
        self.0.path().join("stockroom.toml")
    }
}

impl Program {
    /// Starts `serve` with JSON for a log, and waits until the port is open.
    pub async fn serve(config: &ConfigFile, log_filter: &str, more: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_stockroom"))
            .args(["serve", "--listen", "127.0.0.1:0", "--log-format", "json", "--log-filter", log_filter])
            .args(more)
            .arg("--config")
            .arg(config.path())
            .env_clear()
            .env("STOCKROOM_ADMIN__LISTEN", "off")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let (mut said, log) = (gathered(child.stdout.take().unwrap()), gathered(child.stderr.take().unwrap()));
        let greeting = soon(said.wait_for(|text| text.contains("\n"))).await.map(|text| text.clone());
        let greeting = greeting.unwrap_or_else(|_| panic!("it did not start: {}", *log.borrow()));
        let greeting: serde_json::Value = serde_json::from_str(&greeting).unwrap();
        assert_eq!(greeting["message"], "listening");
        let address = greeting["address"].as_str().unwrap().parse().unwrap();
        Self { child, address, log }
    }

    pub async fn channel(&self) -> Channel {
        soon(Channel::from_shared(format!("http://{}", self.address)).unwrap().connect()).await.unwrap()
    }

    /// Asks it to read its configuration again.
    pub async fn hang_up(&self) {
        self.signal("-HUP").await;
    }

    /// Waits until the log says so.
    pub async fn logged(&mut self, text: &str) {
        soon(self.log.wait_for(|log| log.contains(text))).await.unwrap();
    }

    /// Stops it as an operator does, and gives back everything that it logged.
    pub async fn stopped(mut self) -> String {
        self.signal("-TERM").await;
        assert!(soon(self.child.wait()).await.unwrap().success());
        // The end of the log is the end of its writer.
        soon(async { while self.log.changed().await.is_ok() {} }).await;
        self.log.borrow().clone()
    }

    async fn signal(&self, name: &str) {
        let id = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args([name, &id]).status().await.unwrap().success());
    }
}

/// What is written, as it grows.
fn gathered(pipe: impl AsyncRead + Send + Unpin + 'static) -> watch::Receiver<String> {
    let (grow, text) = watch::channel(String::new());
    tokio::spawn(async move {
        let mut lines = BufReader::new(pipe).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            grow.send_modify(|text| {
                text.push_str(&line);
                text.push('\n');
            });
        }
    });
    text
}
