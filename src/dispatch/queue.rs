//! What waits for a call: ids that fill calls of ten, and other questions, first come first served.
//!
//! Who waits for what is kept apart from what is to be asked, so that an id is asked once whoever wants it, before its
//! call leaves and while it is under way.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{Call, Error, ItemTold, Terms, Told};
use crate::amazon::{Asin, GetItems, IDS_PER_CALL, Locale, Operation, Question, Snapshot};

/// How long a call with empty seats waits for company when it could leave at once.
const LINGER: Duration = Duration::from_millis(25);

/// The queue and everybody who waits for something in it or under way.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    jobs: VecDeque<Job>,
    waiting: HashMap<Key, Vec<Waiter>>,
}

/// One call to be made.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) question: Question,
    /// The earliest it may leave.
    pub(crate) not_before: Instant,
    /// How often it was tried.
    pub(crate) attempts: u32,
}

/// What is waited for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    Item(Locale, Asin),
    Question(Question),
}

/// Somebody who waits.
#[derive(Debug)]
pub(crate) struct Waiter {
    pub(crate) terms: Terms,
    pub(crate) tell: Tell,
}

/// How to tell them.
#[derive(Debug)]
pub(crate) enum Tell {
    Item(Asin, mpsc::UnboundedSender<ItemTold>),
    Question(oneshot::Sender<Result<Told, Error>>),
}

// Whoever does not listen any more has lost nothing: what was fetched is kept by those who do.
impl Waiter {
    pub(crate) fn tell_item(self, snapshot: &Snapshot, call: Call) {
        if let Tell::Item(asin, tell) = self.tell {
            let _ = tell.send(ItemTold { asin, result: Ok(snapshot.clone()), call: Some(call) });
        }
    }

    pub(crate) fn tell_answer(self, told: &Told) {
        if let Tell::Question(tell) = self.tell {
            let _ = tell.send(Ok(told.clone()));
        }
    }

    pub(crate) fn fail(self, error: &Error, call: Option<Call>) {
        match self.tell {
            Tell::Item(asin, tell) => {
                let _ = tell.send(ItemTold { asin, result: Err(error.clone()), call });
            }
            Tell::Question(tell) => {
                let _ = tell.send(Err(error.clone()));
            }
        }
    }

    fn still_waits(&self, now: Instant) -> bool {
        self.terms.deadline > now && !self.terms.abandoned.is_cancelled()
    }
}

impl Job {
    /// What is waited for, one key an id.
    pub(crate) fn keys(&self) -> Vec<Key> {
        match &self.question {
            Question::Items(GetItems { locale, asins }) => asins.iter().map(|asin| Key::Item(*locale, *asin)).collect(),
            other => vec![Key::Question(other.clone())],
        }
    }

    fn places(&self) -> usize {
        match &self.question {
            Question::Items(items) => items.asins.len(),
            Question::Search(_) | Question::Variations(_) | Question::BrowseNodes(_) => 1,
        }
    }

    fn has_seat(&self, locale: Locale) -> bool {
        matches!(&self.question, Question::Items(items)
            if self.attempts == 0 && items.locale == locale && items.asins.len() < IDS_PER_CALL)
    }

    fn ready_at(&self) -> Instant {
        match &self.question {
            Question::Items(items) if self.attempts == 0 && items.asins.len() < IDS_PER_CALL => {
                self.not_before + LINGER
            }
            _ => self.not_before,
        }
    }
}

impl Queue {
    /// How many ids and other questions wait.
    pub(crate) fn len(&self) -> usize {
        self.jobs.iter().map(Job::places).sum()
    }

    /// How many calls wait.
    pub(crate) fn calls(&self) -> usize {
        self.jobs.len()
    }

    /// How many calls would leave before one for this key; `None` where it is under way already.
    pub(crate) fn calls_before(&self, key: &Key) -> Option<usize> {
        match key {
            _ if self.waiting.contains_key(key) => self.jobs.iter().position(|job| job.keys().contains(key)),
            Key::Item(locale, _) => {
                Some(self.jobs.iter().position(|job| job.has_seat(*locale)).unwrap_or(self.jobs.len()))
            }
            Key::Question(_) => Some(self.jobs.len()),
        }
    }

    /// Whether somebody waits for it already.
    pub(crate) fn knows(&self, key: &Key) -> bool {
        self.waiting.contains_key(key)
    }

    /// Joins those who wait for the key, in a call that has a seat or a new one at the end.
    pub(crate) fn join(&mut self, key: Key, waiter: Waiter, now: Instant) {
        let waiters = self.waiting.entry(key.clone()).or_default();
        waiters.push(waiter);
        if waiters.len() > 1 {
            return;
        }
        let question = match key {
            Key::Item(locale, asin) => {
                if let Some(Job { question: Question::Items(items), .. }) =
                    self.jobs.iter_mut().find(|job| job.has_seat(locale))
                {
                    items.asins.push(asin);
                    return;
                }
                Question::Items(GetItems { locale, asins: vec![asin] })
            }
            Key::Question(question) => question,
        };
        self.jobs.push_back(Job { question, not_before: now, attempts: 0 });
    }

    /// The earliest time at which a job may leave, as far as the queue is concerned.
    pub(crate) fn next_ready(&self) -> Option<Instant> {
        self.jobs.iter().map(Job::ready_at).min()
    }

    /// Takes the first job that may leave, without the ids that nobody waits for any more.
    pub(crate) fn take(&mut self, now: Instant) -> Option<Job> {
        loop {
            let index = self.jobs.iter().position(|job| job.ready_at() <= now)?;
            let mut job = self.jobs.remove(index)?;
            let wanted: Vec<Key> = job.keys().into_iter().filter(|key| self.keep_wanted(key, now)).collect();
            if wanted.is_empty() {
                continue;
            }
            if let Question::Items(items) = &mut job.question {
                items.asins.retain(|asin| wanted.contains(&Key::Item(items.locale, *asin)));
            }
            return Some(job);
        }
    }

    /// Puts a job that failed back to the front.
    pub(crate) fn put_back(&mut self, job: Job) {
        self.jobs.push_front(job);
    }

    /// Who asked first for anything in the job: the one its cost is booked to.
    pub(crate) fn first_waiter(&self, job: &Job) -> Option<&Terms> {
        job.keys().iter().find_map(|key| self.waiting.get(key)?.first()).map(|waiter| &waiter.terms)
    }

    /// Takes out all who wait for the key.
    pub(crate) fn settle(&mut self, key: &Key) -> Vec<Waiter> {
        self.waiting.remove(key).unwrap_or_default()
    }

    /// Takes out those who cannot wait until then, and tells whether anybody is left.
    pub(crate) fn settle_hurried(&mut self, key: &Key, until: Instant) -> (Vec<Waiter>, bool) {
        let (patient, hurried): (Vec<_>, Vec<_>) = self.settle(key).into_iter().partition(|w| w.still_waits(until));
        let anybody = !patient.is_empty();
        if anybody {
            self.waiting.insert(key.clone(), patient);
        }
        (hurried, anybody)
    }

    /// Takes out the jobs of an operation, or all.
    pub(crate) fn drain(&mut self, operation: Option<Operation>) -> Vec<Job> {
        let (out, kept) = std::mem::take(&mut self.jobs)
            .into_iter()
            .partition(|job| operation.is_none_or(|operation| job.question.operation() == operation));
        self.jobs = kept;
        Vec::from_iter::<VecDeque<Job>>(out)
    }

    fn keep_wanted(&mut self, key: &Key, now: Instant) -> bool {
        let Some(waiters) = self.waiting.get_mut(key) else { return false };
        waiters.retain(|waiter| waiter.still_waits(now));
        let wanted = !waiters.is_empty();
        if !wanted {
            self.waiting.remove(key);
        }
        wanted
    }
}
