//! Asks Redis about one account's budget: key names, arguments, the script and its reply.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, LazyLock},
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};

use super::{
    MAX_RETRY_AFTER,
    day_counters::{DAY_MINUTES, MinuteCounters},
    rate_limit::{CLEAN_INTERVAL, MIN_RATE},
    shared::{BUSY, GRACE, LEASE, OFFLINE_FULL, OFFLINE_RESIDUAL, RESIDUAL, RESIDUAL_WINDOW, SETTLE_TIME},
    time_slots::{SEND_WINDOW, SLOT},
};
use crate::{
    dispatch::Options,
    store::{self, Script, Store},
};

static BUDGET: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("budget.lua")));
/// Minutes of counters in one reply.
const PAGE_MINUTES: u32 = 240;

/// One account's budget in Redis.
#[derive(Debug)]
pub(super) struct BudgetScript {
    store: Store,
    account: String,
    keys: [String; 3],
    replica: Arc<str>,
    settings: String,
    has_answered: bool,
}

/// The limits and every constant that the script shares with this code.
#[derive(Serialize)]
struct ScriptSettings {
    limit: u32,
    rate: f64,
    replicas: u32,
    day_minutes: u64,
    lease_ms: u64,
    settle_ms: u64,
    offline_ms: u64,
    forget_ms: u64,
    residual: f64,
    residual_window_ms: u64,
    clean_ms: u64,
    min_rate: f64,
    max_retry_after_ms: u64,
    grace_ms: u64,
    busy_ms: u64,
    slot: f64,
    send_window: f64,
    page: u32,
}

/// What is asked.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Question<'a> {
    Acquire {
        caller: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        caller_quota: Option<u32>,
        is_refresh: bool,
        has_more: bool,
        born: u64,
    },
    Throttled {
        sent_ms: u64,
        retry_after_ms: u64,
    },
    GiveBack {
        caller: &'a str,
        at_ms: u64,
    },
    Written {
        sent_ms: u64,
    },
    Sync {
        from: u64,
        report: BTreeMap<u64, &'a MinuteCounters>,
        is_offline: bool,
        /// Whether to count the day's totals anew from the counters.
        rebuild: bool,
        #[serde(flatten)]
        slowdown: Option<Slowdown>,
    },
    Release {},
}

/// The rate and the pause of a replica that slowed down without Redis.
#[derive(Debug, Serialize)]
pub(super) struct Slowdown {
    pub(super) rate: f64,
    pub(super) hold_ms: u64,
}

/// What Redis answers.
#[derive(Debug, Deserialize)]
pub(super) struct ScriptReply {
    pub(super) verdict: Verdict,
    /// The time, in milliseconds since 1970.
    pub(super) now: u64,
    /// How long until a permit may be asked for again.
    #[serde(default)]
    pub(super) wait_ms: u64,
    /// The account's calls a second right now.
    #[serde(default)]
    pub(super) rate: f64,
    /// The predicted time between two calls of this replica.
    #[serde(default)]
    pub(super) interval_ms: u64,
    /// The slot in which the replica may call if Redis becomes unreachable; below 0: none.
    #[serde(default)]
    pub(super) slot: i64,
    /// The calls it may make then.
    #[serde(default)]
    pub(super) quota: u32,
    /// The calls of the past day.
    #[serde(default)]
    pub(super) spent: u32,
    /// When the counters in Redis began. They have lost all that is older.
    #[serde(default)]
    pub(super) born: u64,
    /// Counters by minute, each as JSON.
    #[serde(default)]
    minutes: Option<HashMap<u64, String>>,
    /// The first minute after those.
    #[serde(default)]
    pub(super) next_minute: u64,
}

/// What became of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    /// Done.
    Ok,
    /// The call may be sent and is booked.
    Granted,
    /// Not yet.
    Wait,
    /// The counters in Redis are new: this replica must report what it knows first.
    Report,
    /// The day is spent.
    Spent,
    /// The caller's quota is spent.
    CallerSpent,
    /// The question came after its time and was not taken. Its time is right all the same.
    Late,
}

impl Question<'_> {
    fn operation(&self) -> &'static str {
        match self {
            Self::Acquire { .. } => "acquire",
            Self::Throttled { .. } => "throttled",
            Self::GiveBack { .. } => "give_back",
            Self::Written { .. } => "written",
            Self::Sync { .. } => "sync",
            Self::Release {} => "release",
        }
    }
}

impl ScriptReply {
    /// The counters that came with it; those that do not read are left out.
    pub(super) fn counters(&self) -> impl Iterator<Item = (u64, MinuteCounters)> {
        let minutes = self.minutes.iter().flatten();
        minutes.filter_map(|(minute, json)| Some((*minute, serde_json::from_str(json).ok()?)))
    }

    fn parse(text: &str) -> Option<Self> {
        let reply: Self = serde_json::from_str(text).ok()?;
        let is_rate = reply.rate.is_finite() && reply.rate > 0.0;
        (reply.verdict == Verdict::Late || is_rate).then_some(reply)
    }
}

impl BudgetScript {
    pub(super) fn new(store: Store, replica: &Arc<str>, options: &Options) -> Self {
        let keys = ["day", "pace", "members"].map(|of| key_name(&store, &options.name, of));
        let settings = ScriptSettings {
            limit: options.calls_per_day,
            rate: options.calls_per_second,
            replicas: options.sharing.replicas.max(1),
            day_minutes: DAY_MINUTES,
            lease_ms: ms(LEASE),
            settle_ms: ms(SETTLE_TIME),
            offline_ms: ms(OFFLINE_FULL),
            forget_ms: ms(OFFLINE_RESIDUAL),
            residual: RESIDUAL,
            residual_window_ms: ms(RESIDUAL_WINDOW),
            clean_ms: ms(CLEAN_INTERVAL),
            min_rate: MIN_RATE,
            max_retry_after_ms: ms(MAX_RETRY_AFTER),
            grace_ms: ms(GRACE),
            busy_ms: ms(BUSY),
            slot: SLOT,
            send_window: SEND_WINDOW,
            page: PAGE_MINUTES,
        };
        Self {
            store,
            account: options.name.clone(),
            keys,
            replica: Arc::clone(replica),
            // Numbers and nothing else.
            settings: serde_json::to_string(&settings).unwrap_or_default(),
            has_answered: false,
        }
    }

    pub(super) fn account(&self) -> &str {
        &self.account
    }

    /// Asks once, within the store's timeout. `None`: there is no answer, and the question may have been taken all the same,
    /// but not after `until_ms` by Redis' clock.
    pub(super) async fn ask(&mut self, question: &Question<'_>, until_ms: u64) -> Option<ScriptReply> {
        // Before the first answer nobody knows what time it is there.
        let until_ms = if self.has_answered { until_ms } else { 0 };
        let operation = question.operation();
        let arguments = [
            operation.to_owned(),
            self.replica.to_string(),
            self.settings.clone(),
            until_ms.to_string(),
            serde_json::to_string(question).unwrap_or_default(),
        ];
        let account = self.account.as_str();
        match self.store.eval::<String>(&BUDGET, &self.keys, &arguments).await {
            Ok(text) => {
                let reply = ScriptReply::parse(&text);
                if reply.is_none() {
                    tracing::warn!(account, operation, "Redis' answer about the budget cannot be read");
                }
                self.has_answered |= reply.is_some();
                reply
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::debug!(account, operation, error, "Redis did not answer about the budget");
                None
            }
        }
    }
}

/// How many replicas of an account have a lease in Redis that has not ended at that time by Redis' clock.
pub(crate) async fn replicas_with_lease(store: &Store, account: &str, now: SystemTime) -> Result<usize, store::Error> {
    static MEMBERS: LazyLock<Script> = LazyLock::new(|| Script::new("return redis.call('HGETALL', KEYS[1])"));
    let members: Vec<String> = store.eval(&MEMBERS, &[key_name(store, account, "members")], &[""]).await?;
    let now_ms = ms(now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default());
    let lease_end = |json: &String| serde_json::from_str::<serde_json::Value>(json).ok()?.get("lease")?.as_u64();
    Ok(members.iter().skip(1).step_by(2).filter_map(lease_end).filter(|end| now_ms <= *end).count())
}

/// The name holds the account's name in the configuration, which must be the same for all replicas. The braces are part of
/// the name: they keep an account in one hash slot of a cluster.
fn key_name(store: &Store, account: &str, of: &str) -> String {
    format!("{}:v2:budget:{{{account}}}:{of}", store.prefix())
}

pub(super) fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_read_whole_or_not_at_all() {
        let text = r#"{"verdict":"granted","now":1800000000000,"wait_ms":50,"rate":0.5,"interval_ms":2000,"slot":-1,
            "quota":3,"spent":2,"born":1,"minutes":{"7":"{\"r a\":[2,1]}","8":"garbage"},"next_minute":9}"#;
        let reply = ScriptReply::parse(text).unwrap();
        assert_eq!((reply.verdict, reply.slot, reply.next_minute), (Verdict::Granted, -1, 9));
        assert_eq!(reply.counters().map(|(minute, counters)| (minute, counters.len())).collect::<Vec<_>>(), [(7, 1)]);
        assert_eq!(ScriptReply::parse(r#"{"verdict":"late","now":7}"#).map(|reply| reply.now), Some(7));
        let faulty = ["", "[]", r#"{"verdict":"ok","now":1,"rate":0}"#, r#"{"verdict":"ok","now":-1,"rate":1}"#];
        assert!(faulty.iter().all(|text| ScriptReply::parse(text).is_none()));
    }
}
