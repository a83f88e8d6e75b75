//! The account's task with a scripted Amazon and a clock that only moves when everybody waits.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture};
use tokio::{
    sync::Notify,
    time::{Instant, advance, sleep},
};

use super::*;
use amazon_catalog::{BrowseNodes, GetBrowseNodes, Items, Missing};
use stockroom_proto::pb;

/// Answers every id with a product, after a time, unless the script says otherwise.
#[derive(Debug, Default)]
struct Scripted {
    takes: Duration,
    /// Whether Amazon refuses every call that carries an id which begins with P.
    poison: bool,
    /// Whether calls fail before they leave.
    never_leaves: bool,
    /// How long the first call needs for its connection.
    connects_in: Duration,
    /// After so many calls Amazon does not answer any more.
    hangs_after: Option<usize>,
    credentials: std::sync::atomic::AtomicU64,
    /// The code of the rejection of a poisoned id.
    poison_code: Option<&'static str>,
    script: Mutex<VecDeque<amazon_catalog::Error>>,
    asked: Mutex<Vec<(Instant, CatalogRequest)>>,
    called: Notify,
}

impl Upstream for Scripted {
    fn protocol(&self) -> pb::Protocol {
        pb::Protocol::Paapi5
    }

    fn call<'a>(
        &'a self,
        question: &'a CatalogRequest,
        _: Duration,
    ) -> BoxFuture<'a, Result<CatalogResponse, amazon_catalog::Error>> {
        let is_hung = {
            let mut asked = self.asked.lock().unwrap();
            asked.push((Instant::now(), question.clone()));
            self.hangs_after.is_some_and(|after| asked.len() > after)
        };
        self.called.notify_waiters();
        let scripted = self.script.lock().unwrap().pop_front();
        let poisoned =
            matches!(question, CatalogRequest::Items(items) if items.asins.iter().any(|a| a.as_str().starts_with('P')));
        let poisoned = poisoned && self.poison;
        async move {
            sleep(self.takes).await;
            if is_hung {
                std::future::pending::<()>().await;
            }
            match (scripted, question) {
                (Some(error), _) => Err(error),
                (None, _) if poisoned => Err(amazon_catalog::Error::Rejected {
                    code: self.poison_code.unwrap_or("Invalid").to_owned(),
                    parameter: None,
                    request_id: None,
                }),
                (None, CatalogRequest::Items(items)) => {
                    let product = |asin: &Asin| pb::Product { asin: asin.to_string(), ..Default::default() };
                    let missing = items.asins.iter().filter(|asin| asin.as_str().starts_with('X'));
                    let missing: Vec<_> = missing.map(|asin| (*asin, Missing::NotFound)).collect();
                    // An id that begins with Y is neither answered nor named.
                    let left_out = |asin: &&Asin| !asin.as_str().starts_with(['X', 'Y']);
                    let products = items.asins.iter().filter(left_out).map(product).collect();
                    Ok(CatalogResponse::Items(Items { products, missing, ..Items::default() }))
                }
                (None, _) => Ok(CatalogResponse::BrowseNodes(BrowseNodes::default())),
            }
        }
        .boxed()
    }

    fn call_with_notice<'a>(
        &'a self,
        request: &'a CatalogRequest,
        within: Duration,
        sent: &'a amazon_catalog::SentNotice,
    ) -> BoxFuture<'a, Result<CatalogResponse, amazon_catalog::Error>> {
        async move {
            if self.asked.lock().unwrap().is_empty() {
                sleep(self.connects_in).await;
            }
            if !self.never_leaves || self.script.lock().unwrap().is_empty() {
                sent.mark();
            }
            self.call(request, within).await
        }
        .boxed()
    }

    fn credentials_version(&self) -> u64 {
        self.credentials.load(std::sync::atomic::Ordering::SeqCst)
    }
}

impl Scripted {
    fn fails(errors: impl IntoIterator<Item = amazon_catalog::Error>) -> Self {
        Self { script: Mutex::new(errors.into_iter().collect()), ..Self::default() }
    }

    fn batches(&self) -> Vec<usize> {
        let count = |(_, question): &(Instant, CatalogRequest)| match question {
            CatalogRequest::Items(items) => items.asins.len(),
            _ => 1,
        };
        self.asked.lock().unwrap().iter().map(count).collect()
    }

    /// Waits until so many calls have been made in all.
    async fn has_calls(&self, count: usize) {
        loop {
            let called = self.called.notified();
            if self.asked.lock().unwrap().len() >= count {
                return;
            }
            called.await;
        }
    }

    fn times(&self) -> Vec<Instant> {
        self.asked.lock().unwrap().iter().map(|(at, _)| *at).collect()
    }
}

/// Notes the ids it is given to store.
#[derive(Debug, Default)]
struct Stored(Mutex<Vec<Asin>>);

impl AnswerSink for Stored {
    fn store_item(&self, _: Locale, asin: Asin, _: &Snapshot) {
        assert!(!asin.as_str().starts_with('K'), "a defect that is met on the way");
        self.0.lock().unwrap().push(asin);
    }

    fn store_response(&self, _: &CatalogRequest, _: &CatalogResponse, _: &Snapshot) {}

    fn look_up<'a>(&'a self, keys: &'a [(FetchKey, SystemTime)]) -> BoxFuture<'a, Vec<FetchState>> {
        std::future::ready(vec![FetchState::Free; keys.len()]).boxed()
    }

    fn release(&self, _: &[FetchKey]) {}

    fn fetched_at(&self, _: &FetchKey) -> Option<SystemTime> {
        None
    }
}

fn us() -> Locale {
    Locale::of(Marketplace::parse("US").unwrap())
}

fn asins(prefix: char, count: usize) -> Vec<Asin> {
    (0..count).map(|n| Asin::parse(&format!("{prefix}{n:09}")).unwrap()).collect()
}

fn options(upstream: &Arc<Scripted>) -> Options {
    Options {
        name: "test".to_owned(),
        marketplaces: vec![us().marketplace],
        calls_per_second: 1.0,
        calls_per_day: 8640,
        timeout: Duration::from_secs(5),
        queue_capacity: 1000,
        upstream: Arc::clone(upstream) as Arc<dyn Upstream>,
        answers: Arc::new(Stored::default()),
        refresh_queue: Arc::default(),
        clock: Clock::System,
        store: None,
        replicas: 1,
    }
}

fn terms(within_seconds: u64) -> RequestContext {
    RequestContext {
        caller: "tester".into(),
        daily_quota: None,
        weight: 1.0,
        priority: Priority::Interactive,
        deadline: Instant::now() + Duration::from_secs(within_seconds),
        abandoned: CancelFlag::default(),
    }
}

async fn all(mut results: mpsc::UnboundedReceiver<ItemResult>) -> Vec<ItemResult> {
    let mut items = Vec::new();
    while let Some(item) = results.recv().await {
        items.push(item);
    }
    items
}

async fn one(dispatch: &Dispatch, terms: RequestContext) -> Result<Snapshot, Error> {
    all(dispatch.fetch_items(us(), asins('B', 1), terms).await).await.remove(0).result
}

fn failed() -> amazon_catalog::Error {
    amazon_catalog::Error::Failed { status: 503, request_id: None }
}

fn throttled() -> amazon_catalog::Error {
    amazon_catalog::Error::Throttled { retry_after: None, request_id: None }
}

#[tokio::test(start_paused = true)]
async fn ids_share_calls_of_ten_at_the_account_s_pace() {
    let amazon = Arc::new(Scripted::default());
    let dispatch = Dispatch::start(vec![options(&amazon)]);
    let results = all(dispatch.fetch_items(us(), asins('B', 25), terms(60)).await).await;
    assert_eq!((results.len(), amazon.batches()), (25, vec![10, 10, 5]));
    let times = amazon.times();
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= Duration::from_secs(1)), "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn a_hundred_callers_for_one_id_are_one_call_and_for_a_hundred_ids_ten() {
    let amazon = Arc::new(Scripted { takes: Duration::from_millis(300), ..Scripted::default() });
    let dispatch = Dispatch::start(vec![options(&amazon)]);
    let same = futures_util::future::join_all((0..100).map(|_| one(&dispatch, terms(60)))).await;
    assert!(same.iter().all(Result::is_ok));
    assert_eq!(amazon.batches(), [1]);
    let each = asins('C', 100).into_iter().map(|asin| dispatch.fetch_items(us(), vec![asin], terms(60)));
    for results in futures_util::future::join_all(each).await {
        assert!(all(results).await[0].result.is_ok());
    }
    assert_eq!(amazon.batches(), [1, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_has_left_serves_those_who_stay_and_one_that_nobody_wants_never_leaves() {
    let amazon = Arc::new(Scripted { takes: Duration::from_secs(1), ..Scripted::default() });
    let dispatch = Dispatch::start(vec![options(&amazon)]);
    let first = terms(60);
    let (mut gone, stays) = (
        dispatch.fetch_items(us(), asins('B', 1), first.clone()).await,
        dispatch.fetch_items(us(), asins('B', 1), terms(60)).await,
    );
    amazon.has_calls(1).await;
    let unwanted = terms(60);
    let queued = dispatch.fetch_items(us(), asins('C', 10), unwanted.clone()).await;
    first.abandoned.cancel();
    unwanted.abandoned.cancel();
    gone.close();
    assert!(all(stays).await[0].result.is_ok());
    assert!(all(queued).await.is_empty());
    assert_eq!(amazon.batches(), [1]);
}

#[tokio::test(start_paused = true)]
async fn an_id_that_amazon_names_as_missing_is_not_found_and_one_that_it_leaves_out_has_failed() {
    let amazon = Arc::new(Scripted::default());
    let dispatch = Dispatch::start(vec![options(&amazon)]);
    let ids = [asins('B', 2), asins('X', 1), asins('Y', 1)].concat();
    let results = all(dispatch.fetch_items(us(), ids, terms(60)).await).await;
    assert!(results[..2].iter().all(|item| item.result.as_ref().unwrap().content.is_ok()));
    assert_eq!(results[2].result.as_ref().unwrap().content, Err(Missing::NotFound));
    assert!(matches!(results[3].result, Err(Error::Upstream(_))), "{:?}", results[3]);
}

#[tokio::test(start_paused = true)]
async fn a_wait_past_the_deadline_is_refused_at_once_with_the_wait() {
    let amazon = Arc::new(Scripted::default());
    let dispatch = Dispatch::start(vec![options(&amazon)]);
    let patient = dispatch.fetch_items(us(), asins('B', 50), terms(60)).await;
    let asked = Instant::now();
    let hurried = all(dispatch.fetch_items(us(), asins('C', 1), terms(3)).await).await.remove(0).result;
    match hurried {
        Err(Error::WaitExceedsDeadline { wait }) => assert_eq!(wait, Duration::from_secs(5)),
        other => panic!("{other:?}"),
    }
    assert_eq!(Instant::now(), asked, "refused without waiting");
    assert!(all(patient).await.iter().all(|item| item.result.is_ok()));
}

#[tokio::test(start_paused = true)]
async fn failures_are_tried_three_times_and_all_of_them_count() {
    let amazon = Arc::new(Scripted::fails([failed(), failed()]));
    let dispatch = Dispatch::start(vec![options(&amazon)]);
    assert!(one(&dispatch, terms(60)).await.is_ok());
    let report = dispatch.reports().await.remove(0);
    assert_eq!((report.day_spent, report.counts.failed, report.counts.retries), (3, 2, 2));

    let amazon = Arc::new(Scripted::fails([failed(), failed(), failed()]));
    let dispatch = Dispatch::start(vec![options(&amazon)]);
    assert!(matches!(one(&dispatch, terms(60)).await, Err(Error::Upstream(_))));
    assert_eq!(amazon.batches(), [1, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_told_at_once_and_never_tried_again() {
    let refusal = amazon_catalog::Error::Refused { refusal: amazon_catalog::Refusal::NotEligible, request_id: None };
    let amazon = Arc::new(Scripted::fails([refusal]));
    let dispatch = Dispatch::start(vec![options(&amazon)]);
    assert!(matches!(one(&dispatch, terms(60)).await, Err(Error::Upstream(_))));
    assert_eq!(amazon.batches(), [1]);
}

#[tokio::test(start_paused = true)]
async fn throttling_slows_the_account_and_the_call_is_made_again() {
    let amazon = Arc::new(Scripted::fails([throttled()]));
    let dispatch = Dispatch::start(vec![options(&amazon)]);
    assert!(one(&dispatch, terms(60)).await.is_ok());
    let times = amazon.times();
    assert!(times[1] - times[0] >= Duration::from_secs(2), "half the pace: {times:?}");
    let report = dispatch.reports().await.remove(0);
    assert_eq!((report.current_calls_per_second, report.counts.throttled), (0.5, 1));
    assert_eq!(report.breakers, [(Operation::GetItems, BreakerState::Closed, 2)]);
}

#[tokio::test(start_paused = true)]
async fn five_failures_open_the_breaker_for_that_operation_only() {
    let amazon = Arc::new(Scripted::fails((0..5).map(|_| failed())));
    let dispatch = Dispatch::start(vec![options(&amazon)]);
    assert!(matches!(one(&dispatch, terms(60)).await, Err(Error::Upstream(_))));
    assert!(matches!(one(&dispatch, terms(60)).await, Err(Error::Upstream(_))));
    assert!(matches!(one(&dispatch, terms(60)).await, Err(Error::BreakerOpen { .. })));
    let nodes = CatalogRequest::BrowseNodes(GetBrowseNodes { locale: us(), ids: Vec::new() });
    assert!(dispatch.fetch(nodes, terms(60)).await.is_ok());
    advance(Duration::from_secs(31)).await;
    assert!(one(&dispatch, terms(60)).await.is_ok(), "after the pause one call finds out");
}

#[tokio::test(start_paused = true)]
async fn a_spent_day_refuses_at_once_and_says_when_it_ends() {
    let amazon = Arc::new(Scripted::default());
    let dispatch = Dispatch::start(vec![Options { calls_per_day: 2, ..options(&amazon) }]);
    let results = all(dispatch.fetch_items(us(), asins('B', 30), terms(60)).await).await;
    let spent =
        results.iter().filter(|item| matches!(item.result, Err(Error::DayBudgetSpent { limit: 2, .. }))).count();
    assert_eq!((spent, amazon.batches()), (10, vec![10, 10]));
    match one(&dispatch, terms(60)).await {
        Err(Error::DayBudgetSpent { resets_in, .. }) => assert!(resets_in > Duration::from_secs(23 * 3600)),
        other => panic!("{other:?}"),
    }
    advance(Duration::from_secs(24 * 3600 + 60)).await;
    assert!(one(&dispatch, terms(60)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_caller_s_share_binds_that_caller_only() {
    let amazon = Arc::new(Scripted::default());
    let dispatch = Dispatch::start(vec![options(&amazon)]);
    let greedy = || RequestContext { caller: "greedy".into(), daily_quota: Some(1), ..terms(60) };
    assert!(one(&dispatch, greedy()).await.is_ok());
    assert!(matches!(one(&dispatch, greedy()).await, Err(Error::CallerShareSpent { share: 1, .. })));
    assert!(one(&dispatch, terms(60)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses() {
    let amazon = Arc::new(Scripted::default());
    let dispatch = Dispatch::start(vec![Options { queue_capacity: 15, ..options(&amazon) }]);
    let results = all(dispatch.fetch_items(us(), asins('B', 20), terms(60)).await).await;
    let full = results.iter().filter(|item| matches!(item.result, Err(Error::QueueFull { capacity: 15, .. }))).count();
    assert_eq!(full, 5);
}

fn as_caller(name: &str, class: Priority, weight: f64) -> RequestContext {
    RequestContext { caller: name.into(), priority: class, weight, ..terms(3000) }
}

impl Scripted {
    /// The first letters of the ids of each call, in order.
    fn letters(&self) -> Vec<String> {
        let letters = |(_, question): &(Instant, CatalogRequest)| match question {
            CatalogRequest::Items(items) => {
                let mut letters: Vec<char> =
                    items.asins.iter().filter_map(|asin| asin.as_str().chars().next()).collect();
                letters.sort_unstable();
                letters.into_iter().collect()
            }
            _ => "-".to_owned(),
        };
        self.asked.lock().unwrap().iter().map(letters).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn a_small_caller_s_wait_is_its_fair_share_behind_a_greedy_one() {
    let amazon = Arc::new(Scripted::default());
    let dispatch = Dispatch::start(vec![options(&amazon)]);
    let greedy = dispatch.fetch_items(us(), asins('G', 500), as_caller("greedy", Priority::Interactive, 1.0)).await;
    sleep(Duration::from_millis(1500)).await;
    let asked = Instant::now();
    let small =
        all(dispatch.fetch_items(us(), asins('S', 10), as_caller("small", Priority::Interactive, 1.0)).await).await;
    assert!(small.iter().all(|item| item.result.is_ok()));
    let waited = Instant::now() - asked;
    assert!(waited <= Duration::from_secs(3), "ten ids among two callers are two calls' worth: {waited:?}");
    assert_eq!(amazon.letters()[2..4], ["GGGGGSSSSS", "GGGGGSSSSS"], "each has half of the seats");
    assert_eq!(all(greedy).await.len(), 500, "and the greedy one has all the rest");
}

#[tokio::test(start_paused = true)]
async fn shares_follow_weights_within_a_call() {
    let amazon = Arc::new(Scripted::default());
    let dispatch = Dispatch::start(vec![options(&amazon)]);
    let heavy = dispatch.fetch_items(us(), asins('H', 40), as_caller("heavy", Priority::Interactive, 4.0)).await;
    let light = dispatch.fetch_items(us(), asins('L', 40), as_caller("light", Priority::Interactive, 1.0)).await;
    all(heavy).await;
    all(light).await;
    // The first call left before the light one had asked.
    assert_eq!(amazon.letters()[1..4].concat().matches('H').count(), 24);
}

#[tokio::test(start_paused = true)]
async fn bulk_comes_after_those_who_wait_and_goes_first_for_an_id_that_somebody_waits_for() {
    let amazon = Arc::new(Scripted::default());
    let dispatch = Dispatch::start(vec![options(&amazon)]);
    let bulk = dispatch.fetch_items(us(), asins('B', 40), as_caller("batch", Priority::Bulk, 1.0)).await;
    sleep(Duration::from_millis(500)).await;
    let fresh = dispatch.fetch_items(us(), asins('F', 5), as_caller("web", Priority::Interactive, 1.0)).await;
    let promoted = Asin::parse("B000000039").unwrap();
    let same = dispatch.fetch_items(us(), vec![promoted], as_caller("web", Priority::Interactive, 1.0)).await;
    all(fresh).await;
    all(same).await;
    assert_eq!(amazon.letters()[1], "BBBBBFFFFF");
    let (_, second) = amazon.asked.lock().unwrap()[1].clone();
    assert!(matches!(second, CatalogRequest::Items(items) if items.asins.contains(&promoted)));
    assert_eq!(all(bulk).await.len(), 40);
    assert_eq!(amazon.batches().iter().sum::<usize>(), 45, "no id was asked for twice");
}

#[tokio::test(start_paused = true)]
async fn what_waits_long_enough_goes_before_newer_and_more_urgent_asks() {
    let amazon = Arc::new(Scripted::default());
    let dispatch = Dispatch::start(vec![Options { calls_per_second: 0.1, ..options(&amazon) }]);
    let all_of = async |count: usize| {
        let asked =
            dispatch.fetch_items(us(), asins('U', count), as_caller("urgent", Priority::Interactive, 1.0)).await;
        let old = dispatch.fetch_items(us(), asins('B', 1), as_caller("batch", Priority::Bulk, 1.0)).await;
        (asked, old)
    };
    let (urgent, old) = all_of(600).await;
    assert!(all(old).await[0].result.is_ok());
    let calls = amazon.batches().len();
    assert!((20..60).contains(&calls), "after two steps of ageing, and not after all sixty: {calls}");
    drop(urgent);
}

/// Marks ids as read past their freshness.
fn mark_stale(dispatch: &Dispatch, asins: Vec<Asin>) {
    asins.into_iter().for_each(|asin| dispatch.mark_stale(&FetchKey::Item(us(), asin), SystemTime::UNIX_EPOCH));
}

#[tokio::test(start_paused = true)]
async fn free_places_carry_refreshes_and_their_answers_are_stored() {
    let amazon = Arc::new(Scripted::default());
    let answers = Arc::new(Stored::default());
    let dispatch =
        Dispatch::start(vec![Options { answers: Arc::clone(&answers) as Arc<dyn AnswerSink>, ..options(&amazon) }]);
    mark_stale(&dispatch, asins('R', 9));
    assert!(one(&dispatch, terms(60)).await.is_ok());
    assert_eq!(amazon.letters(), ["BRRRRRRRRR"]);
    assert_eq!(answers.0.lock().unwrap().len(), 10, "what nobody waited for is stored all the same");
    mark_stale(&dispatch, asins('S', 3));
    all(dispatch.fetch_items(us(), asins('C', 10), terms(60)).await).await;
    assert_eq!(amazon.letters()[1], "CCCCCCCCCC", "those who wait have the places");
}

#[tokio::test(start_paused = true)]
async fn a_thousand_stale_reads_of_a_key_are_one_refresh_while_amazon_hangs() {
    let amazon = Arc::new(Scripted { takes: Duration::from_secs(3600), ..Scripted::default() });
    let dispatch = Dispatch::start(vec![options(&amazon)]);
    for _ in 0..100 {
        for _ in 0..10 {
            mark_stale(&dispatch, asins('R', 10));
        }
        sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(amazon.letters(), ["RRRRRRRRRR"]);
    assert_eq!(dispatch.reports().await[0].queue_length, 0);
}

#[tokio::test(start_paused = true)]
async fn refreshes_never_go_before_people_nor_take_their_places_in_the_queue() {
    let amazon = Arc::new(Scripted::default());
    let dispatch = Dispatch::start(vec![Options { calls_per_day: 144, queue_capacity: 50, ..options(&amazon) }]);
    // Spends what is in hand, so that refreshes have to wait.
    all(dispatch.fetch_items(us(), asins('A', 50), terms(60)).await).await;
    all(dispatch.fetch_items(us(), asins('B', 50), terms(60)).await).await;
    mark_stale(&dispatch, asins('R', 100));
    sleep(Duration::from_secs(125)).await;
    assert_eq!(amazon.batches().len(), 10, "no refresh without budget in hand");
    let people = all(dispatch.fetch_items(us(), asins('C', 50), terms(8)).await).await;
    assert!(people.iter().all(|item| item.result.is_ok()), "{:?}", people.iter().find(|item| item.result.is_err()));
    assert_eq!(amazon.letters()[10..], ["CCCCCCCCCC"; 5], "full batches of people only");
}

#[tokio::test(start_paused = true)]
async fn a_page_is_refreshed_at_once_and_without_company_and_a_product_after_a_minute() {
    let amazon = Arc::new(Scripted::default());
    let dispatch = Dispatch::start(vec![options(&amazon)]);
    let nodes = CatalogRequest::BrowseNodes(GetBrowseNodes { locale: us(), ids: Vec::new() });
    let marked = Instant::now();
    dispatch.mark_stale(&FetchKey::Request(nodes), SystemTime::UNIX_EPOCH);
    mark_stale(&dispatch, asins('R', 1));
    sleep(Duration::from_secs(70)).await;
    let waits: Vec<_> = amazon.times().iter().map(|at| (*at - marked).as_secs()).collect();
    assert_eq!((amazon.letters(), waits), (vec!["-".to_owned(), "R".to_owned()], vec![0, 60]));
}

#[tokio::test(start_paused = true)]
async fn a_page_is_refreshed_even_when_less_than_half_of_the_burst_is_in_hand() {
    let amazon = Arc::new(Scripted::default());
    let dispatch = Dispatch::start(vec![Options { calls_per_day: 144, ..options(&amazon) }]);
    all(dispatch.fetch_items(us(), asins('A', 80), terms(60)).await).await;
    let nodes = CatalogRequest::BrowseNodes(GetBrowseNodes { locale: us(), ids: Vec::new() });
    dispatch.mark_stale(&FetchKey::Request(nodes), SystemTime::UNIX_EPOCH);
    sleep(Duration::from_secs(61)).await;
    assert_eq!(amazon.letters().last().unwrap(), "-");
}

#[tokio::test(start_paused = true)]
async fn one_rejected_id_among_a_thousand_stale_ones_costs_a_few_calls_and_no_person_an_answer() {
    let amazon = Arc::new(Scripted { poison: true, ..Scripted::default() });
    let dispatch = Dispatch::start(vec![options(&amazon)]);
    let people = [asins('B', 4), asins('P', 1)].concat();
    let people = dispatch.fetch_items(us(), people, terms(60)).await;
    mark_stale(&dispatch, asins('R', 5));
    let results = all(people).await;
    let refused: Vec<_> = results.iter().filter(|item| item.result.is_err()).map(|item| item.asin).collect();
    assert_eq!(refused, asins('P', 1));
    assert!(amazon.letters()[1..].iter().all(|batch| !batch.contains('R')), "{:?}", amazon.letters());

    let amazon = Arc::new(Scripted { poison: true, ..Scripted::default() });
    let dispatch = Dispatch::start(vec![options(&amazon)]);
    mark_stale(&dispatch, asins('P', 1));
    mark_stale(&dispatch, asins('R', 1000));
    sleep(Duration::from_secs(180)).await;
    let poisoned = amazon.letters().iter().filter(|batch| batch.contains('P')).count();
    assert!(poisoned <= 3, "{poisoned} in {:?}", amazon.letters());
}

#[tokio::test(start_paused = true)]
async fn behind_pace_a_call_waits_for_company_as_long_as_its_callers_can() {
    let amazon = Arc::new(Scripted::default());
    let dispatch = Dispatch::start(vec![Options { calls_per_second: 10.0, calls_per_day: 144, ..options(&amazon) }]);
    // Spends what is in hand: ten calls of 144.
    all(dispatch.fetch_items(us(), asins('A', 100), terms(60)).await).await;
    let asked = Instant::now();
    let patient = dispatch.fetch_items(us(), asins('P', 1), terms(60)).await;
    let later = async {
        sleep(Duration::from_secs(20)).await;
        all(dispatch.fetch_items(us(), asins('Q', 9), terms(60)).await).await
    };
    let (patient, _) = tokio::join!(all(patient), later);
    assert!(patient[0].result.is_ok());
    assert_eq!(amazon.letters().last().unwrap(), "PQQQQQQQQQ");
    assert!(Instant::now() - asked < Duration::from_secs(21), "a full call leaves at once");

    let asked = Instant::now();
    assert!(all(dispatch.fetch_items(us(), asins('H', 1), terms(10)).await).await[0].result.is_ok());
    let waited = Instant::now() - asked;
    assert!((Duration::from_secs(8)..Duration::from_secs(10)).contains(&waited), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn bulk_work_stops_at_four_fifths_of_the_day() {
    let amazon = Arc::new(Scripted::default());
    let dispatch = Dispatch::start(vec![Options { calls_per_second: 10.0, calls_per_day: 100, ..options(&amazon) }]);
    let background = RequestContext { priority: Priority::Bulk, ..terms(24 * 3600) };
    let results = all(dispatch.fetch_items(us(), asins('R', 900), background.clone()).await).await;
    let kept = results.iter().filter(|item| matches!(item.result, Err(Error::KeptForOthers { .. }))).count();
    assert_eq!((kept, amazon.batches().len()), (100, 80));
    let more = all(dispatch.fetch_items(us(), asins('S', 1), background).await).await;
    assert!(matches!(more[0].result, Err(Error::KeptForOthers { .. })));
    assert!(one(&dispatch, terms(60)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_id_that_amazon_rejects_costs_no_other_its_answer_and_every_call_is_counted() {
    let amazon = Arc::new(Scripted { poison: true, ..Scripted::default() });
    let dispatch = Dispatch::start(vec![options(&amazon)]);
    let ids = [asins('B', 7), asins('P', 1), asins('C', 2)].concat();
    let results = all(dispatch.fetch_items(us(), ids, terms(60)).await).await;
    let refused: Vec<_> = results.iter().filter(|item| item.result.is_err()).map(|item| item.asin).collect();
    assert_eq!((results.len(), refused), (10, asins('P', 1)));
    let calls = amazon.batches().len();
    assert!(calls <= 8, "halved again and again, not asked one by one: {:?}", amazon.batches());
    let counted: std::collections::HashSet<u64> = results.iter().flat_map(|item| item.calls.ids()).copied().collect();
    assert_eq!((counted.len(), dispatch.reports().await[0].day_spent as usize), (calls, calls));
}

#[tokio::test(start_paused = true)]
async fn an_id_that_amazon_rejects_without_naming_it_is_remembered_as_not_found() {
    for poisoned_first in [true, false] {
        let code = Some("InvalidParameterValue");
        let amazon = Arc::new(Scripted { poison: true, poison_code: code, ..Scripted::default() });
        let answers = Arc::new(Stored::default());
        let dispatch =
            Dispatch::start(vec![Options { answers: Arc::clone(&answers) as Arc<dyn AnswerSink>, ..options(&amazon) }]);
        let mut ids = [asins('B', 9), asins('P', 1)].concat();
        if poisoned_first {
            ids.rotate_right(1);
        }
        let results = all(dispatch.fetch_items(us(), ids, terms(60)).await).await;
        let missing: Vec<_> = results
            .iter()
            .filter(|item| item.result.as_ref().is_ok_and(|known| known.content == Err(Missing::NotFound)))
            .map(|item| item.asin)
            .collect();
        assert_eq!((results.len(), missing), (10, asins('P', 1)), "{results:?}");
        assert!(results.iter().all(|item| item.result.is_ok()), "{results:?}");
        assert!(amazon.batches().len() <= 8, "{:?}", amazon.batches());
        assert_eq!(answers.0.lock().unwrap().len(), 10, "the absence is stored like the products");
    }
}

#[tokio::test(start_paused = true)]
async fn ids_that_are_all_rejected_are_not_taken_for_missing() {
    let code = Some("InvalidParameterValue");
    let amazon = Arc::new(Scripted { poison: true, poison_code: code, ..Scripted::default() });
    let answers = Arc::new(Stored::default());
    let dispatch =
        Dispatch::start(vec![Options { answers: Arc::clone(&answers) as Arc<dyn AnswerSink>, ..options(&amazon) }]);
    let results = all(dispatch.fetch_items(us(), asins('P', 4), terms(60)).await).await;
    assert!(results.iter().all(|item| matches!(&item.result, Err(Error::Upstream(_)))), "{results:?}");
    let alone = all(dispatch.fetch_items(us(), asins('P', 1), terms(60)).await).await;
    assert!(matches!(&alone[0].result, Err(Error::Upstream(_))), "{alone:?}");
    assert!(answers.0.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_caller_s_quota_is_checked_where_a_call_is_booked() {
    let amazon = Arc::new(Scripted::default());
    let dispatch = Dispatch::start(vec![options(&amazon)]);
    let greedy = || RequestContext { caller: "greedy".into(), daily_quota: Some(3), ..terms(60) };
    let results = all(dispatch.fetch_items(us(), asins('G', 100), greedy()).await).await;
    let spent =
        results.iter().filter(|item| matches!(item.result, Err(Error::CallerShareSpent { share: 3, .. }))).count();
    assert_eq!((spent, amazon.batches()), (70, vec![10, 10, 10]));
    assert!(matches!(one(&dispatch, greedy()).await, Err(Error::CallerShareSpent { .. })));
    assert!(one(&dispatch, terms(60)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn without_redis_a_caller_s_quota_and_the_patience_are_divided_among_replicas() {
    let amazon = Arc::new(Scripted::default());
    let dispatch = Dispatch::start(vec![Options { replicas: 2, calls_per_second: 20.0, ..options(&amazon) }]);
    let greedy = RequestContext { caller: "greedy".into(), daily_quota: Some(6), ..terms(60) };
    all(dispatch.fetch_items(us(), asins('G', 100), greedy).await).await;
    assert_eq!(amazon.batches().len(), 3);
    let hurried = |n| RequestContext { caller: format!("caller {n}").into(), ..terms(1) };
    for n in 0..600 {
        let asin = Asin::parse(&format!("C{n:09}")).unwrap();
        all(dispatch.fetch_items(us(), vec![asin], hurried(n)).await).await;
    }
    let calls = amazon.batches().len();
    assert!((500..=520).contains(&calls), "half of a burst of 600 and of an overdraft of 432: {calls}");
}

#[tokio::test(start_paused = true)]
async fn a_stop_finishes_what_is_in_flight_and_refuses_what_waits() {
    let amazon = Arc::new(Scripted { takes: Duration::from_secs(2), ..Scripted::default() });
    let answers = Arc::new(Stored::default());
    let dispatch =
        Dispatch::start(vec![Options { answers: Arc::clone(&answers) as Arc<dyn AnswerSink>, ..options(&amazon) }]);
    let sent = dispatch.fetch_items(us(), asins('B', 10), terms(60)).await;
    amazon.has_calls(1).await;
    let waits = dispatch.fetch_items(us(), asins('C', 1), terms(60)).await;
    let (_, sent, waits) = tokio::join!(dispatch.stop(), all(sent), all(waits));
    assert!(sent.iter().all(|item| item.result.is_ok()), "{sent:?}");
    assert!(matches!(waits[0].result, Err(Error::Stopping)));
    assert_eq!(answers.0.lock().unwrap().len(), 10);
    assert!(matches!(one(&dispatch, terms(60)).await, Err(Error::Stopping)));
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_actor_costs_neither_the_account_nor_its_count() {
    let amazon = Arc::new(Scripted::default());
    let dispatch = Dispatch::start(vec![options(&amazon)]);
    assert!(one(&dispatch, terms(60)).await.is_ok());
    let lost = all(dispatch.fetch_items(us(), asins('K', 1), terms(60)).await).await;
    assert!(lost.is_empty(), "{lost:?}");
    assert!(all(dispatch.fetch_items(us(), asins('C', 1), terms(60)).await).await[0].result.is_ok());
    let report = dispatch.reports().await.remove(0);
    assert_eq!((report.day_spent, report.counts.restarts), (3, 1));
    assert!(report.last_error.unwrap().contains("a defect that is met on the way"));
}

#[tokio::test(start_paused = true)]
async fn no_retry_after_is_longer_than_five_minutes() {
    let retry_after = Some(Duration::from_secs(u64::MAX));
    let amazon = Arc::new(Scripted::fails([amazon_catalog::Error::Throttled { retry_after, request_id: None }]));
    let dispatch = Dispatch::start(vec![options(&amazon)]);
    let asked = Instant::now();
    assert!(one(&dispatch, terms(600)).await.is_ok());
    assert!(Instant::now() - asked < Duration::from_secs(302));
    assert_eq!(dispatch.reports().await[0].counts.restarts, 0);
}

#[tokio::test(start_paused = true)]
async fn ten_throttled_calls_of_one_moment_halve_the_rate_once() {
    let amazon = Arc::new(Scripted { takes: Duration::from_secs(2), ..Scripted::fails((0..10).map(|_| throttled())) });
    let dispatch = Dispatch::start(vec![Options { calls_per_second: 10.0, ..options(&amazon) }]);
    let results = all(dispatch.fetch_items(us(), asins('B', 100), terms(60)).await).await;
    assert!(results.iter().all(|item| item.result.is_ok()));
    let report = dispatch.reports().await.remove(0);
    assert_eq!((report.current_calls_per_second, report.counts.throttled), (5.0, 10));
}

#[tokio::test(start_paused = true)]
async fn what_never_left_costs_nothing_and_a_refused_account_pauses_until_its_credentials_change() {
    let refusal =
        || amazon_catalog::Error::Refused { refusal: amazon_catalog::Refusal::BadCredential, request_id: None };
    let amazon = Arc::new(Scripted { never_leaves: true, ..Scripted::fails((0..100).map(|_| refusal())) });
    let dispatch = Dispatch::start(vec![Options { calls_per_second: 10.0, ..options(&amazon) }]);
    for n in 0..12 {
        let results = all(dispatch.fetch_items(us(), asins('A', n + 1), terms(60)).await).await;
        assert!(results.iter().all(|item| item.calls.is_empty() && matches!(item.result, Err(Error::Upstream(_)))));
    }
    let report = dispatch.reports().await.remove(0);
    assert_eq!((report.day_spent, amazon.batches().len()), (0, 3), "three refusals in a row");
    amazon.script.lock().unwrap().clear();
    assert!(one(&dispatch, terms(60)).await.is_err(), "the account pauses");
    amazon.credentials.store(1, std::sync::atomic::Ordering::SeqCst);
    assert!(one(&dispatch, terms(60)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn after_a_pause_one_call_is_the_probe_and_no_id_is_tried_more_than_three_times() {
    let amazon = Arc::new(Scripted { takes: Duration::from_millis(500), ..Scripted::fails((0..60).map(|_| failed())) });
    let dispatch = Dispatch::start(vec![Options { calls_per_second: 10.0, ..options(&amazon) }]);
    all(dispatch.fetch_items(us(), asins('B', 100), terms(60)).await).await;
    let before = amazon.batches().len();
    advance(Duration::from_secs(31)).await;
    let waiting = dispatch.fetch_items(us(), asins('C', 5), terms(60)).await;
    let more = dispatch.fetch_items(us(), asins('D', 30), terms(60)).await;
    amazon.has_calls(before + 1).await;
    sleep(Duration::from_millis(450)).await;
    assert_eq!(amazon.batches().len(), before + 1, "one probe");
    drop((waiting, more));
    let mut tries = std::collections::HashMap::<Asin, usize>::new();
    for (_, request) in &*amazon.asked.lock().unwrap() {
        if let CatalogRequest::Items(items) = request {
            items.asins.iter().for_each(|asin| *tries.entry(*asin).or_default() += 1);
        }
    }
    assert!(tries.values().all(|tries| *tries <= 3), "{tries:?}");
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_is_known_is_the_answer_when_the_deadline_comes() {
    let amazon = Arc::new(Scripted { hangs_after: Some(1), ..Scripted::fails([failed()]) });
    let dispatch = Dispatch::start(vec![options(&amazon)]);
    let asked = Instant::now();
    let results = all(dispatch.fetch_items(us(), asins('B', 1), terms(4)).await).await;
    assert!(
        matches!(&results[0].result, Err(Error::Upstream(error)) if matches!(**error, amazon_catalog::Error::Failed { .. }))
    );
    assert!(Instant::now() - asked <= Duration::from_secs(4));
    assert_eq!(results[0].calls.ids().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_distance_between_calls_counts_from_when_a_request_was_written() {
    let amazon = Arc::new(Scripted { connects_in: Duration::from_millis(150), ..Scripted::default() });
    let dispatch = Dispatch::start(vec![options(&amazon)]);
    all(dispatch.fetch_items(us(), asins('B', 30), terms(60)).await).await;
    let times = amazon.times();
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= Duration::from_secs(1)), "{times:?}");
    assert_eq!(amazon.batches(), [10, 10, 10]);
}

#[tokio::test(start_paused = true)]
async fn a_small_day_is_spent_by_those_who_ask_for_it() {
    let amazon = Arc::new(Scripted::default());
    let dispatch = Dispatch::start(vec![Options { calls_per_day: 4, ..options(&amazon) }]);
    for n in 0..4 {
        let asked = Instant::now();
        let asin = Asin::parse(&format!("C{n:09}")).unwrap();
        assert!(all(dispatch.fetch_items(us(), vec![asin], terms(30)).await).await[0].result.is_ok());
        assert!(Instant::now() - asked <= Duration::from_secs(2), "call {n}");
    }
    assert!(matches!(one(&dispatch, terms(30)).await, Err(Error::DayBudgetSpent { .. })));
}
