//! Finds out whether Redis can be used: how long a round trip takes, what time it is there, and which of the commands that
//! the gateway needs are refused.

use std::time::{Duration, SystemTime};

use bb8_redis::redis::{self, Cmd, Value};
use tokio::time::Instant;

use super::{Error, Store};

/// How long what the check writes is kept.
const KEEP_MS: &str = "10000";
/// A script that needs the rights of the budget's script.
const SCRIPT: &str = "return redis.call('TIME')";

/// What a check of Redis found out.
#[derive(Debug)]
pub struct RedisCheck {
    /// The time between a question and its answer.
    pub round_trip: Duration,
    /// The time by the clock of Redis.
    pub time: SystemTime,
    /// The commands that Redis refuses, with its reasons.
    pub refused: Vec<(&'static str, Error)>,
}

impl Store {
    /// Tries every command that the gateway uses, on keys of its own below the prefix. The error says why Redis cannot be
    /// used at all.
    pub async fn check(&self) -> Result<RedisCheck, Error> {
        // The first question also waits for a connection.
        self.try_command(&redis::cmd("PING")).await?;
        let asked = Instant::now();
        let (seconds, micros): (u64, u64) =
            self.run(async |mut connection| redis::cmd("TIME").query_async(&mut connection).await).await?;
        let round_trip = asked.elapsed();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_micros(micros.min(999_999));
        let mut refused = Vec::new();
        for (name, command) in self.commands() {
            match self.try_command(&command).await {
                Ok(()) => {}
                Err(error @ Error::Failed(_)) => refused.push((name, error)),
                Err(error) => return Err(error),
            }
        }
        Ok(RedisCheck { round_trip, time, refused })
    }

    async fn try_command(&self, command: &Cmd) -> Result<(), Error> {
        self.run(async |mut connection| command.query_async::<Value>(&mut connection).await.map(drop)).await
    }

    /// The commands of docs/operations.md, each with arguments with which it does no harm.
    fn commands(&self) -> Vec<(&'static str, Cmd)> {
        // The braces keep the keys in one hash slot of a cluster.
        let key = |kind: &str| format!("{}:{{check}}:{kind}", self.prefix());
        let (text, hash, stream) = (&*key("text"), &*key("hash"), &*key("stream"));
        let digest = redis::Script::new(SCRIPT);
        let list: [(&'static str, &[&str]); 18] = [
            ("SET", &[text, "1", "PX", KEEP_MS]),
            ("GET", &[text]),
            ("MGET", &[text]),
            ("TYPE", &[text]),
            ("PEXPIRE", &[text, KEEP_MS]),
            ("DEL", &[text]),
            ("HSET", &[hash, "field", "1"]),
            ("HGET", &[hash, "field"]),
            ("HMGET", &[hash, "field"]),
            ("HGETALL", &[hash]),
            ("HINCRBY", &[hash, "field", "1"]),
            ("HDEL", &[hash, "field"]),
            ("XADD", &[stream, "MAXLEN", "1", "*", "field", "1"]),
            ("XREAD", &["COUNT", "1", "STREAMS", stream, "0"]),
            ("PEXPIRE", &[stream, KEEP_MS]),
            ("EVAL", &[SCRIPT, "1", text]),
            ("SCRIPT LOAD", &["LOAD", SCRIPT]),
            ("EVALSHA", &[digest.get_hash(), "1", text]),
        ];
        let command = |(name, arguments): (&'static str, &[&str])| {
            let mut command = redis::cmd(name.split(' ').next().unwrap_or(name));
            command.arg(arguments);
            (name, command)
        };
        list.into_iter().map(command).collect()
    }
}
