//! What waits for a call, and what leaves next.
//!
//! Who waits for what is kept by what is waited for, so that an id is asked once whoever wants it, before its call leaves
//! and while it is under way. Calls are put together when they leave and not before: until then ids keep joining, and the
//! order among classes and callers is still open.

use std::{
    cmp::Ordering,
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{Call, Error, ItemResult, Priority, RequestContext, Response, fair_queue::FairQueue, pacing::PacingBucket};
use amazon_catalog::{Asin, CatalogRequest, GetItems, IDS_PER_CALL, Locale, Operation, Snapshot};

/// How long a call with empty seats waits for company when it could leave at once.
const LINGER: Duration = Duration::from_millis(25);
/// How long a call that nobody waits for is held for company while there is plenty in hand.
const BACKGROUND_LINGER: Duration = Duration::from_secs(60);
/// What has waited this long goes before what is one priority more urgent, so that nothing waits for ever.
const AGEING: Duration = Duration::from_secs(120);
/// What a call takes from leaving to landing, for leaving in time for a deadline.
const CALL_TAKES: Duration = Duration::from_millis(1500);

/// What waits or is under way.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    wanted: HashMap<PendingKey, Pending>,
    fair: FairQueue,
    arrivals: u64,
}

/// A call that leaves.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    pub(crate) question: CatalogRequest,
    /// How often it was tried, this time included.
    pub(crate) attempts: u32,
    /// Who it is booked to.
    pub(crate) caller: Arc<str>,
}

/// What is waited for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum PendingKey {
    Item(Locale, Asin),
    Request(CatalogRequest),
}

/// Somebody who waits.
#[derive(Debug)]
pub(crate) struct Waiter {
    pub(crate) terms: RequestContext,
    pub(crate) tell: ReplyTo,
}

/// How to tell them.
#[derive(Debug)]
pub(crate) enum ReplyTo {
    Item(Asin, mpsc::UnboundedSender<ItemResult>),
    Request(oneshot::Sender<Result<Response, Error>>),
}

#[derive(Debug)]
struct Pending {
    waiters: Vec<Waiter>,
    priority: Priority,
    caller: Arc<str>,
    weight: f64,
    since: Instant,
    arrival: u64,
    not_before: Instant,
    attempts: u32,
    /// The most ids a call may carry that carries this one: fewer after Amazon refused a call it was in.
    company: usize,
    under_way: bool,
}

// Whoever does not listen any more has lost nothing: what was fetched is kept by those who do.
impl Waiter {
    pub(crate) fn tell_item(self, snapshot: &Snapshot, call: Call) {
        if let ReplyTo::Item(asin, tell) = self.tell {
            let _ = tell.send(ItemResult { asin, result: Ok(snapshot.clone()), call: Some(call) });
        }
    }

    pub(crate) fn tell_answer(self, told: &Response) {
        if let ReplyTo::Request(tell) = self.tell {
            let _ = tell.send(Ok(told.clone()));
        }
    }

    pub(crate) fn fail(self, error: &Error, call: Option<Call>) {
        match self.tell {
            ReplyTo::Item(asin, tell) => {
                let _ = tell.send(ItemResult { asin, result: Err(error.clone()), call });
            }
            ReplyTo::Request(tell) => {
                let _ = tell.send(Err(error.clone()));
            }
        }
    }

    fn still_waits(&self, now: Instant) -> bool {
        self.terms.deadline > now && !self.terms.abandoned.is_cancelled()
    }
}

impl PendingKey {
    /// The operation that answers it.
    pub(crate) fn operation(&self) -> Operation {
        match self {
            Self::Item(..) => Operation::GetItems,
            Self::Request(question) => question.operation(),
        }
    }

    /// Where calls for ids are put together; `None` for a question that has a call of its own.
    fn locale(&self) -> Option<Locale> {
        match self {
            Self::Item(locale, _) => Some(*locale),
            Self::Request(_) => None,
        }
    }

    /// The seats it takes of a call's ten.
    fn seats(&self) -> usize {
        match self {
            Self::Item(..) => 1,
            Self::Request(_) => IDS_PER_CALL,
        }
    }
}

impl Batch {
    /// What is waited for, one key an id.
    pub(crate) fn keys(&self) -> Vec<PendingKey> {
        match &self.question {
            CatalogRequest::Items(GetItems { locale, asins }) => {
                asins.iter().map(|asin| PendingKey::Item(*locale, *asin)).collect()
            }
            other => vec![PendingKey::Request(other.clone())],
        }
    }
}

impl Pending {
    /// The priority it has come to by waiting.
    fn class_at(&self, now: Instant) -> u32 {
        let aged = now.saturating_duration_since(self.since).as_secs() / AGEING.as_secs();
        (self.priority as u32).saturating_sub(u32::try_from(aged).unwrap_or(u32::MAX))
    }

    /// The latest it may leave and still come in time for all who wait for it.
    fn latest(&self) -> Option<Instant> {
        self.waiters.iter().map(|waiter| waiter.terms.deadline).min()?.checked_sub(CALL_TAKES)
    }

    /// When it may leave without company.
    fn alone_at(&self, key: &PendingKey, bucket: &PacingBucket, now: Instant) -> Option<Instant> {
        let lingered = match key {
            PendingKey::Item(..) => self.since + LINGER,
            PendingKey::Request(_) => self.since,
        };
        let leaves = match self.priority {
            Priority::Interactive | Priority::Bulk if bucket.in_hand(now) => lingered,
            Priority::Interactive | Priority::Bulk => {
                let in_hand_at = bucket.in_hand_at(now);
                self.latest().map_or(in_hand_at, |latest| latest.min(in_hand_at)).max(lingered)
            }
            // Nobody waits, so nothing is lost by waiting for company.
            Priority::Refresh if bucket.plenty(now) => self.since + BACKGROUND_LINGER,
            Priority::Refresh => return None,
        };
        Some(leaves.max(self.not_before))
    }
}

impl Queue {
    /// How many ids and other questions wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting().count()
    }

    /// How many calls wait, at least.
    pub(crate) fn calls(&self) -> usize {
        self.waiting().map(|(key, _)| key.seats()).sum::<usize>().div_ceil(IDS_PER_CALL)
    }

    /// Whether somebody waits for it already, or it is under way.
    pub(crate) fn knows(&self, key: &PendingKey) -> bool {
        self.wanted.contains_key(key)
    }

    /// How many calls would leave before one for this key, at most; `None` where it is under way already.
    ///
    /// What is more urgent is all before it; of what is equally urgent, each other caller's is only as far as its share
    /// goes while this caller's own is served.
    pub(crate) fn calls_before(&self, key: &PendingKey, terms: &RequestContext) -> Option<usize> {
        if self.wanted.get(key).is_some_and(|wanted| wanted.under_way) {
            return None;
        }
        let (mut urgent, mut own, mut others) = (0, 0, HashMap::<&str, (usize, f64)>::new());
        for (waiting, wanted) in self.waiting().filter(|(waiting, _)| *waiting != key) {
            match wanted.priority.cmp(&terms.priority) {
                Ordering::Less => urgent += waiting.seats(),
                Ordering::Equal if wanted.caller == terms.caller => own += waiting.seats(),
                Ordering::Equal => {
                    let other = others.entry(&*wanted.caller).or_insert((0, wanted.weight));
                    other.0 += waiting.seats();
                }
                Ordering::Greater => {}
            }
        }
        let turns = (own + key.seats()) as f64 / terms.weight.max(f64::EPSILON);
        let before = |(seats, weight): (usize, f64)| (seats as f64).min((turns * weight).ceil()) as usize;
        let seats = urgent + own + others.into_values().map(before).sum::<usize>();
        Some(seats / IDS_PER_CALL)
    }

    /// Joins those who wait for the key. A more urgent waiter makes it more urgent.
    pub(crate) fn join(&mut self, key: PendingKey, waiter: Waiter, now: Instant) {
        self.arrivals += 1;
        let arrival = self.arrivals;
        let wanted = self.wanted.entry(key).or_insert_with(|| Pending {
            waiters: Vec::new(),
            priority: waiter.terms.priority,
            caller: Arc::clone(&waiter.terms.caller),
            weight: waiter.terms.weight,
            since: now,
            arrival,
            not_before: now,
            attempts: 0,
            company: IDS_PER_CALL,
            under_way: false,
        });
        if waiter.terms.priority < wanted.priority {
            wanted.priority = waiter.terms.priority;
            wanted.caller = Arc::clone(&waiter.terms.caller);
            wanted.weight = waiter.terms.weight;
            wanted.since = now;
        }
        wanted.waiters.push(waiter);
    }

    /// The earliest time at which a call may leave, as far as the queue is concerned.
    pub(crate) fn next_ready(&self, bucket: &PacingBucket, now: Instant) -> Option<Instant> {
        let alone = self.waiting().filter_map(|(key, wanted)| wanted.alone_at(key, bucket, now));
        let together = self.locales().into_iter().filter_map(|locale| self.together_at(locale, bucket, now));
        alone.chain(together).min()
    }

    /// The caller of the call that [`take`](Self::take) would put together at the same time.
    pub(crate) fn next_caller(&mut self, bucket: &PacingBucket, now: Instant) -> Option<Arc<str>> {
        let first = self.next_key(bucket, now)?;
        self.wanted.get(&first).map(|wanted| Arc::clone(&wanted.caller))
    }

    /// Puts together the call that leaves now, if one may, without the ids that nobody waits for any more.
    pub(crate) fn take(&mut self, bucket: &PacingBucket, now: Instant) -> Option<Batch> {
        let first = self.next_key(bucket, now)?;
        let (attempts, caller) = self.board(&first)?;
        let question = match first {
            PendingKey::Request(question) => question,
            PendingKey::Item(locale, asin) => {
                let mut asins = vec![asin];
                let mut most = self.company(&PendingKey::Item(locale, asin));
                while asins.len() < most {
                    let fits = |key: &PendingKey, wanted: &Pending| {
                        key.locale() == Some(locale) && wanted.company > asins.len()
                    };
                    let Some(key @ PendingKey::Item(_, asin)) = self.first(now, fits) else { break };
                    most = most.min(self.company(&key));
                    self.board(&key);
                    asins.push(asin);
                }
                CatalogRequest::Items(GetItems { locale, asins })
            }
        };
        Some(Batch { question, attempts, caller })
    }

    /// Adds an id that nobody waits for to a call that has a seat free, unless it is known already.
    pub(crate) fn fill(&mut self, locale: Locale, asin: Asin, caller: &Arc<str>, now: Instant) -> bool {
        let key = PendingKey::Item(locale, asin);
        if self.knows(&key) {
            return false;
        }
        self.arrivals += 1;
        let wanted = Pending {
            waiters: Vec::new(),
            priority: Priority::Refresh,
            caller: Arc::clone(caller),
            weight: 1.0,
            since: now,
            arrival: self.arrivals,
            not_before: now,
            attempts: 1,
            company: IDS_PER_CALL,
            under_way: true,
        };
        self.wanted.insert(key, wanted);
        true
    }

    /// Puts what failed back, not to leave before then, for those who can wait that long; gives back those who cannot.
    pub(crate) fn put_back(&mut self, key: &PendingKey, not_before: Instant) -> Vec<Waiter> {
        let Some(wanted) = self.wanted.get_mut(key) else { return Vec::new() };
        let (patient, hurried): (Vec<_>, Vec<_>) =
            std::mem::take(&mut wanted.waiters).into_iter().partition(|waiter| waiter.still_waits(not_before));
        if patient.is_empty() {
            self.wanted.remove(key);
        } else {
            (wanted.waiters, wanted.not_before, wanted.under_way) = (patient, not_before, false);
        }
        hurried
    }

    /// Puts an id back that was in a call which Amazon refused, to leave again in a call half as large: one id that Amazon
    /// does not bear shall not cost the others their answers. The try does not count.
    pub(crate) fn part(&mut self, key: &PendingKey, company: usize, now: Instant) -> Vec<Waiter> {
        if let Some(wanted) = self.wanted.get_mut(key) {
            wanted.company = company;
            wanted.attempts = wanted.attempts.saturating_sub(1);
        }
        self.put_back(key, now)
    }

    /// Takes out all who wait for the key.
    pub(crate) fn settle(&mut self, key: &PendingKey) -> Vec<Waiter> {
        self.wanted.remove(key).map(|wanted| wanted.waiters).unwrap_or_default()
    }

    /// Takes out all who wait for what passes and is not under way.
    pub(crate) fn drain(&mut self, passes: impl Fn(&PendingKey, Priority) -> bool) -> Vec<Waiter> {
        let passing = self.waiting().filter(|(key, wanted)| passes(key, wanted.priority));
        let keys: Vec<PendingKey> = passing.map(|(key, _)| key.clone()).collect();
        keys.iter().flat_map(|key| self.settle(key)).collect()
    }

    /// What the next call is put together around; drops the ids that nobody waits for any more.
    fn next_key(&mut self, bucket: &PacingBucket, now: Instant) -> Option<PendingKey> {
        self.wanted.retain(|_, wanted| {
            if !wanted.under_way {
                wanted.waiters.retain(|waiter| waiter.still_waits(now));
            }
            wanted.under_way || !wanted.waiters.is_empty()
        });
        let mut full = self.locales();
        full.retain(|locale| self.together_at(*locale, bucket, now).is_some_and(|at| at <= now));
        self.first(now, |key, wanted| {
            key.locale().is_some_and(|locale| full.contains(&locale))
                || wanted.alone_at(key, bucket, now).is_some_and(|at| at <= now)
        })
    }

    fn waiting(&self) -> impl Iterator<Item = (&PendingKey, &Pending)> {
        self.wanted.iter().filter(|(_, wanted)| !wanted.under_way)
    }

    fn locales(&self) -> HashSet<Locale> {
        self.waiting().filter_map(|(key, _)| key.locale()).collect()
    }

    /// When a full call may leave; `None` where there are not enough for one. One that nobody waits for leaves the budget
    /// that is not in hand to those who do.
    fn together_at(&self, locale: Locale, bucket: &PacingBucket, now: Instant) -> Option<Instant> {
        let of_locale = self.waiting().filter(|(key, wanted)| key.locale() == Some(locale) && wanted.not_before <= now);
        let (count, urgent) = of_locale.fold((0, false), |(count, urgent), (_, wanted)| {
            (count + 1, urgent || wanted.priority == Priority::Interactive)
        });
        (count >= IDS_PER_CALL).then(|| if urgent { now } else { bucket.in_hand_at(now) })
    }

    /// The first in order among those that pass: by priority, then by whose turn it is, then by arrival.
    fn first(&self, now: Instant, passes: impl Fn(&PendingKey, &Pending) -> bool) -> Option<PendingKey> {
        let ready = self.waiting().filter(|(key, wanted)| wanted.not_before <= now && passes(key, wanted));
        let order = |wanted: &Pending| (wanted.class_at(now), self.fair.clock(&wanted.caller), wanted.arrival);
        let by_order = |a: &Pending, b: &Pending| {
            let ((priority, clock, arrival), other) = (order(a), order(b));
            priority.cmp(&other.0).then(clock.total_cmp(&other.1)).then(arrival.cmp(&other.2))
        };
        ready.min_by(|(_, a), (_, b)| by_order(a, b)).map(|(key, _)| key.clone())
    }

    fn company(&self, key: &PendingKey) -> usize {
        self.wanted.get(key).map_or(1, |wanted| wanted.company)
    }

    /// Marks it as under way, and books its seats to its caller.
    fn board(&mut self, key: &PendingKey) -> Option<(u32, Arc<str>)> {
        let wanted = self.wanted.get_mut(key)?;
        wanted.under_way = true;
        wanted.attempts += 1;
        self.fair.served(&wanted.caller, key.seats() as f64, wanted.weight);
        Some((wanted.attempts, Arc::clone(&wanted.caller)))
    }
}
