//! The account's budget, shared by all replicas through Redis and never guessed.
//!
//! Every call has Redis' leave before it leaves, from one script that knows the pace, the day and who else is there. Each
//! replica also holds the whole day itself, so that Redis may lose it: what Redis lacks, any replica adds again.
//!
//! While Redis answers, each replica renews a number, and with it a promise: the calls it may make on its own if Redis
//! goes away. The promises never add up to more than is left. Without Redis a replica waits until Redis, if only this
//! replica cannot reach it, knows it as missing and leaves its slots and its promise to it; then it calls in its own slots
//! within its promise, and within its part of what leaves the day's window since. When Redis is back, it first tells what
//! it did and only then asks for leave again.
//!
//! A replica that has not reached Redis since it started has no number and makes no calls, unless it is the only one: then
//! it counts from its start, as one without Redis does.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::time::Instant;
use uuid::Uuid;

use self::{answer::ScriptReply, link::Link, slots::Slots};
use super::{
    Options,
    account_clock::AccountClock,
    allowance::Permit,
    budget::{Day, Pace},
};
use crate::store::Store;

mod answer;
mod link;
mod slots;

/// How often totals are told and heard and the number is renewed. A number is kept for 2.5 s.
const TICK: Duration = Duration::from_secs(1);
/// How soon Redis is asked again when it has not answered, or has more to tell.
const AGAIN: Duration = Duration::from_millis(100);
/// How long a number is kept in Redis. The script has the same.
const LEASE: Duration = Duration::from_millis(2500);
/// How long ago a call may be heard of and still be news: two ticks and a bit.
const NEWS_MS: u64 = 2500;
/// By how much calls are asked for again that may have been added late: twice the lease.
const OVERLAP_MS: u64 = 5000;
/// What is told and heard in one question.
const PAGE: usize = 500;
const PAGE_HEARD: usize = 1000;
/// What is told as the wait where no end is known.
const NO_END: Duration = Duration::from_secs(60);

/// What a replica knows of its account.
#[derive(Debug)]
pub(crate) struct LocalBudget {
    pub(crate) pace: Pace,
    pub(crate) day: Day,
    pub(crate) clock: AccountClock,
}

/// One account's part in the shared budget.
#[derive(Debug)]
pub(crate) struct Shared {
    link: Link,
    slots: Slots,
    replicas: u32,
    timeout: Duration,
    /// Which of the replicas it is, once that is known.
    number: Option<u32>,
    promise: u32,
    /// Since when as many others run as may. One of them may have been killed, and its lease is about to end.
    surplus_since: Option<Instant>,
    /// Whether that has lasted longer than a lease.
    is_surplus: bool,
    alone: Option<Alone>,
    /// Calls that Redis may lack.
    untold: VecDeque<(u64, Arc<str>)>,
    /// From when on calls may be unheard of.
    heard_ms: u64,
    tick_at: Instant,
}

/// Since when Redis is away, and what may be spent without it.
#[derive(Debug)]
struct Alone {
    since: SystemTime,
    since_ms: u64,
    quiet_until: Instant,
    /// The calls of the day at that time.
    spent: u32,
}

impl Shared {
    pub(crate) fn new(store: Store, replica: Uuid, options: &Options, now: Instant) -> Self {
        let (replicas, timeout) = (options.replicas.max(1), store.timeout());
        let interval = Duration::from_secs_f64(1.0 / options.calls_per_second);
        let is_only = replicas == 1;
        Self {
            link: Link::new(store, replica, options),
            slots: Slots::new(options.calls_per_second, replicas),
            replicas,
            timeout,
            number: is_only.then_some(0),
            promise: if is_only { options.calls_per_day } else { 0 },
            surplus_since: None,
            is_surplus: false,
            alone: Some(Alone {
                since: SystemTime::now(),
                since_ms: 0,
                quiet_until: now + quiet(timeout, interval),
                spent: 0,
            }),
            untold: VecDeque::new(),
            heard_ms: 0,
            tick_at: now,
        }
    }

    pub(crate) fn tick_at(&self) -> Instant {
        self.tick_at
    }

    pub(crate) fn alone_since(&self) -> Option<SystemTime> {
        self.alone.as_ref().map(|alone| alone.since)
    }

    /// When leave may be asked for.
    pub(crate) fn next(&self, known: &LocalBudget, now: Instant) -> Instant {
        let Some(alone) = &self.alone else {
            return match self.number {
                Some(_) => known.pace.next(),
                None if self.is_surplus => now + NO_END,
                None => self.surplus_since.map_or(self.tick_at, |since| (since + LEASE + TICK).max(self.tick_at)),
            };
        };
        if alone.quiet_until > now && self.number.is_none() {
            return alone.quiet_until;
        }
        let Some(number) = self.number.filter(|_| self.may_spend(alone, &known.day, known.clock.ms(now))) else {
            return now + NO_END;
        };
        let from = now.max(known.pace.next()).max(alone.quiet_until);
        let from_ms = known.clock.ms(from);
        from + Duration::from_millis(self.slots.next(number, from_ms).saturating_sub(from_ms))
    }

    /// Asks for leave for one call.
    pub(crate) async fn take(&mut self, known: &mut LocalBudget, call: Arc<str>) -> Permit {
        let now = Instant::now();
        if self.alone.is_some() {
            let at_ms = known.clock.ms(now);
            known.pace.spend(now);
            known.pace.hold(now + known.pace.interval().saturating_mul(self.replicas));
            known.day.spend(Arc::clone(&call), at_ms);
            self.untold.push_back((at_ms, call));
            return Permit::Granted;
        }
        let Some(answer) = self.ask(known, "take", &[call.to_string()]).await else {
            // It may have been counted.
            self.promise = self.promise.saturating_sub(1);
            self.lose(known);
            return Permit::NotYet;
        };
        if answer.goes {
            known.day.spend(call, answer.now_ms);
            return Permit::Granted;
        }
        if answer.spent >= known.day.limit() {
            // Others spent the rest; who did is heard at once.
            self.tick_at = Instant::now();
            known.pace.hold(Instant::now() + AGAIN);
        }
        Permit::NotYet
    }

    /// Amazon throttled: all replicas slow down.
    pub(crate) async fn throttled(&mut self, known: &mut LocalBudget, retry_after: Option<Duration>) {
        if self.alone.is_none() {
            let pause = retry_after.unwrap_or_default().as_millis().to_string();
            if self.ask(known, "throttled", &[pause]).await.is_some() {
                return;
            }
            self.lose(known);
        }
        known.pace.throttled(Instant::now(), retry_after);
    }

    /// Tells and hears what was spent, and finds out whether Redis is back.
    pub(crate) async fn tick(&mut self, known: &mut LocalBudget) -> usize {
        let told = self.untold.len().min(PAGE);
        let pause = known.pace.next().saturating_duration_since(Instant::now());
        let mut words = vec![self.heard_ms.to_string(), pause.as_millis().to_string()];
        words.extend(self.untold.iter().take(told).flat_map(|(at, call)| [at.to_string(), call.to_string()]));
        let op = if self.alone.is_some() { "return" } else { "sync" };
        let Some(answer) = self.ask(known, op, &words).await else {
            if self.alone.is_some() {
                known.clock.set_by_wall(Instant::now());
            } else {
                self.lose(known);
            }
            self.tick_at = Instant::now() + AGAIN;
            return 0;
        };
        self.untold.drain(..told);
        let news = self.hear(known, &answer);
        let is_back = self.alone.is_some() && self.untold.is_empty();
        if is_back {
            tracing::info!(account = self.link.account(), "the budget is shared through Redis");
            self.alone = None;
        }
        let is_more = is_back || answer.calls.len() >= PAGE_HEARD || !self.untold.is_empty();
        self.tick_at = Instant::now() + if is_more { Duration::ZERO } else { TICK };
        news
    }

    /// Gives up its number.
    pub(crate) async fn leave(&mut self, known: &mut LocalBudget) {
        if self.alone.is_none() {
            // Where it fails, the number runs out.
            let _ = self.ask(known, "leave", &[]).await;
        }
    }

    /// Puts together what Redis and this replica know of the day; gives back how many calls are new and of just now.
    fn hear(&mut self, known: &mut LocalBudget, answer: &ScriptReply) -> usize {
        let news = answer
            .calls
            .iter()
            .filter(|(at, call)| known.day.spend(Arc::clone(call), *at) && *at + NEWS_MS > answer.now_ms);
        let news = news.count();
        match answer.calls.last() {
            Some((last, _)) if answer.calls.len() >= PAGE_HEARD => self.heard_ms = *last,
            _ => {
                self.heard_ms = answer.now_ms.saturating_sub(OVERLAP_MS);
                if self.untold.is_empty() && known.day.spent(answer.now_ms) != answer.spent {
                    // One of the two lacks something: all is told and heard again.
                    self.untold = known.day.calls().cloned().collect();
                    self.heard_ms = 0;
                }
            }
        }
        news
    }

    /// Asks Redis, and takes in what any answer tells.
    async fn ask(&mut self, known: &mut LocalBudget, op: &str, words: &[String]) -> Option<ScriptReply> {
        let now = Instant::now();
        // The clock is behind by what an answer took, and the question is given up after as long again.
        let until = known.clock.ms(now) + 2 * u64::try_from(self.timeout.as_millis()).unwrap_or(u64::MAX);
        let answer = self.link.ask(op, until, known.pace.rate(), words).await?;
        let now = Instant::now();
        known.clock.set(answer.now_ms, now);
        if self.alone.is_none() || op == "return" {
            known.pace.follow(answer.rate, now + answer.wait);
        }
        if op != "return" {
            self.number = answer.number;
            let is_surplus = answer.number.is_none() && op != "leave";
            self.surplus_since = is_surplus.then(|| self.surplus_since.unwrap_or_else(Instant::now));
            let is_surplus = self.surplus_since.is_some_and(|since| since.elapsed() > LEASE + TICK);
            if is_surplus && !self.is_surplus {
                let (account, replicas) = (self.link.account(), self.replicas);
                tracing::warn!(account, replicas, "more replicas run than `replicas` says; this one makes no calls");
            }
            self.is_surplus = is_surplus;
            // While Redis is still being told of the day, it promises too much.
            let left = known.day.limit().saturating_sub(known.day.spent(answer.now_ms));
            self.promise = answer.promise.min(left / self.replicas);
        }
        Some(answer)
    }

    /// Redis is away. Its last answers may have been given to questions that nobody waits for any more.
    fn lose(&mut self, known: &mut LocalBudget) {
        let now = Instant::now();
        let since_ms = known.clock.ms(now);
        tracing::warn!(
            account = self.link.account(),
            "Redis is away; this replica keeps to its own share of the budget"
        );
        self.alone = Some(Alone {
            since: SystemTime::now(),
            since_ms,
            quiet_until: now + quiet(self.timeout, known.pace.interval()),
            spent: known.day.spent(since_ms),
        });
        self.tick_at = now;
    }

    /// Whether something is left of the promise, and of its part of what has left the window since.
    fn may_spend(&self, alone: &Alone, day: &Day, now_ms: u64) -> bool {
        let own = day.spent_after(alone.since_ms);
        let released = alone.spent.saturating_sub(day.spent_until(alone.since_ms, now_ms));
        own < self.promise.saturating_add(released / self.replicas)
    }
}

/// How long nothing is called after Redis is lost: until a late question is refused, a lease renewed by the last good one
/// has run out, and the last call that another was given leave for is an interval ago.
fn quiet(timeout: Duration, interval: Duration) -> Duration {
    timeout * 3 + LEASE + interval
}
