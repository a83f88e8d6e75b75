//! The account's task with a scripted Amazon and a clock that only moves when everybody waits.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture};
use tokio::time::{Instant, advance};
use tokio_util::sync::CancellationToken;

use super::*;
use amazon_catalog::{BrowseNodes, GetBrowseNodes, Items, Missing};
use stockroom_proto::pb;

/// Answers every id with a product, after a time, unless the script says otherwise.
#[derive(Debug, Default)]
struct Scripted {
    takes: Duration,
    /// Whether Amazon refuses every call that carries an id which begins with P.
    poison: bool,
    script: Mutex<VecDeque<amazon_catalog::Error>>,
    asked: Mutex<Vec<(Instant, CatalogRequest)>>,
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
        self.asked.lock().unwrap().push((Instant::now(), question.clone()));
        let scripted = self.script.lock().unwrap().pop_front();
        let poisoned =
            matches!(question, CatalogRequest::Items(items) if items.asins.iter().any(|a| a.as_str().starts_with('P')));
        let poisoned = poisoned && self.poison;
        async move {
            tokio::time::sleep(self.takes).await;
            match (scripted, question) {
                (Some(error), _) => Err(error),
                (None, _) if poisoned => Err(amazon_catalog::Error::Rejected {
                    code: "Invalid".to_owned(),
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

    fn times(&self) -> Vec<Instant> {
        self.asked.lock().unwrap().iter().map(|(at, _)| *at).collect()
    }
}

/// Keeps the ids it is given, and gives out those it is told are due.
#[derive(Debug, Default)]
struct Shelved {
    kept: Mutex<Vec<Asin>>,
    due: Mutex<Vec<Asin>>,
}

impl AnswerSink for Shelved {
    fn keep(&self, _: Locale, asin: Asin, _: &Snapshot) {
        self.kept.lock().unwrap().push(asin);
    }

    fn due(&self, _: Locale, seats: usize) -> Vec<Asin> {
        let mut due = self.due.lock().unwrap();
        let count = seats.min(due.len());
        due.drain(..count).collect()
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
        answers: Arc::new(Shelved::default()),
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
        abandoned: CancellationToken::new(),
    }
}

async fn all(mut told: mpsc::UnboundedReceiver<ItemResult>) -> Vec<ItemResult> {
    let mut items = Vec::new();
    while let Some(item) = told.recv().await {
        items.push(item);
    }
    items
}

async fn one(dispatch: &Dispatch, terms: RequestContext) -> Result<Snapshot, Error> {
    all(dispatch.items(us(), asins('B', 1), terms).await).await.remove(0).result
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
    let told = all(dispatch.items(us(), asins('B', 25), terms(60)).await).await;
    assert_eq!((told.len(), amazon.batches()), (25, vec![10, 10, 5]));
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
    let each = asins('C', 100).into_iter().map(|asin| dispatch.items(us(), vec![asin], terms(60)));
    for told in futures_util::future::join_all(each).await {
        assert!(all(told).await[0].result.is_ok());
    }
    assert_eq!(amazon.batches(), [1, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_has_left_serves_those_who_stay_and_one_that_nobody_wants_never_leaves() {
    let amazon = Arc::new(Scripted { takes: Duration::from_secs(1), ..Scripted::default() });
    let dispatch = Dispatch::start(vec![options(&amazon)]);
    let first = terms(60);
    let (mut gone, stays) = (
        dispatch.items(us(), asins('B', 1), first.clone()).await,
        dispatch.items(us(), asins('B', 1), terms(60)).await,
    );
    advance(Duration::from_millis(100)).await;
    let unwanted = terms(60);
    let queued = dispatch.items(us(), asins('C', 10), unwanted.clone()).await;
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
    let told = all(dispatch.items(us(), ids, terms(60)).await).await;
    assert!(told[..2].iter().all(|item| item.result.as_ref().unwrap().content.is_ok()));
    assert_eq!(told[2].result.as_ref().unwrap().content, Err(Missing::NotFound));
    assert!(matches!(told[3].result, Err(Error::Upstream(_))), "{:?}", told[3]);
}

#[tokio::test(start_paused = true)]
async fn a_wait_past_the_deadline_is_refused_at_once_with_the_wait() {
    let amazon = Arc::new(Scripted::default());
    let dispatch = Dispatch::start(vec![options(&amazon)]);
    let patient = dispatch.items(us(), asins('B', 50), terms(60)).await;
    let asked = Instant::now();
    let hurried = all(dispatch.items(us(), asins('C', 1), terms(3)).await).await.remove(0).result;
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
    assert!(dispatch.ask(nodes, terms(60)).await.is_ok());
    advance(Duration::from_secs(31)).await;
    assert!(one(&dispatch, terms(60)).await.is_ok(), "after the pause one call finds out");
}

#[tokio::test(start_paused = true)]
async fn a_spent_day_refuses_at_once_and_says_when_it_ends() {
    let amazon = Arc::new(Scripted::default());
    let dispatch = Dispatch::start(vec![Options { calls_per_day: 2, ..options(&amazon) }]);
    let told = all(dispatch.items(us(), asins('B', 30), terms(60)).await).await;
    let spent = told.iter().filter(|item| matches!(item.result, Err(Error::DayBudgetSpent { limit: 2, .. }))).count();
    assert_eq!((spent, amazon.batches()), (10, vec![10, 10]));
    match one(&dispatch, terms(60)).await {
        Err(Error::DayBudgetSpent { resets_in, .. }) => assert!(resets_in > Duration::from_secs(23 * 3600)),
        other => panic!("{other:?}"),
    }
    advance(Duration::from_secs(24 * 3600)).await;
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
    let told = all(dispatch.items(us(), asins('B', 20), terms(60)).await).await;
    let full = told.iter().filter(|item| matches!(item.result, Err(Error::QueueFull { capacity: 15, .. }))).count();
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
    let greedy = dispatch.items(us(), asins('G', 500), as_caller("greedy", Priority::Interactive, 1.0)).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let asked = Instant::now();
    let small = all(dispatch.items(us(), asins('S', 10), as_caller("small", Priority::Interactive, 1.0)).await).await;
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
    let heavy = dispatch.items(us(), asins('H', 40), as_caller("heavy", Priority::Interactive, 4.0)).await;
    let light = dispatch.items(us(), asins('L', 40), as_caller("light", Priority::Interactive, 1.0)).await;
    all(heavy).await;
    all(light).await;
    // The first call left before the light one had asked.
    assert_eq!(amazon.letters()[1..4].concat().matches('H').count(), 24);
}

#[tokio::test(start_paused = true)]
async fn bulk_comes_after_those_who_wait_and_goes_first_for_an_id_that_somebody_waits_for() {
    let amazon = Arc::new(Scripted::default());
    let dispatch = Dispatch::start(vec![options(&amazon)]);
    let bulk = dispatch.items(us(), asins('B', 40), as_caller("batch", Priority::Bulk, 1.0)).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let fresh = dispatch.items(us(), asins('F', 5), as_caller("web", Priority::Interactive, 1.0)).await;
    let promoted = Asin::parse("B000000039").unwrap();
    let same = dispatch.items(us(), vec![promoted], as_caller("web", Priority::Interactive, 1.0)).await;
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
        let asked = dispatch.items(us(), asins('U', count), as_caller("urgent", Priority::Interactive, 1.0)).await;
        let old = dispatch.items(us(), asins('B', 1), as_caller("batch", Priority::Bulk, 1.0)).await;
        (asked, old)
    };
    let (urgent, old) = all_of(600).await;
    assert!(all(old).await[0].result.is_ok());
    let calls = amazon.batches().len();
    assert!((20..60).contains(&calls), "after two steps of ageing, and not after all sixty: {calls}");
    drop(urgent);
}

#[tokio::test(start_paused = true)]
async fn free_seats_carry_what_is_about_to_age_and_keep_it() {
    let amazon = Arc::new(Scripted::default());
    let answers = Arc::new(Shelved { due: Mutex::new(asins('R', 12)), ..Shelved::default() });
    let dispatch =
        Dispatch::start(vec![Options { answers: Arc::clone(&answers) as Arc<dyn AnswerSink>, ..options(&amazon) }]);
    assert!(one(&dispatch, terms(60)).await.is_ok());
    assert_eq!(amazon.letters(), ["BRRRRRRRRR"]);
    assert_eq!(answers.kept.lock().unwrap().len(), 10, "what nobody waited for is kept all the same");
    all(dispatch.items(us(), asins('C', 10), terms(60)).await).await;
    assert_eq!(amazon.letters()[1], "CCCCCCCCCC", "those who wait have the seats");
}

#[tokio::test(start_paused = true)]
async fn behind_pace_a_call_waits_for_company_as_long_as_its_callers_can() {
    let amazon = Arc::new(Scripted::default());
    let dispatch = Dispatch::start(vec![Options { calls_per_second: 10.0, calls_per_day: 144, ..options(&amazon) }]);
    // Spends what is in hand: ten calls of 144.
    all(dispatch.items(us(), asins('A', 100), terms(60)).await).await;
    let asked = Instant::now();
    let patient = dispatch.items(us(), asins('P', 1), terms(60)).await;
    let later = async {
        tokio::time::sleep(Duration::from_secs(20)).await;
        all(dispatch.items(us(), asins('Q', 9), terms(60)).await).await
    };
    let (patient, _) = tokio::join!(all(patient), later);
    assert!(patient[0].result.is_ok());
    assert_eq!(amazon.letters().last().unwrap(), "PQQQQQQQQQ");
    assert!(Instant::now() - asked < Duration::from_secs(21), "a full call leaves at once");

    let asked = Instant::now();
    assert!(all(dispatch.items(us(), asins('H', 1), terms(10)).await).await[0].result.is_ok());
    let waited = Instant::now() - asked;
    assert!((Duration::from_secs(8)..Duration::from_secs(10)).contains(&waited), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn work_that_nobody_waits_for_stops_at_four_fifths_of_the_day() {
    let amazon = Arc::new(Scripted::default());
    let dispatch = Dispatch::start(vec![Options { calls_per_second: 10.0, calls_per_day: 100, ..options(&amazon) }]);
    let background = RequestContext { priority: Priority::Refresh, ..terms(24 * 3600) };
    let told = all(dispatch.items(us(), asins('R', 900), background.clone()).await).await;
    let kept = told.iter().filter(|item| matches!(item.result, Err(Error::KeptForOthers { .. }))).count();
    assert_eq!((kept, amazon.batches().len()), (100, 80));
    let more = all(dispatch.items(us(), asins('S', 1), background).await).await;
    assert!(matches!(more[0].result, Err(Error::KeptForOthers { .. })));
    assert!(one(&dispatch, terms(60)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_id_that_amazon_does_not_bear_costs_no_other_its_answer() {
    let amazon = Arc::new(Scripted { poison: true, ..Scripted::default() });
    let dispatch = Dispatch::start(vec![options(&amazon)]);
    let ids = [asins('B', 7), asins('P', 1), asins('C', 2)].concat();
    let told = all(dispatch.items(us(), ids, terms(60)).await).await;
    let refused: Vec<_> = told.iter().filter(|item| item.result.is_err()).map(|item| item.asin).collect();
    assert_eq!((told.len(), refused), (10, asins('P', 1)));
    assert!(amazon.batches().len() <= 8, "halved again and again, not asked one by one: {:?}", amazon.batches());
}
