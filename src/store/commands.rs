//! The few things that are said to Redis.

use std::time::Duration;

use bb8_redis::redis::{self, FromRedisValue, ToRedisArgs};
use bytes::Bytes;
use futures_util::future::{join_all, try_join_all};

use super::{Error, Store};

/// The most keys in one MGET. Answers over one connection queue, and 50 products are 60 KB.
const KEYS_A_READ: usize = 50;

/// A Lua script, sent whole only when Redis does not know it.
#[derive(Debug)]
pub struct Script(redis::Script);

impl Script {
    /// A script by its source. It may name only keys of one hash slot.
    pub fn new(source: &str) -> Self {
        Self(redis::Script::new(source))
    }
}

impl Store {
    /// What is kept under each key, in their order. What is no string counts as not there.
    pub async fn read(&self, keys: &[String]) -> Result<Vec<Option<Bytes>>, Error> {
        let reads = keys.chunks(KEYS_A_READ).map(|keys| {
            self.run(async move |mut connection| {
                redis::cmd("MGET").arg(keys).query_async::<Vec<Option<Bytes>>>(&mut connection).await
            })
        });
        Ok(try_join_all(reads).await?.into_iter().flatten().collect())
    }

    /// Keeps values for a time each, which is cut to whole milliseconds and must be one at least. An error says that some
    /// were not kept.
    pub async fn write(&self, entries: &[(String, Bytes, Duration)]) -> Result<(), Error> {
        self.run(async move |connection| {
            // Sent together: a connection writes what is waiting as one. A pipeline would do the same on a single server,
            // and be refused by a cluster for keys of two slots.
            let writes = entries.iter().map(|(key, value, keep)| {
                let mut connection = connection.clone();
                async move {
                    let keep_ms = u64::try_from(keep.as_millis()).unwrap_or(u64::MAX);
                    let mut set = redis::cmd("SET");
                    set.arg(key).arg(&**value).arg("PX").arg(keep_ms);
                    set.query_async::<()>(&mut connection).await
                }
            });
            join_all(writes).await.into_iter().collect()
        })
        .await
    }

    /// Runs a script. Its keys must be of one hash slot.
    pub async fn eval<T: FromRedisValue>(
        &self,
        script: &Script,
        keys: &[String],
        arguments: &[impl ToRedisArgs],
    ) -> Result<T, Error> {
        self.run(async move |mut connection| {
            let mut invocation = script.0.prepare_invoke();
            invocation.key(keys).arg(arguments);
            invocation.invoke_async(&mut connection).await
        })
        .await
    }
}
