//! Asks Redis about one account's budget: names, arguments and the script.

use std::sync::LazyLock;

use uuid::Uuid;

use super::answer::ScriptReply;
use crate::{
    dispatch::Options,
    store::{Script, Store},
};

static BUDGET: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("budget.lua")));

/// The way to one account's budget.
#[derive(Debug)]
pub(super) struct Link {
    store: Store,
    account: String,
    keys: [String; 3],
    replica: String,
    /// Calls a day, calls a second and replicas, as the script reads them.
    limits: [String; 3],
    has_reached: bool,
}

impl Link {
    /// The names hold the account's name in the configuration, which must be the same for all replicas. The braces are
    /// really there: they keep an account in one place of a cluster.
    pub(super) fn new(store: Store, replica: Uuid, options: &Options) -> Self {
        let name = |of: &str| format!("{}:v1:budget:{{{}}}:{of}", store.prefix(), options.name);
        let keys = [name("day"), name("pace"), name("members")];
        Self {
            store,
            account: options.name.clone(),
            keys,
            replica: replica.simple().to_string(),
            limits: [
                options.calls_per_day.to_string(),
                options.calls_per_second.to_string(),
                options.replicas.max(1).to_string(),
            ],
            has_reached: false,
        }
    }

    pub(super) fn account(&self) -> &str {
        &self.account
    }

    /// Asks once, within the store's bound. `None`: there is no answer, and the question may have been taken all the same,
    /// but not after `until`, in milliseconds by Redis' clock.
    pub(super) async fn ask(&mut self, op: &str, until: u64, rate: f64, words: &[String]) -> Option<ScriptReply> {
        // Before the first answer nobody knows what time it is there.
        let until = if self.has_reached { until } else { 0 };
        let mut arguments = vec![op.to_owned(), self.replica.clone()];
        arguments.extend(self.limits.iter().cloned());
        arguments.extend([until.to_string(), rate.to_string()]);
        arguments.extend_from_slice(words);
        match self.store.eval::<Vec<String>>(&BUDGET, &self.keys, &arguments).await {
            Ok(told) => {
                let answer = ScriptReply::parse(&told)?;
                self.has_reached = true;
                Some(answer)
            }
            Err(error) => {
                tracing::debug!(account = self.account, error = &error as &dyn std::error::Error, op, "no answer");
                None
            }
        }
    }
}
