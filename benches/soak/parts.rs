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
use stockroom_proto::pb::AccountStatus;
use tokio::time::{Instant, sleep};

pub(crate) const CALLS_PER_SECOND: u32 = 4;
pub(crate) const CALLS_PER_DAY: u32 = 4000;

/// Nothing here takes longer, unless it does not work at all.
const PATIENCE: Duration = Duration::from_secs(10);
const FAILOVER_PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Process(Child);

/// What the Redis of a run is made of.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum RedisKind {
    /// One server.
    Single,
    /// A primary, a replica and a Sentinel that watches them.
    Sentinel,
    /// Three masters with a replica each.
    Cluster,
}

pub(crate) struct Redis {
    kind: RedisKind,
    /// The first is the one that fails.
    servers: Vec<RedisServer>,
    sentinel: Option<RedisServer>,
}

struct RedisServer {
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

impl Process {
    fn kill(&mut self) {
        // One that has ended cannot be killed, and need not be.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Redis {
    pub(crate) async fn start(kind: RedisKind) -> Self {
        let (count, arguments): (usize, &[&str]) = match kind {
            RedisKind::Single => (1, &[]),
            RedisKind::Sentinel => (2, &[]),
            RedisKind::Cluster => (6, &["--cluster-enabled", "yes", "--cluster-node-timeout", "1500"]),
        };
        let mut redis = Self { kind, servers: Vec::new(), sentinel: None };
        for _ in 0..count {
            let server = RedisServer::start(arguments);
            server.answers().await;
            redis.servers.push(server);
        }
        match kind {
            RedisKind::Single => {}
            RedisKind::Sentinel => redis.watch().await,
            RedisKind::Cluster => redis.form_cluster().await,
        }
        redis
    }

    pub(crate) fn pause(&self) {
        self.servers[0].process.signal("-STOP");
    }

    pub(crate) fn wake(&self) {
        self.servers[0].process.signal("-CONT");
    }

    pub(crate) fn kill(&mut self) {
        self.servers[0].process.kill();
    }

    /// Kills the server that has the account's budget.
    pub(crate) async fn kill_owner_of_budget(&mut self) {
        if self.kind == RedisKind::Cluster {
            let key = "{soak}";
            let slot: u32 = self.servers[0].query(&format!("CLUSTER KEYSLOT {key}")).await.unwrap();
            let owner = (slot / (16_384 / 3 + 1)).min(2) as usize;
            self.servers.swap(0, owner);
        }
        self.kill();
    }

    /// Until the servers that are left have put another one in its place. How long they take is not the gateways' doing: a
    /// Sentinel that a busy machine held up for two seconds does nothing for half a minute.
    pub(crate) async fn fails_over(&self) {
        let dead = self.servers[0].port.to_string();
        eventually_within(FAILOVER_PATIENCE, "another server takes over", async || match &self.sentinel {
            Some(sentinel) => {
                let primary = sentinel.query::<Vec<String>>("SENTINEL GET-MASTER-ADDR-BY-NAME primary").await;
                primary.is_ok_and(|address| !address.contains(&dead))
            }
            None => {
                // A node's slots are the words after the eighth.
                let is_replaced = |node: &str| node.contains(&format!(":{dead}@")) && node.split(' ').count() == 8;
                let nodes = self.servers[1].query::<String>("CLUSTER NODES").await;
                nodes.is_ok_and(|nodes| nodes.lines().any(is_replaced))
            }
        })
        .await;
    }

    /// Starts it again, empty.
    pub(crate) async fn restart(&mut self) {
        self.servers[0] = RedisServer::start_on(self.servers[0].port, &[]);
        self.servers[0].answers().await;
    }

    /// Runs a command on every server that is left.
    pub(crate) async fn run(&self, command: &str) {
        for server in &self.servers {
            let ran: redis::RedisResult<redis::Value> = server.query(command).await;
            if self.kind == RedisKind::Single {
                ran.unwrap_or_else(|error| panic!("{command}: {error}"));
            }
        }
    }

    fn url(&self) -> String {
        let ports = self.servers.iter().map(|server| format!("127.0.0.1:{}", server.port)).collect::<Vec<_>>();
        match (self.kind, &self.sentinel) {
            (RedisKind::Sentinel, Some(sentinel)) => format!("redis-sentinel://127.0.0.1:{}/primary", sentinel.port),
            (RedisKind::Cluster, _) => format!("redis-cluster://{}", ports.join(",")),
            (RedisKind::Single | RedisKind::Sentinel, _) => format!("redis://{}", ports[0]),
        }
    }

    async fn watch(&mut self) {
        let (primary, port) = (self.servers[0].port, free_port());
        let replicating: String = self.servers[1].query(&format!("REPLICAOF 127.0.0.1 {primary}")).await.unwrap();
        assert_eq!(replicating, "OK");
        let file = folder().join(format!("sentinel-{port}.conf"));
        let lines = [
            format!("port {port}\nbind 127.0.0.1\nsentinel monitor primary 127.0.0.1 {primary} 1"),
            "sentinel down-after-milliseconds primary 1000\nsentinel failover-timeout primary 5000\n".to_owned(),
        ];
        fs::write(&file, lines.join("\n")).unwrap();
        let process = Process::start(Command::new("redis-server").arg(&file).arg("--sentinel"), "sentinel");
        let sentinel = RedisServer { process, port };
        sentinel.answers().await;
        eventually("the Sentinel knows the replica", async || {
            sentinel.query::<String>("INFO sentinel").await.is_ok_and(|info| info.contains("slaves=1"))
        })
        .await;
        self.sentinel = Some(sentinel);
    }

    async fn form_cluster(&mut self) {
        let servers = self.servers.iter().map(|server| format!("127.0.0.1:{}", server.port));
        let create = ["--cluster", "create"].into_iter().map(str::to_owned).chain(servers);
        let create = create.chain(["--cluster-replicas", "1", "--cluster-yes"].map(str::to_owned));
        let formed = Command::new("redis-cli").args(create).stdout(Stdio::null()).status().unwrap();
        assert!(formed.success(), "redis-cli --cluster create: {formed}");
        for server in &self.servers {
            eventually("the cluster is up", async || {
                server.query::<String>("CLUSTER INFO").await.is_ok_and(|info| info.contains("cluster_state:ok"))
            })
            .await;
        }
    }
}

impl RedisServer {
    fn start(arguments: &[&str]) -> Self {
        Self::start_on(free_port(), arguments)
    }

    fn start_on(port: u16, arguments: &[&str]) -> Self {
        let number = port.to_string();
        let (nodes, data) = (format!("nodes-{port}.conf"), format!("dump-{port}.rdb"));
        // It starts empty, and a replica's copy is no other server's.
        for left_over in [&nodes, &data] {
            let _ = fs::remove_file(folder().join(left_over));
        }
        let files = ["--cluster-config-file", &nodes, "--dbfilename", &data];
        let own = ["--port", &number, "--bind", "127.0.0.1", "--save", ""].into_iter().chain(files);
        let process = Process::start(Command::new("redis-server").args(own).args(arguments), "redis");
        Self { process, port }
    }

    async fn query<T: redis::FromRedisValue>(&self, command: &str) -> redis::RedisResult<T> {
        let url = format!("redis://127.0.0.1:{}", self.port);
        let mut connection = redis::Client::open(url)?.get_multiplexed_async_connection().await?;
        let mut words = command.split(' ');
        redis::cmd(words.next().unwrap()).arg(words.collect::<Vec<_>>()).query_async(&mut connection).await
    }

    async fn answers(&self) {
        eventually("redis-server answers", async || self.query::<String>("PING").await.is_ok()).await;
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
    pub(crate) async fn start(name: &'static str, sandbox: &Sandbox, redis: &Redis, replicas: usize) -> Self {
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
        environment.push(("STOCKROOM_REPLICAS".to_owned(), replicas.to_string()));
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

    /// Ends it at once, as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        self.process = None;
    }

    /// Sets its clock ahead of this machine's, or behind. `false` where libfaketime is not installed.
    pub(crate) fn step_clock(&self, seconds: i32) -> bool {
        fs::write(folder().join(self.clock()), format!("{seconds:+}\n")).unwrap();
        faketime().is_some()
    }

    /// The state of its account; `None` where it does not answer.
    pub(crate) async fn account(&self) -> Option<AccountStatus> {
        self.client.get_status(<_>::default()).await.ok()?.accounts.pop()
    }

    /// The file that says how far its clock is ahead.
    fn clock(&self) -> String {
        format!("{}.clock", self.name)
    }

    pub(crate) fn restart(&mut self) {
        let mut command = stockroom(&["serve"]);
        command.args(self.flags).envs(self.environment.iter().cloned());
        if let Some(library) = faketime() {
            self.step_clock(0);
            command.env("LD_PRELOAD", library).env("FAKETIME_TIMESTAMP_FILE", folder().join(self.clock()));
            command.env("FAKETIME_CACHE_DURATION", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        }
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

/// The library that steps the clock of a process.
fn faketime() -> Option<PathBuf> {
    let folders = ["/usr/lib/x86_64-linux-gnu/faketime", "/usr/lib/aarch64-linux-gnu/faketime", "/usr/lib/faketime"];
    folders.into_iter().map(|folder| PathBuf::from(folder).join("libfaketime.so.1")).find(|library| library.exists())
}

/// The binary in an environment of its own: nothing is inherited that could be a setting.
fn stockroom(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stockroom"));
    command.env_clear().args(arguments);
    command
}

/// A port below those that the system hands out for outgoing connections, as is the one 10,000 above it which a cluster's
/// node takes too: a part must find it free again when it comes back.
fn free_port() -> u16 {
    let mut ports = std::iter::repeat_with(|| fastrand::u16(12_000..22_000));
    ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap()
}

async fn eventually(what: &str, is_so: impl AsyncFnMut() -> bool) {
    eventually_within(PATIENCE, what, is_so).await;
}

async fn eventually_within(patience: Duration, what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let until = Instant::now() + patience;
    while !is_so().await {
        assert!(Instant::now() < until, "not within {patience:?}: {what}; see {}", folder().display());
        sleep(Duration::from_millis(10)).await;
    }
}
