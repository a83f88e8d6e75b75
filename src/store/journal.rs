//! A journal that every replica can add to and that all follow: a stream.
//!
//! It is push and catch-up in one. Whoever follows hears of an entry at once while connected, and hears of all that is
//! kept whenever it has connected anew; an entry may therefore be heard more than once.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use redis::RedisResult;
use tokio::time::sleep;

use super::{Error, Store, connection::Connection};

/// How long Redis holds a follower's question when there is nothing new. Longer saves nothing; shorter finds a
/// connection that died without a word sooner.
const HELD_FOR: Duration = Duration::from_secs(1);
/// How long a follower waits before it connects again.
const RECONNECT_AFTER: Duration = Duration::from_millis(250);
/// The most entries in one answer.
const ENTRIES_A_READ: usize = 1000;
const FIELD: &str = "entry";

/// A stream's answer: for each stream its entries, each with its id and its fields.
type Told = Option<Vec<(String, Vec<(String, Vec<(String, String)>)>)>>;

/// Something that was added to a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When, by Redis's clock, to the millisecond and never too early.
    pub at: SystemTime,
    /// What.
    pub text: String,
}

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

    /// Hears every entry, the kept ones first, for as long as the future is polled.
    ///
    /// It has a connection of its own: the answer to its question may be a long time coming, and all that is asked over
    /// the same connection would wait behind it.
    pub async fn follow(&self, journal: &str, mut hear: impl FnMut(Vec<Entry>)) -> ! {
        loop {
            if let Ok(mut connection) = self.0.connector.connect_patient(HELD_FOR * 2).await {
                let mut from = "0".to_owned();
                while let Ok(told) = read(&mut connection, journal, &from).await {
                    let entries = told.into_iter().flatten().flat_map(|(_, entries)| entries);
                    let heard: Vec<Entry> = entries
                        .filter_map(|(id, fields)| {
                            let entry = entry(&id, fields);
                            from = id;
                            entry
                        })
                        .collect();
                    if !heard.is_empty() {
                        hear(heard);
                    }
                }
            }
            sleep(RECONNECT_AFTER).await;
        }
    }
}

async fn read(connection: &mut Connection, journal: &str, from: &str) -> RedisResult<Told> {
    let mut read = redis::cmd("XREAD");
    read.arg("COUNT").arg(ENTRIES_A_READ).arg("BLOCK").arg(HELD_FOR.as_millis().to_string());
    read.arg("STREAMS").arg(journal).arg(from);
    read.query_async(connection).await
}

fn entry(id: &str, fields: Vec<(String, String)>) -> Option<Entry> {
    let ms: u64 = id.split_once('-')?.0.parse().ok()?;
    let (_, text) = fields.into_iter().find(|(field, _)| field == FIELD)?;
    Some(Entry { at: UNIX_EPOCH.checked_add(Duration::from_millis(ms + 1))?, text })
}
