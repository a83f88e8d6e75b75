//! TLS on the gRPC port: the command line over it, identities of client certificates, and certificates that change.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant, SystemTime},
};

use stockroom_client::{Client, ClientTls, Code, Error, Options, pb};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::{
    certificates::{Authority, Certified, file},
    support::{Ended, Gateway, ended, stockroom},
};

/// Nothing that a test waits for takes this long, unless it is broken.
const BROKEN: Duration = Duration::from_secs(30);

/// A gateway with TLS, its authority, and the folder with its files.
struct Secured {
    gateway: Gateway,
    authority: Authority,
    folder: TempDir,
    /// Its address by the name that its certificate has.
    server: String,
}

impl Secured {
    /// Starts with what a test adds to the configuration.
    fn start(more: &str) -> Self {
        let authority = Authority::new();
        let certified = authority.server();
        Self::with(authority, &certified, more)
    }

    fn with(authority: Authority, certified: &Certified, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        certified.write(folder.path(), "server");
        file(folder.path(), "ca.pem", &authority.pem);
        let at = |name: &str| folder.path().join(name).display().to_string();
        let more = more.replace("CLIENT_CA", &at("ca.pem"));
        let toml = format!("tls.certificate = \"{}\"\ntls.key = \"{}\"\n{more}", at("server.pem"), at("server.key"));
        let config = file(folder.path(), "gateway.toml", &toml);
        let gateway = Gateway::with(&["--sandbox", "--config", config.to_str().unwrap()], &[]);
        let server = gateway.url.replace("http://127.0.0.1", "https://localhost");
        Self { gateway, authority, folder, server }
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A client's command that trusts the authority, with more flags.
    fn run(&self, arguments: &[&str]) -> Ended {
        let mut command = stockroom(self.folder());
        command.args(arguments).args(["--server", &self.server, "--ca-file", "ca.pem"]);
        ended(&mut command)
    }

    /// The same with a client certificate.
    fn run_as(&self, certified: &Certified, arguments: &[&str]) -> Ended {
        certified.write(self.folder(), "client");
        self.run(&[arguments, &["--cert", "client.pem", "--key", "client.key"]].concat())
    }

    fn client(&self, authority: &Authority) -> Client {
        let tls = ClientTls { ca_pem: Some(authority.pem.clone()), ..ClientTls::default() };
        Client::new(&self.server, Options { tls: Some(tls), ..Options::default() }).unwrap()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.gateway.server.folder().join("log")).unwrap()
    }

    /// Waits until the log has a text.
    fn logged(&self, text: &str) {
        let until = Instant::now() + BROKEN;
        while !self.log().contains(text) {
            assert!(Instant::now() < until, "{text} is not in {}", self.log());
        }
    }

    fn hang_up(&self) {
        let id = self.gateway.server.process.id().to_string();
        assert!(Command::new("kill").args(["-HUP", &id]).status().unwrap().success());
    }

    fn metrics(&self) -> String {
        crate::admin_port::get(&self.gateway, "/metrics")
    }
}

async fn marketplaces(client: &Client) -> Result<(), Error> {
    client.list_marketplaces(pb::ListMarketplacesRequest::default()).await.map(drop)
}

#[test]
fn the_command_line_speaks_tls_and_nobody_is_served_without_it() {
    let secured = Secured::start("");
    assert_eq!(secured.run(&["health"]).code, 0);
    assert_eq!(secured.run(&["search", "lamp"]).code, 0);
    let address = secured.server.strip_prefix("https://").unwrap();
    let code = |arguments: &[&str]| ended(stockroom(secured.folder()).args(arguments)).code;
    assert_eq!(code(&["health", "--server", &format!("http://{address}")]), 69, "without TLS");
    assert_eq!(code(&["health", "--server", &secured.server]), 69, "an authority that the system does not know");
    // What the container's own health check does: the address and the scheme come from the configuration here.
    let mut command = stockroom(secured.folder());
    let (_, port) = address.rsplit_once(':').unwrap();
    command.env("STOCKROOM_CONFIG", "gateway.toml").env("STOCKROOM_LISTEN", format!("0.0.0.0:{port}"));
    command.env("STOCKROOM_CA_FILE", "ca.pem").env("STOCKROOM_SERVER_NAME", "localhost").arg("health");
    assert_eq!(ended(&mut command).code, 0);
}

#[test]
fn a_client_certificate_says_who_calls() {
    let callers = "tls.client_ca = \"CLIENT_CA\"\n[callers.web]\nidentities = [\"spiffe://shop/web\", \"spiffe://shop/old\"]\n\
        [callers.ops]\nidentities = \"spiffe://shop/ops\"\nadmin = true\n";
    let secured = Secured::start(callers);
    let holder = |uris: &[&str]| secured.authority.client(uris);
    assert_eq!(secured.run_as(&holder(&["spiffe://shop/web"]), &["search", "lamp"]).code, 0);
    secured.logged("\"caller\":\"web\"");
    assert_eq!(secured.run_as(&holder(&["spiffe://shop/old"]), &["search", "lamp"]).code, 0);
    assert_eq!(secured.run_as(&holder(&["spiffe://shop/web"]), &["status"]).code, 77, "no admin");
    assert_eq!(secured.run_as(&holder(&["spiffe://shop/ops"]), &["status"]).code, 0);
    let unknown = secured.run_as(&holder(&["spiffe://shop/unknown"]), &["search", "lamp"]);
    assert!(unknown.code == 77 && unknown.stderr.contains("spiffe://shop/unknown"), "{unknown:?}");
    let two = secured.run_as(&holder(&["spiffe://shop/web", "spiffe://shop/ops"]), &["search", "lamp"]);
    assert_eq!(two.code, 77, "a certificate with two URIs names nobody");
    assert_eq!(secured.run_as(&holder(&["spiffe://shop/unknown"]), &["health"]).code, 0, "probes need no caller");

    assert_eq!(secured.run(&["health"]).code, 69, "no certificate");
    let stranger = Authority::new().client(&["spiffe://shop/ops"]);
    assert_eq!(secured.run_as(&stranger, &["status"]).code, 69, "a certificate of another authority");
    let token = secured.run_as(&holder(&["spiffe://shop/ops"]), &["status", "--token", "wrong"]);
    assert_eq!(token.code, 77, "a wrong token is refused, whatever the certificate says");
}

#[test]
fn where_certificates_are_optional_a_token_is_enough() {
    let callers = "tls.client_ca = \"CLIENT_CA\"\ntls.client_auth = \"optional\"\n[callers.web]\ntoken = \"sesame\"\n\
        identities = [\"spiffe://shop/web\"]\n";
    let secured = Secured::start(callers);
    assert_eq!(secured.run(&["search", "lamp", "--token", "sesame"]).code, 0);
    assert_eq!(secured.run_as(&secured.authority.client(&["spiffe://shop/web"]), &["search", "lamp"]).code, 0);
    assert_eq!(secured.run(&["search", "lamp"]).code, 77);
}

#[test]
fn a_new_certificate_is_used_by_new_connections_and_drops_no_old_one() {
    let secured = Secured::start("");
    let runtime = Runtime::new().unwrap();
    let new = Authority::new();
    runtime.block_on(async {
        // Trusts the old authority only, so it could not connect again after the change.
        let old_client = secured.client(&secured.authority);
        marketplaces(&old_client).await.unwrap();
        assert_eq!(marketplaces(&secured.client(&new)).await.unwrap_err().code, Code::Unavailable);
        new.server().write(secured.folder(), "server");
        let until = Instant::now() + BROKEN;
        while marketplaces(&secured.client(&new)).await.is_err() {
            assert!(Instant::now() < until, "the new certificate is not used: {}", secured.log());
            marketplaces(&old_client).await.unwrap();
        }
        marketplaces(&old_client).await.expect("the old connection lives on");
        assert_eq!(marketplaces(&secured.client(&secured.authority)).await.unwrap_err().code, Code::Unavailable);
    });
}

#[test]
fn a_new_authority_of_clients_is_used_and_an_old_one_no_longer() {
    let secured = Secured::start("tls.client_ca = \"CLIENT_CA\"\n");
    let (old, new) = (secured.authority.client(&["spiffe://shop/web"]), Authority::new());
    assert_eq!(secured.run_as(&old, &["health"]).code, 0);
    file(secured.folder(), "ca.pem", &new.pem);
    // The server's certificate is still that of the old authority.
    file(secured.folder(), "old.pem", &secured.authority.pem);
    let client = new.client(&["spiffe://shop/web"]);
    let health = |certified: &Certified| {
        certified.write(secured.folder(), "client");
        let mut command = stockroom(secured.folder());
        command.args(["health", "--server", &secured.server, "--ca-file", "old.pem"]);
        ended(command.args(["--cert", "client.pem", "--key", "client.key"])).code
    };
    let until = Instant::now() + BROKEN;
    while health(&client) != 0 {
        assert!(Instant::now() < until, "the new authority is not used: {}", secured.log());
    }
    assert_eq!(health(&old), 69);
}

#[test]
fn a_faulty_certificate_is_not_taken_and_the_log_says_why() {
    let secured = Secured::start("");
    let valid = |secured: &Secured| secured.run(&["health"]).code == 0;
    let key = std::fs::read_to_string(secured.folder().join("server.key")).unwrap();
    file(secured.folder(), "server.key", &secured.authority.server().key);
    secured.hang_up();
    secured.logged("the key is not that of the certificate");
    assert!(valid(&secured));
    file(secured.folder(), "server.key", &key);
    file(secured.folder(), "server.pem", "no certificate");
    secured.hang_up();
    secured.logged("the file holds no certificate");
    assert!(valid(&secured));
    secured.authority.server_until(SystemTime::now() - Duration::from_secs(60)).write(secured.folder(), "server");
    secured.hang_up();
    secured.logged("the new certificate has expired; the old one stays");
    assert!(valid(&secured));
    assert!(secured.metrics().contains("stockroom_config_reloads_total{result=\"rejected\"} "));
}

#[test]
fn the_end_of_a_certificate_is_a_metric_and_a_warning() {
    let authority = Authority::new();
    let end = SystemTime::now() + Duration::from_secs(3600);
    let seconds = end.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let certified = authority.server_until(end);
    let secured = Secured::with(authority, &certified, "");
    let sample = format!("stockroom_tls_certificate_expiry_timestamp_seconds {seconds}\n");
    assert!(secured.metrics().contains(&sample), "{}", secured.metrics());
    secured.logged("the certificate of the gRPC port expires soon");
}

#[test]
fn whether_the_port_has_tls_or_asks_for_certificates_changes_at_a_restart_only() {
    let secured = Secured::start("");
    let config = std::fs::read_to_string(secured.folder().join("gateway.toml")).unwrap();
    let ca: PathBuf = secured.folder().join("ca.pem");
    let reload = |toml: &str| {
        file(secured.folder(), "gateway.toml", toml);
        secured.run(&["reload"])
    };
    let added = reload(&format!("{config}tls.client_ca = \"{}\"\n", ca.display()));
    assert!(added.stdout.contains("In effect after a restart:\n  tls.client_ca"), "{added:?}");
    let removed = reload("");
    assert!(removed.stdout.contains("In effect after a restart:\n  tls.certificate\n  tls.key"), "{removed:?}");
    assert_eq!(secured.run(&["health"]).code, 0);
}

#[test]
fn a_configuration_whose_certificates_do_not_fit_names_every_fault() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    authority.server().write(folder.path(), "server");
    file(folder.path(), "other.key", &authority.server().key);
    let check = |toml: &str| {
        let account = "[accounts.main]\nprotocol = \"paapi5\"\naccess_key = \"a\"\nsecret_key = \"b\"\npartner_tags.US = \"demo-20\"\n";
        file(folder.path(), "stockroom.toml", &format!("{toml}{account}"));
        ended(stockroom(folder.path()).arg("config"))
    };
    for (toml, fault) in [
        ("tls.certificate = \"server.pem\"\n", "tls.key: it is not set"),
        ("tls.certificate = \"server.pem\"\ntls.key = \"other.key\"\n", "the key is not that of the certificate"),
        ("tls.certificate = \"server.key\"\ntls.key = \"server.pem\"\n", "the file holds no certificate"),
        ("tls.certificate = \"none.pem\"\ntls.key = \"server.key\"\n", "the file cannot be read"),
        ("[callers.web]\nidentities = [\"spiffe://shop/web\"]\n", "nothing can prove it"),
        ("[callers.web]\nidentities = [\"a b\"]\ntoken = \"t\"\n", "expected a list of names"),
        ("listen = [\"127.0.0.1:1\"]\n", "a list is not accepted here"),
    ] {
        let checked = check(toml);
        assert!(checked.code == 64 && checked.stderr.contains(fault), "{fault}: {checked:?}");
    }
    assert_eq!(check("tls.certificate = \"server.pem\"\ntls.key = \"server.key\"\n").code, 0);
}
