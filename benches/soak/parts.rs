//! The real parts, each a process: redis-server, the sandbox, and gateways. All are killed when dropped.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    net::TcpListener,
    ops::{AddAssign, Sub},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde::Deserialize;
use stockroom_client::Client;
use tokio::time::{Instant, sleep};

pub(crate) const CALLS_PER_SECOND: u32 = 4;
pub(crate) const CALLS_PER_DAY: u32 = 4000;

/// Nothing here takes longer, unless it does not work at all.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Process(Child);

pub(crate) struct Redis {
    process: Process,
    port: u16,
}

pub(crate) struct Sandbox {
    process: Option<Process>,
    port: u16,
    /// What those that were stopped had counted.
    before: Counts,
}

pub(crate) struct Gateway {
    name: &'static str,
    process: Option<Process>,
    flags: &'static [&'static str],
    environment: Vec<(String, String)>,
    pub(crate) client: Client,
}

/// What a sandbox has counted.
#[derive(Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) calls: usize,
    pub(crate) throttled: usize,
    pub(crate) over_the_limits: usize,
}

#[derive(Deserialize)]
struct Counted {
    calls: usize,
    by_status: BTreeMap<String, usize>,
    over_the_limits: usize,
}

impl Process {
    /// Starts a command that writes what it has to say to a file in [`folder`].
    fn start(command: &mut Command, name: &str) -> Self {
        // Appended, as a gateway that is killed and started again goes on in the same log.
        let log = File::options().create(true).append(true).open(folder().join(format!("{name}.log"))).unwrap();
        let command = command.current_dir(folder()).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        Self(command.spawn().unwrap_or_else(|error| panic!("{name} cannot be started: {error}")))
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.0.id().to_string()]).status().unwrap();
        assert!(sent.success(), "kill {signal}: {sent}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended cannot be killed, and need not be.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Redis {
    pub(crate) async fn start() -> Self {
        let port = free_port();
        let redis = Self { process: Self::spawn(port), port };
        redis.answers().await;
        redis
    }

    pub(crate) fn pause(&self) {
        self.process.signal("-STOP");
    }

    pub(crate) fn wake(&self) {
        self.process.signal("-CONT");
    }

    pub(crate) fn kill(&mut self) {
        let _ = self.process.0.kill();
        let _ = self.process.0.wait();
    }

    /// Starts it again, empty.
    pub(crate) async fn restart(&mut self) {
        self.process = Self::spawn(self.port);
        self.answers().await;
    }

    pub(crate) async fn run(&self, command: &str) {
        self.try_run(command).await.unwrap_or_else(|error| panic!("{command}: {error}"));
    }

    async fn try_run(&self, command: &str) -> redis::RedisResult<()> {
        let mut connection = redis::Client::open(self.url())?.get_multiplexed_async_connection().await?;
        let mut words = command.split(' ');
        redis::cmd(words.next().unwrap()).arg(words.collect::<Vec<_>>()).query_async(&mut connection).await
    }

    async fn answers(&self) {
        eventually("redis-server answers", async || self.try_run("PING").await.is_ok()).await;
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    fn spawn(port: u16) -> Process {
        let port = port.to_string();
        let arguments = ["--port", &port, "--bind", "127.0.0.1", "--save", ""];
        Process::start(Command::new("redis-server").args(arguments), "redis")
    }
}

impl Sandbox {
    pub(crate) async fn start() -> Self {
        let mut sandbox = Self { process: None, port: free_port(), before: Counts::default() };
        sandbox.restart("").await;
        sandbox
    }

    /// Starts it again where it was, with a script of faults. It has forgotten all calls.
    pub(crate) async fn restart(&mut self, faults: &str) {
        fs::write(folder().join("faults.toml"), faults).unwrap();
        let listen = format!("127.0.0.1:{}", self.port);
        let (rate, day) = (CALLS_PER_SECOND.to_string(), CALLS_PER_DAY.to_string());
        let limits = ["--rate", &rate, "--per-day", &day, "--latency", "50ms"];
        let mut command = stockroom(&["sandbox", "--listen", &listen, "--faults", "faults.toml"]);
        self.process = Some(Process::start(command.args(limits), "sandbox"));
        eventually("the sandbox answers", async || self.counted().await.is_some()).await;
    }

    pub(crate) async fn stop(&mut self) {
        self.before = self.counts().await;
        self.process = None;
    }

    /// What it and those before it have counted.
    pub(crate) async fn counts(&self) -> Counts {
        let mut counts = self.before;
        if self.process.is_some() {
            counts += self.counted().await.unwrap();
        }
        counts
    }

    async fn counted(&self) -> Option<Counts> {
        let told = reqwest::get(format!("{}/sandbox/calls", self.url())).await.ok()?.bytes().await.ok()?;
        let told: Counted = serde_json::from_slice(&told).unwrap();
        Some(Counts {
            calls: told.calls,
            throttled: told.by_status.get("429").copied().unwrap_or_default(),
            over_the_limits: told.over_the_limits,
        })
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Gateway {
    pub(crate) async fn start(name: &'static str, sandbox: &Sandbox, redis: &Redis) -> Self {
        let account = [
            ("PROTOCOL", "paapi5".to_owned()),
            ("ACCESS_KEY", amazon_sandbox::ACCESS_KEY.to_owned()),
            ("SECRET_KEY", amazon_sandbox::SECRET_KEY.to_owned()),
            ("PARTNER_TAGS__US", "sandbox-20".to_owned()),
            ("ENDPOINT", sandbox.url()),
            ("CALLS_PER_SECOND", CALLS_PER_SECOND.to_string()),
            ("CALLS_PER_DAY", CALLS_PER_DAY.to_string()),
        ];
        let account = account.map(|(key, value)| (format!("STOCKROOM_ACCOUNTS__SOAK__{key}"), value));
        let mut environment = Vec::from(account);
        environment.push(("STOCKROOM_REDIS__URL".to_owned(), redis.url()));
        environment.extend(replicas().map(|key| (key, "2".to_owned())));
        Self::launch(name, &["--log-format", "json"], environment).await
    }

    /// A gateway over a sandbox of its own, whose limits are generous.
    pub(crate) async fn with_sandbox() -> Self {
        Self::launch("demonstration", &["--sandbox"], Vec::new()).await
    }

    async fn launch(
        name: &'static str,
        flags: &'static [&'static str],
        mut environment: Vec<(String, String)>,
    ) -> Self {
        let listen = format!("127.0.0.1:{}", free_port());
        environment.push(("STOCKROOM_LISTEN".to_owned(), listen.clone()));
        let client = Client::new(&format!("http://{listen}"), stockroom_client::Options::default()).unwrap();
        let mut gateway = Self { name, process: None, flags, environment, client };
        gateway.restart();
        eventually("the gateway answers", async || gateway.client.list_marketplaces(<_>::default()).await.is_ok())
            .await;
        gateway
    }

    pub(crate) fn kill(&mut self) {
        self.process = None;
    }

    pub(crate) fn restart(&mut self) {
        let mut command = stockroom(&["serve"]);
        command.args(self.flags).envs(self.environment.iter().cloned());
        self.process = Some(Process::start(&mut command, self.name));
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, more: Self) {
        self.calls += more.calls;
        self.throttled += more.throttled;
        self.over_the_limits += more.over_the_limits;
    }
}

impl Sub for Counts {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            calls: self.calls - before.calls,
            throttled: self.throttled - before.throttled,
            over_the_limits: self.over_the_limits - before.over_the_limits,
        }
    }
}

/// Where the parts run and log; what they wrote stays until the next run.
pub(crate) fn folder() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("soak");
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// The binary in an environment of its own: nothing is inherited that could be a setting.
fn stockroom(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stockroom"));
    command.env_clear().args(arguments);
    command
}

/// The environment's name for the number of replicas, where the gateway has such a key.
fn replicas() -> Option<String> {
    let reference = stockroom::config::reference();
    let name = reference.split('`').find(|word| word.starts_with("STOCKROOM_") && word.ends_with("REPLICAS"));
    name.map(|name| name.replace("NAME", "SOAK"))
}

/// A port below those that the system hands out for outgoing connections: a part must find it free again when it comes back.
fn free_port() -> u16 {
    let mut ports = std::iter::repeat_with(|| fastrand::u16(12_000..32_000));
    ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap()
}

async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(Instant::now() < until, "not within {PATIENCE:?}: {what}; see {}", folder().display());
        sleep(Duration::from_millis(10)).await;
    }
}
