//! A journal that every replica can add to and that all follow: a stream.
//!
//! Whoever follows it reads an entry at once while connected, and reads all stored entries after each connecting; an entry
//! may therefore be read more than once. A field that is no UTF-8 is skipped.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bb8_redis::redis::{self, RedisError, RedisResult};
use tokio::time::sleep;

use super::{Error, Store, connection::RedisConnection};

/// How long Redis holds a follower's question when there is nothing new. Longer saves nothing; shorter finds a
/// connection that died without a word sooner.
const HELD_FOR: Duration = Duration::from_secs(1);
/// How long a follower waits before it connects again.
const RECONNECT_AFTER: Duration = Duration::from_millis(250);
/// The most entries in one answer.
const ENTRIES_A_READ: usize = 1000;
const FIELD: &str = "entry";

/// A stream's answer: for each stream its entries, each with its id and its fields. Anybody may have written fields of any
/// bytes.
type StreamReply = Option<Vec<(Vec<u8>, Vec<(String, Vec<(Vec<u8>, Vec<u8>)>)>)>>;

impl Store {
    /// Adds an entry, and forgets those that are older than `keep`.
    pub async fn append(&self, journal: &str, text: &str, keep: Duration) -> Result<(), Error> {
        let oldest = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(keep).as_millis();
        self.run(async move |mut connection| {
            let mut add = redis::cmd("XADD");
            add.arg(journal).arg("MINID").arg("~").arg(oldest.to_string()).arg("*").arg(FIELD).arg(text);
            add.query_async::<String>(&mut connection).await.map(|_| ())
        })
        .await
    }

    /// Passes on every entry, the stored ones first, for as long as the future is polled.
    ///
    /// It has a connection of its own: the answer to its question may be a long time coming, and all that is asked over
    /// the same connection would wait behind it.
    pub async fn follow(&self, journal: &str, mut hear: impl FnMut(Vec<String>)) -> ! {
        let mut has_warned = false;
        loop {
            let error = match self.0.connector.connect_patient(HELD_FOR * 2).await {
                Ok(connection) => hear_until_it_breaks(connection, journal, &mut hear).await,
                Err(error) => error,
            };
            // An unreachable Redis is reported by the pause; a refusal to be followed is reported here.
            if !error.is_io_error() && !std::mem::replace(&mut has_warned, true) {
                tracing::warn!(journal, %error, "Redis does not let a journal be followed; trying on");
            }
            sleep(RECONNECT_AFTER).await;
        }
    }
}

async fn hear_until_it_breaks(
    mut connection: RedisConnection,
    journal: &str,
    hear: &mut impl FnMut(Vec<String>),
) -> RedisError {
    let mut from = "0".to_owned();
    loop {
        let reply = match read(&mut connection, journal, &from).await {
            Ok(reply) => reply,
            Err(error) => return error,
        };
        let mut heard = Vec::new();
        for (id, fields) in reply.into_iter().flatten().flat_map(|(_, entries)| entries) {
            let texts = fields.into_iter().filter(|(field, _)| field == FIELD.as_bytes());
            heard.extend(texts.filter_map(|(_, text)| String::from_utf8(text).ok()));
            from = id;
        }
        if !heard.is_empty() {
            hear(heard);
        }
    }
}

async fn read(connection: &mut RedisConnection, journal: &str, from: &str) -> RedisResult<StreamReply> {
    let mut read = redis::cmd("XREAD");
    read.arg("COUNT").arg(ENTRIES_A_READ).arg("BLOCK").arg(HELD_FOR.as_millis().to_string());
    read.arg("STREAMS").arg(journal).arg(from);
    read.query_async(connection).await
}
