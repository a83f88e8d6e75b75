//! What `stockroom serve` prints on stdout once its ports are open: text for people, or one JSON line with `log.format = "json"`.

use std::net::SocketAddr;

use serde_json::json;

use crate::{
    cli::sandbox,
    config::{AccountConfig, Config, LogFormat},
    format,
};

/// The greeting, with its last line end.
pub(super) fn text(config: &Config, address: SocketAddr, admin: Option<SocketAddr>) -> String {
    match config.log.format {
        LogFormat::Json => one_line(config, address, admin),
        LogFormat::Auto | LogFormat::Pretty => for_people(config, address, admin),
    }
}

fn one_line(config: &Config, address: SocketAddr, admin: Option<SocketAddr>) -> String {
    let account = |account: &AccountConfig| {
        json!({
            "name": account.name,
            "marketplaces": codes(account),
            "endpoint": account.endpoint.as_ref().map(ToString::to_string),
            "calls_per_second": account.calls_per_second,
            "calls_per_day": account.calls_per_day,
        })
    };
    let line = json!({
        "level": "INFO",
        "message": "listening",
        "version": env!("CARGO_PKG_VERSION"),
        "address": address,
        "admin_address": admin,
        "tls": config.tls.is_some(),
        "sandbox": config.sandbox,
        "accounts": config.accounts.iter().map(account).collect::<Vec<_>>(),
        "callers": config.callers.iter().map(|caller| &caller.name).collect::<Vec<_>>(),
    });
    format!("{line}\n")
}

fn for_people(config: &Config, address: SocketAddr, admin: Option<SocketAddr>) -> String {
    let mut text = format!("Stockroom {}, listening on {address}\n", env!("CARGO_PKG_VERSION"));
    if let Some(admin) = admin {
        text.push_str(&format!("  status page and metrics: http://{}\n", reachable(admin)));
    }
    for account in &config.accounts {
        let from = account.endpoint.as_ref().map_or("Amazon".to_owned(), ToString::to_string);
        let calls = if account.calls_per_second == 1.0 { "call" } else { "calls" };
        let day = format::number(account.calls_per_day);
        let rate = format!("{} {calls} a second, {day} a day", account.calls_per_second);
        text.push_str(&format!("  account {}: {} from {from}; {rate}\n", account.name, codes(account).join(" ")));
    }
    if config.sandbox {
        text.push_str("  all products are invented\n");
    }
    let callers: Vec<&str> = config.callers.iter().map(|caller| caller.name.as_str()).collect();
    let callers = if callers.is_empty() { "anybody".to_owned() } else { callers.join(", ") };
    text.push_str(&format!("  callers: {callers}\n"));
    text.push_str(&examples(address, config));
    text
}

fn codes(account: &AccountConfig) -> Vec<&'static str> {
    account.partner_tags.iter().map(|(marketplace, _)| marketplace.code()).collect()
}

fn examples(address: SocketAddr, config: &Config) -> String {
    let address = reachable(address);
    let (server, grpcurl) = if config.tls.is_some() {
        (format!(" --server https://{address} --ca-file ca.pem"), "-cacert ca.pem")
    } else if address == SocketAddr::from(([127, 0, 0, 1], 50051)) {
        // The default of the client needs no flag.
        (String::new(), "-plaintext")
    } else {
        (format!(" --server http://{address}"), "-plaintext")
    };
    let [first, second] = sandbox::EXAMPLE_ASINS.filter(|_| config.sandbox).unwrap_or(["ASIN", "ASIN"]);
    format!(
        "\nTry:\n  stockroom search wireless headphones{server}\n  stockroom compare {first} {second}{server}\n  \
         grpcurl {grpcurl} -d '{{\"query\":{{\"keywords\":\"wireless headphones\"}}}}' {address} \
         stockroom.v1.SearchService/SearchProducts\n\n"
    )
}

/// The address to call: a port that is open on every interface is called on this machine.
fn reachable(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() { SocketAddr::from(([127, 0, 0, 1], address.port())) } else { address }
}
