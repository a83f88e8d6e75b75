//! One account's budget, shared by all replicas through Redis.
//!
//! # Why
//!
//! The account belongs to all replicas together, and what is over-spent cannot be taken back. Redis orders the calls while
//! it answers; each replica also holds the counters of the whole day, so that Redis may lose them.
//!
//! # Rule
//!
//! While Redis is reachable, every call has a permit from one script (`budget.lua`), and any number of replicas may run.
//! Each replica renews a lease, and with it a slot and an offline quota: the calls it may make if Redis becomes
//! unreachable. The quotas of all replicas together never exceed what is left of the day, and at most `replicas` have one.
//!
//! A replica that loses Redis is *offline*. It sends nothing until every permit that Redis may have given since has been
//! used and its own lease has ended. From then on it calls in its own time slots within its quota: in full for
//! [`OFFLINE_FULL`], with the [`RESIDUAL`] part until [`OFFLINE_RESIDUAL`], and then not at all. The script leaves a member
//! whose lease has ended the same slots and the same quota for the same times, and then has them back, but for the calls that
//! the member may have made: until it reports they count as made. Both sides count from the lease; the replica from the
//! last answer, which is not later.
//!
//! A replica that finds Redis again reports what it counted, and only then asks for permits.
//!
//! # Edge cases
//!
//! - The only replica (`replicas = 1`) owns all slots and the whole day, so its time offline has no end. Before it has
//!   reached Redis it counts from its start, as without Redis.
//! - One of several replicas that has not reached Redis since it started has no slot and makes no calls.
//! - Where more run than `replicas` says, none has a slot.
//! - Counters in Redis that are younger than those here (an emptied Redis) are filled up first. Permits wait
//!   [`SETTLE_TIME`] for the other replicas to do the same.
//! - For [`MAX_BLIP`] Redis is expected back, so a single late answer refuses nobody.
//! - The clock of Redis may be set, or be another server's. A question that it calls late was not taken, and its answer sets the clock.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

use super::{
    Booking, LocalBudget, Permit, PermitRequest,
    day_counters::minute_of,
    script::{BudgetScript, Question, ScriptReply, Slowdown, Verdict, ms},
    time_slots::{SLOT, TimeSlots},
};
use crate::{dispatch::Options, store::Store};

/// How long a member that is not heard of counts as reachable.
pub(super) const LEASE: Duration = Duration::from_millis(2500);
/// How often counters are exchanged and the lease is renewed.
const SYNC_INTERVAL: Duration = Duration::from_secs(1);
/// How soon Redis is asked again when it has not answered.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);
/// How long Redis may be silent before waiters are refused for it: a few attempts.
const MAX_BLIP: Duration = Duration::from_millis(500);
/// How long permits wait after the counters in Redis were lost: two exchanges.
pub(super) const SETTLE_TIME: Duration = Duration::from_millis(2000);
/// How long after its lease has ended a replica may call in full without Redis.
pub(super) const OFFLINE_FULL: Duration = Duration::from_secs(120);
/// How long after its lease has ended a replica may call at all without Redis.
pub(super) const OFFLINE_RESIDUAL: Duration = Duration::from_secs(3600);
/// The part of its quota that is left to a replica after [`OFFLINE_FULL`], and the part of each minute: 4 s.
pub(super) const RESIDUAL: f64 = 1.0 / 15.0;
pub(super) const RESIDUAL_WINDOW: Duration = Duration::from_secs(4);
/// By how much a replica ends its time offline before Redis does: clocks drift by less in an hour.
const OFFLINE_MARGIN: Duration = Duration::from_secs(1);
/// How long a replica may be late for its turn. Less than the interval of most accounts, more than a busy machine takes.
pub(super) const GRACE: Duration = Duration::from_millis(150);
/// How long after its last request for a permit a replica counts as one that takes turns. Requests come at random: a shorter
/// time would leave out of the prediction what comes back a moment later.
pub(super) const BUSY: Duration = Duration::from_secs(10);
/// Minutes of counters in one report.
const REPORT_MINUTES: usize = 60;
/// The wait that is predicted where no end is known.
const NO_END: Duration = Duration::from_secs(60);
/// Answers in a row that call the question late, after which Redis counts as lost: its clock does not stand still.
const MAX_LATE: u32 = 5;
/// Exchanges of everything in a row, after which a difference is left as it is until it changes.
const MAX_MISMATCHES: u32 = 3;

/// One account's part in the shared budget.
#[derive(Debug)]
pub(super) struct SharedBudget {
    script: BudgetScript,
    time_slots: TimeSlots,
    replicas: u32,
    timeout: Duration,
    /// The slot and the quota that this replica may use when offline.
    slot: Option<u32>,
    offline_quota: u32,
    offline: Option<Offline>,
    /// The predicted time between two calls of this replica.
    own_interval: Duration,
    /// Minutes whose counters Redis may lack.
    unreported: BTreeSet<u64>,
    /// The first minute whose counters may be unknown here.
    heard_until: u64,
    /// Whether everything was to be exchanged since the totals in Redis were last counted anew.
    must_rebuild: bool,
    /// Whether this replica slowed down, or held a pause, that Redis does not know of. Until it does, its rate is not followed.
    must_report_slowdown: bool,
    /// When the counters in Redis began, as far as this replica has filled them up.
    born: u64,
    /// When the lease was last renewed, by Redis' clock.
    lease_renewed_ms: u64,
    late_in_a_row: u32,
    /// Exchanges of everything in a row that did not make the two counts equal.
    mismatches: u32,
    sync_at: Instant,
}

/// A time without Redis.
#[derive(Debug)]
struct Offline {
    since: SystemTime,
    /// Until then Redis may be back in a moment, and nobody is refused for it.
    blip_until: Instant,
    quiet_until: Instant,
    /// The calls made in it.
    calls: u32,
}

impl SharedBudget {
    pub(super) fn new(store: Store, replica: &Arc<str>, options: &Options, now: Instant) -> Self {
        let (replicas, timeout) = (options.sharing.replicas.max(1), store.timeout());
        let interval = Duration::from_secs_f64(1.0 / options.calls_per_second);
        let is_only = replicas == 1;
        Self {
            script: BudgetScript::new(store, replica, options),
            time_slots: TimeSlots::new(options.calls_per_second, replicas),
            replicas,
            timeout,
            slot: is_only.then_some(0),
            offline_quota: if is_only { options.calls_per_day } else { 0 },
            offline: Some(Offline {
                since: SystemTime::now(),
                blip_until: now + MAX_BLIP,
                quiet_until: now + quiet_time(timeout, interval),
                calls: 0,
            }),
            own_interval: interval,
            unreported: BTreeSet::new(),
            heard_until: 0,
            must_rebuild: true,
            must_report_slowdown: true,
            born: 0,
            lease_renewed_ms: 0,
            late_in_a_row: 0,
            mismatches: 0,
            sync_at: now,
        }
    }

    pub(super) fn sync_at(&self) -> Instant {
        self.sync_at
    }

    pub(super) fn offline_since(&self) -> Option<SystemTime> {
        self.offline.as_ref().map(|offline| offline.since)
    }

    /// The calls that are left of the offline quota.
    pub(super) fn offline_calls_left(&self) -> u32 {
        self.offline_quota.saturating_sub(self.offline.as_ref().map_or(0, |offline| offline.calls))
    }

    /// The predicted time between two calls of this replica, at that interval between two calls of the account.
    pub(super) fn own_interval(&self, interval: Duration) -> Duration {
        match self.offline {
            None => self.own_interval.max(interval),
            // A time slot of its own in each round.
            Some(_) if self.replicas > 1 => interval.mul_f64(SLOT) * self.replicas,
            Some(_) => interval,
        }
    }

    /// The earliest time at which a permit may be asked for.
    pub(super) fn next(&self, local: &LocalBudget, now: Instant) -> Instant {
        let Some(offline) = &self.offline else { return local.rate_limit.next() };
        if now < offline.blip_until {
            return self.sync_at.max(now) + RETRY_INTERVAL;
        }
        let Some(slot) = self.slot else { return offline.quiet_until.max(now + NO_END) };
        let from = now.max(local.rate_limit.next()).max(offline.quiet_until);
        if self.replicas == 1 {
            return if offline.quiet_until > now { from } else { local.rate_limit.next() };
        }
        let from_ms = local.clock.ms(from);
        let age = Duration::from_millis(from_ms.saturating_sub(self.lease_renewed_ms + ms(LEASE)));
        let residual_quota = (f64::from(self.offline_quota) * RESIDUAL) as u32;
        let at_ms = if age + OFFLINE_MARGIN < OFFLINE_FULL && offline.calls < self.offline_quota {
            self.time_slots.next(slot, from_ms)
        } else if age + OFFLINE_MARGIN < OFFLINE_RESIDUAL && offline.calls < residual_quota {
            self.time_slots.next_in_window(slot, from_ms, ms(RESIDUAL_WINDOW))
        } else {
            return now + NO_END;
        };
        from + Duration::from_millis(at_ms.saturating_sub(from_ms))
    }

    /// Asks for a permit for one call.
    pub(super) async fn try_acquire(&mut self, local: &mut LocalBudget, request: &PermitRequest) -> Permit {
        let now = Instant::now();
        if let Some(offline) = &mut self.offline {
            offline.calls += 1;
            local.rate_limit.spend(now);
            local.rate_limit.hold(now + local.rate_limit.interval().saturating_mul(self.replicas));
            let booking = local.book(&request.caller, now);
            self.unreported.insert(minute_of(booking.at_ms));
            return Permit::Granted(booking);
        }
        let question = Question::Acquire {
            caller: &request.caller,
            caller_quota: request.daily_quota,
            is_refresh: request.is_refresh,
            has_more: request.has_more,
            born: self.born,
        };
        let Some(reply) = self.ask(local, &question).await else {
            if self.late_in_a_row == 0 {
                // Redis may have booked it.
                self.offline_quota = self.offline_quota.saturating_sub(1);
                self.on_disconnect(local);
            }
            return Permit::NotYet;
        };
        match reply.verdict {
            Verdict::Granted => {
                local.day.book(&local.replica, &request.caller, reply.now);
                return Permit::Granted(Booking { caller: Arc::clone(&request.caller), at_ms: reply.now });
            }
            Verdict::CallerSpent => {
                // Others spent the rest; their counters say when it ends.
                self.sync(local).await;
                let now_ms = local.clock.ms(Instant::now());
                let quota = request.daily_quota.unwrap_or_default();
                let resets_in = local.day.caller_spent_for(&request.caller, quota, now_ms);
                return Permit::CallerQuotaSpent(resets_in.unwrap_or(SYNC_INTERVAL));
            }
            Verdict::Report | Verdict::Spent => {
                self.sync_at = Instant::now();
                local.rate_limit.hold(self.sync_at + RETRY_INTERVAL);
            }
            Verdict::Ok | Verdict::Wait | Verdict::Late => {}
        }
        Permit::NotYet
    }

    /// Gives back a booking, here and in Redis.
    pub(super) async fn give_back(&mut self, local: &mut LocalBudget, booking: &Booking) {
        if let Some(offline) = &mut self.offline {
            offline.calls = offline.calls.saturating_sub(1);
        }
        let question = Question::GiveBack { caller: &booking.caller, at_ms: booking.at_ms };
        if self.offline.is_some() || self.ask(local, &question).await.is_none() {
            self.unreported.insert(minute_of(booking.at_ms));
        }
    }

    /// A request was written later than its permit was given.
    pub(super) async fn written(&mut self, local: &mut LocalBudget, at: Instant) {
        if self.offline.is_none() {
            let sent_ms = local.clock.ms(at);
            // Where it fails, the others keep a distance that is shorter by the time it took to connect.
            let _ = self.ask(local, &Question::Written { sent_ms }).await;
        }
    }

    /// Amazon throttled: all replicas slow down. Where Redis cannot be asked now, the next exchange reports it.
    pub(super) async fn throttled(&mut self, local: &mut LocalBudget, booking: &Booking, retry_after: Duration) {
        let question = Question::Throttled { sent_ms: booking.at_ms, retry_after_ms: ms(retry_after) };
        if self.offline.is_some() || self.ask(local, &question).await.is_none() {
            local.throttled(booking, retry_after);
            self.must_report_slowdown = true;
            self.sync_at = self.sync_at.min(Instant::now() + RETRY_INTERVAL);
        }
    }

    /// Exchanges counters, and finds out whether Redis is back. Returns how many calls of the last minute were news.
    pub(super) async fn sync(&mut self, local: &mut LocalBudget) -> u32 {
        let reported: Vec<u64> = self.unreported.iter().copied().take(REPORT_MINUTES).collect();
        let day = &local.day;
        let report = reported.iter().filter_map(|minute| Some((*minute, day.counters(*minute)?.clone())));
        let report: Vec<_> = report.collect();
        let is_offline = self.offline.is_some();
        let hold = local.rate_limit.next().saturating_duration_since(Instant::now());
        let slowdown = Slowdown { rate: local.rate_limit.rate(), hold_ms: ms(hold) };
        let must_report_slowdown = is_offline || self.must_report_slowdown;
        let rebuild = self.must_rebuild && self.unreported.len() <= REPORT_MINUTES;
        let question = Question::Sync {
            from: self.heard_until,
            report: report.iter().map(|(minute, counters)| (*minute, counters)).collect(),
            is_offline,
            rebuild,
            slowdown: must_report_slowdown.then_some(slowdown),
        };
        let Some(reply) = self.ask(local, &question).await else {
            if is_offline {
                local.clock.set_by_wall(Instant::now());
            } else if self.late_in_a_row == 0 {
                self.on_disconnect(local);
            }
            self.sync_at = Instant::now() + RETRY_INTERVAL;
            return 0;
        };
        for minute in reported {
            self.unreported.remove(&minute);
        }
        self.must_rebuild &= !rebuild;
        let news = self.merge(local, &reply);
        let is_done = self.unreported.is_empty() && self.heard_until > minute_of(reply.now);
        if is_done && let Some(offline) = self.offline.take() {
            self.offline_quota = self.offline_quota.saturating_sub(offline.calls);
            tracing::info!(account = self.script.account(), "the budget is shared through Redis");
            // A member has to be known before it may need its quota.
            self.sync_at = Instant::now();
        } else {
            self.sync_at = Instant::now() + if is_done { SYNC_INTERVAL } else { Duration::ZERO };
        }
        // The last minute may still grow.
        self.heard_until = self.heard_until.min(minute_of(reply.now).saturating_sub(1));
        news
    }

    /// Leaves the members.
    pub(super) async fn release(&mut self, local: &mut LocalBudget) {
        if self.offline.is_none() {
            // Where it fails, the lease ends.
            let _ = self.ask(local, &Question::Release {}).await;
        }
    }

    /// Merges what Redis knows of the day. Returns how many calls of the last minute were news.
    fn merge(&mut self, local: &mut LocalBudget, reply: &ScriptReply) -> u32 {
        let recent = minute_of(reply.now).saturating_sub(1);
        let mut news = 0;
        for (minute, counters) in reply.counters() {
            let added = local.day.merge(minute, &counters);
            news += if minute >= recent { added } else { 0 };
        }
        self.heard_until = reply.next_minute;
        let is_whole = reply.next_minute > minute_of(reply.now) && self.unreported.is_empty();
        let differs = is_whole && local.day.spent(reply.now) != reply.spent;
        self.mismatches = if differs {
            self.mismatches + 1
        } else if is_whole {
            0
        } else {
            self.mismatches
        };
        if self.born != reply.born || (differs && self.mismatches <= MAX_MISMATCHES) {
            // One of the two lacks something: everything is reported and heard again.
            self.unreported = local.day.minutes().collect();
            self.heard_until = 0;
            self.must_rebuild = true;
            self.born = reply.born;
        }
        news
    }

    /// Asks Redis, and takes over what any answer says.
    async fn ask(&mut self, local: &mut LocalBudget, question: &Question<'_>) -> Option<ScriptReply> {
        let is_sync_offline = self.offline.is_some();
        // The clock here is behind by what an answer took, and a question is given up after as long again.
        let until_ms = local.clock.ms(Instant::now()) + 2 * ms(self.timeout);
        let reply = self.script.ask(question, until_ms).await;
        let now = Instant::now();
        let Some(reply) = reply else {
            self.late_in_a_row = 0;
            return None;
        };
        local.clock.set(reply.now, now);
        if reply.verdict == Verdict::Late {
            self.late_in_a_row = (self.late_in_a_row + 1) % MAX_LATE;
            return None;
        }
        self.late_in_a_row = 0;
        // A Redis that was emptied knows of no slowdown.
        self.must_report_slowdown |= reply.born != self.born;
        self.must_report_slowdown &= !matches!(question, Question::Sync { slowdown: Some(_), .. });
        let is_refused_refresh =
            matches!(question, Question::Acquire { is_refresh: true, .. }) && reply.verdict != Verdict::Granted;
        if !self.must_report_slowdown && !is_refused_refresh {
            local.rate_limit.follow(reply.rate, now + Duration::from_millis(reply.wait_ms), now);
        }
        if !is_sync_offline {
            self.lease_renewed_ms = reply.now;
            self.own_interval = Duration::from_millis(reply.interval_ms);
            self.slot = u32::try_from(reply.slot).ok();
            // While Redis still lacks counters, it grants too much.
            let left = local.day.limit().saturating_sub(local.day.spent(reply.now));
            self.offline_quota = reply.quota.min(left / self.replicas);
        }
        Some(reply)
    }

    /// Redis does not answer. Its last answers may have been given to questions that nobody waits for any more.
    fn on_disconnect(&mut self, local: &LocalBudget) {
        let now = Instant::now();
        let (account, quota) = (self.script.account(), self.offline_quota);
        tracing::warn!(account, quota, "Redis does not answer; this replica keeps to its offline quota");
        let quiet_until = now + quiet_time(self.timeout, local.rate_limit.interval());
        self.offline = Some(Offline { since: SystemTime::now(), blip_until: now + MAX_BLIP, quiet_until, calls: 0 });
        self.sync_at = now;
    }
}

/// How long nothing is sent after Redis is lost: until a late question is refused, a lease that the last one renewed has
/// ended, and the last call that another replica has a permit for is an interval ago.
fn quiet_time(timeout: Duration, interval: Duration) -> Duration {
    timeout * 3 + LEASE + interval
}
