//! Runs the binary: once for an answer, or as a server beside the test.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
};

use tempfile::TempDir;

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A running `serve` or `sandbox` in a folder of its own, killed when dropped.
pub(crate) struct Server {
    pub(crate) process: Child,
    stdout: BufReader<ChildStdout>,
    log: PathBuf,
    folder: TempDir,
}

/// A gateway over the built-in sandbox, and where it is.
pub(crate) struct Gateway {
    pub(crate) server: Server,
    pub(crate) url: String,
    /// The address of its admin port.
    pub(crate) admin: String,
}

/// The binary in an environment of its own: nothing is inherited that could be a setting.
pub(crate) fn stockroom(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stockroom"));
    command.env_clear().current_dir(folder).stdin(Stdio::null());
    command
}

/// Runs a command to its end.
pub(crate) fn ended(command: &mut Command) -> Ended {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

impl Server {
    pub(crate) fn start(folder: TempDir, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let log = folder.path().join("log");
        let mut command = stockroom(folder.path());
        // A gateway of its own has an admin port of its own.
        command.env("STOCKROOM_ADMIN__LISTEN", "127.0.0.1:0");
        command.args(arguments).envs(environment.iter().copied());
        let mut process = command.stdout(Stdio::piped()).stderr(File::create(&log).unwrap()).spawn().unwrap();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        Self { process, stdout, log, folder }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What the server writes up to and with the line in which `marker` stands.
    pub(crate) fn greeting(&mut self, marker: &str) -> String {
        let mut greeting = String::new();
        while !greeting.lines().last().is_some_and(|line| line.contains(marker)) {
            let more = self.stdout.read_line(&mut greeting).unwrap();
            assert_ne!(more, 0, "it ended: {greeting}{}", fs::read_to_string(&self.log).unwrap());
        }
        greeting
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that has ended cannot be killed, and need not be.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Gateway {
    pub(crate) fn start() -> Self {
        Self::with(&["--sandbox"], &[])
    }

    pub(crate) fn with(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let arguments = [&["serve", "--listen", "127.0.0.1:0"], arguments].concat();
        let mut server = Server::start(folder, &arguments, environment);
        let greeting = server.greeting("listening on ");
        let address = greeting.trim_end().rsplit("listening on ").next().unwrap();
        let page = server.greeting("http://");
        let admin = page.trim_end().rsplit("http://").next().unwrap().to_owned();
        Self { url: format!("http://{address}"), admin, server }
    }

    /// A client's command for this gateway.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = stockroom(self.server.folder());
        command.env("STOCKROOM_SERVER", &self.url).args(arguments);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        ended(&mut self.command(arguments))
    }
}
