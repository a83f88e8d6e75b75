//! Tries what a configuration names before a gateway serves it: secrets, the certificate, Redis, the accounts, the clock.
//!
//! Rule: nothing here costs a call to Amazon unless it is asked for. Then one call an account goes through the dispatcher,
//! which books it in the budget that the running replicas share.

use std::time::{Duration, SystemTime};

use secrecy::ExposeSecret;
use tokio::time::Instant;

use super::{cache, options, sharing, way};
use crate::{
    config::{self, AccountConfig, Config, TlsConfig},
    dispatch::{self, Dispatch, RequestContext},
    format,
    store::Store,
};
use amazon_catalog::{CatalogRequest, Locale, SearchItems};

/// The longest wait for Redis here; the gateway's own is usually too short for the first connection.
const REDIS_TIMEOUT: Duration = Duration::from_secs(2);
/// The fewest characters of a token that cannot be guessed: 16 of hexadecimal digits are 64 bits.
const MIN_TOKEN_LENGTH: usize = 16;
/// The difference between two clocks beyond which one of them is wrong. Amazon states whole seconds.
const MAX_CLOCK_DIFFERENCE: Duration = Duration::from_secs(30);

/// What was checked, and the result.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What was checked, as `account main`.
    pub subject: String,
    /// What was found, or what is wrong.
    pub result: Result<String, Problem>,
}

/// What is wrong.
#[derive(Clone, Debug)]
pub struct Problem {
    /// The problem.
    pub what: String,
    /// What to do about it.
    pub what_next: String,
}

/// A clock and by how much this machine's differs from it.
struct ClockDifference {
    of: String,
    difference: Duration,
}

/// Checks everything, in the order in which a start would need it. With `spend` each account makes one call.
pub async fn check(config: &Config, spend: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut add = |subject: &str, result| findings.push(Finding { subject: subject.to_owned(), result });
    let mut clocks = Vec::new();
    add("secrets", check_secrets(config));
    if let Some(tls) = &config.tls {
        add("tls", check_tls(tls, SystemTime::now()));
    }
    if let Some(redis) = &config.redis {
        add("redis", check_redis(config, redis, &mut clocks).await);
    }
    let shares_budget = findings.last().is_none_or(|last| last.subject != "redis" || last.result.is_ok());
    for account in &config.accounts {
        let result = match check_account(account, &mut clocks).await {
            Ok(found) if spend && shares_budget => {
                call(config, account).await.map(|called| format!("{found}; {called}"))
            }
            Ok(found) if spend => Ok(format!("{found}; no call was made, because Redis does not share its count")),
            checked => checked,
        };
        findings.push(Finding { subject: format!("account {}", account.name), result });
    }
    if !clocks.is_empty() {
        findings.push(Finding { subject: "clock".to_owned(), result: check_clocks(&clocks) });
    }
    findings
}

fn problem<T>(what: impl Into<String>, what_next: impl Into<String>) -> Result<T, Problem> {
    Err(Problem { what: what.into(), what_next: what_next.into() })
}

fn check_secrets(config: &Config) -> Result<String, Problem> {
    let is_short = |caller: &&config::CallerConfig| {
        let tokens = [&caller.token, &caller.previous_token];
        tokens.into_iter().flatten().any(|token| token.expose_secret().len() < MIN_TOKEN_LENGTH)
    };
    let short: Vec<&str> = config.callers.iter().filter(is_short).map(|caller| caller.name.as_str()).collect();
    if !short.is_empty() {
        let what = format!("a token of {} has fewer than {MIN_TOKEN_LENGTH} characters", short.join(", "));
        return problem(what, "make one with `openssl rand -hex 32`");
    }
    Ok(match config.callers.len() {
        0 => "those of the accounts were read; no callers are configured, so whoever reaches the port may call"
            .to_owned(),
        callers => format!("those of the accounts and of {callers} caller(s) were read"),
    })
}

fn check_tls(tls: &TlsConfig, now: SystemTime) -> Result<String, Problem> {
    let renew = "renew it, and replace the files of tls.certificate and tls.key";
    match tls.expires().duration_since(now) {
        Err(_) => problem("the certificate has expired", renew),
        Ok(left) if tls.warns_from() <= now => {
            problem(format!("the certificate expires in {}", format::duration(left)), renew)
        }
        Ok(left) => Ok(format!("the certificate expires in {}", format::duration(left))),
    }
}

async fn check_redis(
    config: &Config,
    redis: &config::RedisConfig,
    clocks: &mut Vec<ClockDifference>,
) -> Result<String, Problem> {
    let unusable = |error: &dyn std::error::Error| {
        let what_next = "check redis.url, its password and certificate, and the network between; without Redis the gateway \
            answers from memory and uses its offline quota";
        problem(with_causes(error), what_next)
    };
    let patient = config::RedisConfig { timeout: redis.timeout.max(REDIS_TIMEOUT), ..redis.clone() };
    let store = match Store::open(&patient) {
        Ok(store) => store,
        Err(error) => return unusable(&error),
    };
    let checked = match store.check().await {
        Ok(checked) => checked,
        Err(error) => return unusable(&error),
    };
    clocks.push(ClockDifference { of: "Redis".to_owned(), difference: difference(checked.time) });
    if let Some((command, error)) = checked.refused.first() {
        let commands: Vec<&str> = checked.refused.iter().map(|(command, _)| *command).collect();
        let what = format!("refuses {}: {}", commands.join(", "), with_causes(error));
        return problem(what, format!("grant {command} and the other commands of docs/operations.md#redis"));
    }
    let round_trip = format!("{:.1} ms", checked.round_trip.as_secs_f64() * 1000.0);
    if checked.round_trip > redis.timeout {
        let what = format!("a round trip takes {round_trip}, longer than redis.timeout");
        return problem(what, "move Redis closer, or raise redis.timeout");
    }
    let mut replicas = 0;
    for account in &config.accounts {
        match dispatch::replicas_with_lease(&store, &account.name, checked.time).await {
            Ok(count) => replicas = replicas.max(count),
            Err(error) => return unusable(&error),
        }
    }
    Ok(format!(
        "round trip {round_trip}, every command allowed, replicas running: {replicas} (replicas = {})",
        config.replicas
    ))
}

async fn check_account(account: &AccountConfig, clocks: &mut Vec<ClockDifference>) -> Result<String, Problem> {
    let upstream = match way(account) {
        Ok(way) => way.upstream(),
        Err(error) => return problem(with_causes(&error), format!("correct accounts.{}", account.name)),
    };
    match upstream.check_connection(account.timeout).await {
        Err(error) => refused(account, &error),
        Ok(found) => {
            clocks.extend(found.server_time.map(|time| ClockDifference {
                of: format!("Amazon ({})", account.name),
                difference: difference(time),
            }));
            let token = if found.has_token { "Amazon granted a token" } else { "Amazon can be reached" };
            Ok(token.to_owned())
        }
    }
}

/// Makes one call for the account, through the dispatcher.
async fn call(config: &Config, account: &AccountConfig) -> Result<String, Problem> {
    let Some((marketplace, _)) = account.partner_tags.first() else { return Ok("it serves no marketplace".to_owned()) };
    let built = config.redis.as_ref().map(Store::open).transpose().map_err(super::Error::from);
    let (store, way) = match built.and_then(|store| Ok((store, way(account)?))) {
        Ok(built) => built,
        Err(error) => return problem(with_causes(&error), format!("correct accounts.{}", account.name)),
    };
    let cache = std::sync::Arc::new(cache(config, store.clone()));
    let dispatch = Dispatch::start(vec![options(account, way.upstream(), &cache, sharing(config, store))]);
    let deadline = Instant::now() + account.timeout + config.server.default_deadline;
    let context = RequestContext::new("(check)", deadline);
    let search = SearchItems { keywords: Some("book".to_owned()), ..SearchItems::new(Locale::of(*marketplace)) };
    let answer = dispatch.fetch(CatalogRequest::Search(Box::new(search)), context).await;
    dispatch.stop().await;
    match answer.map_err(|failure| failure.error) {
        Ok(_) => Ok(format!("one call in {} was answered", marketplace.code())),
        Err(dispatch::Error::Upstream(error)) => refused(account, &error),
        Err(error) => problem(with_causes(&error), "try again later; the account's budget is spent or in use"),
    }
}

fn refused<T>(account: &AccountConfig, error: &amazon_catalog::Error) -> Result<T, Problem> {
    let what_next = match error {
        amazon_catalog::Error::Refused { refusal, .. } => refusal.what_next().to_owned(),
        amazon_catalog::Error::Unreachable { .. } | amazon_catalog::Error::TimedOut { .. } => {
            format!("check DNS, the egress to port 443 and accounts.{}.proxy", account.name)
        }
        _ => "try again later".to_owned(),
    };
    let request_id = error.request_id().map(|id| format!(" (request id {id})")).unwrap_or_default();
    problem(format!("{}{request_id}", with_causes(error)), what_next)
}

fn check_clocks(clocks: &[ClockDifference]) -> Result<String, Problem> {
    let text: Vec<String> =
        clocks.iter().map(|clock| format!("{} from {}", format::duration(clock.difference), clock.of)).collect();
    let text = text.join(", ");
    if clocks.iter().any(|clock| clock.difference > MAX_CLOCK_DIFFERENCE) {
        return problem(
            text,
            "set this machine's clock, with NTP; Amazon refuses signatures that are off by 15 minutes",
        );
    }
    Ok(text)
}

/// The difference between this machine's clock and another.
fn difference(other: SystemTime) -> Duration {
    let now = SystemTime::now();
    now.duration_since(other).unwrap_or_else(|later| later.duration())
}

/// An error with all its causes.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
