//! The gateway under siege: the built program, with the built-in sandbox.

use std::{net::SocketAddr, process::Stdio, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::Instant,
};

use super::{DRAIN, attacks::Attack};

/// The tokens of the client that behaves and of attackers that have one.
pub(crate) const CLIENT_TOKEN: &str = "token-of-the-client-that-behaves";
pub(crate) const ATTACKER_TOKEN: &str = "token-of-an-attacker-with-a-token";

pub(crate) struct Gateway {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Gateway {
    pub(crate) async fn start(attack: Attack) -> Self {
        let program = env!("CARGO_BIN_EXE_stockroom");
        let mut command = match attack.max_file_descriptors() {
            Some(limit) => {
                let mut shell = Command::new("sh");
                shell.args(["-c", &format!("ulimit -n {limit}; exec \"$0\" \"$@\""), program]);
                shell
            }
            None => Command::new(program),
        };
        let mut child = command
            .args(["serve", "--sandbox", "--listen", "127.0.0.1:0", "--log-format", "json"])
            .env_clear()
            .env("STOCKROOM_CALLERS__CLIENT__TOKEN", CLIENT_TOKEN)
            .env("STOCKROOM_CALLERS__ATTACKER__TOKEN", ATTACKER_TOKEN)
            .env("STOCKROOM_SERVER__DRAIN", format!("{}s", DRAIN.as_secs()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = loop {
            let line = lines.next_line().await.unwrap().expect("the gateway starts");
            let line: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
            if line["message"] == "serving" {
                break line["address"].as_str().unwrap().parse().unwrap();
            }
        };
        // Ends with the gateway.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { child, address }
    }

    pub(crate) fn resident_megabytes(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id().unwrap())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
    }

    /// Sends SIGTERM and waits for the end. Returns how long it took.
    pub(crate) async fn terminate(&mut self) -> Duration {
        let pid = rustix::process::Pid::from_raw(self.child.id().unwrap().try_into().unwrap()).unwrap();
        let asked = Instant::now();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.child.wait().await.unwrap();
        asked.elapsed()
    }
}
