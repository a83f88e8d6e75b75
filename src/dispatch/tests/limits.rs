//! What is refused at once: deadlines, the day, quotas, the queue's capacity.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_wait_past_the_deadline_is_refused_at_once_with_the_wait() {
    let amazon = Arc::new(Scripted::default());
    let dispatch = Dispatch::start(vec![options(&amazon)]);
    let patient = dispatch.fetch_items(us(), asins('B', 50), terms(60)).await;
    let asked = Instant::now();
    let hurried = all(dispatch.fetch_items(us(), asins('C', 1), terms(3)).await).await.remove(0).result;
    match hurried {
        Err(Error::WaitExceedsDeadline { wait }) => assert_eq!(wait, Duration::from_millis(5000 + 1500)),
        other => panic!("{other:?}"),
    }
    assert_eq!(Instant::now(), asked, "refused without waiting");
    assert!(all(patient).await.iter().all(|item| item.result.is_ok()));
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
    let dispatch = Dispatch::start(vec![Options {
        sharing: Sharing { replicas: 2, ..Sharing::default() },
        calls_per_second: 20.0,
        ..options(&amazon)
    }]);
    let greedy = RequestContext { caller: "greedy".into(), daily_quota: Some(6), ..terms(60) };
    all(dispatch.fetch_items(us(), asins('G', 100), greedy).await).await;
    assert_eq!(amazon.batches().len(), 3);
    // Too soon for waiting for company.
    let deadline = || Instant::now() + Duration::from_millis(300);
    let hurried = |n| RequestContext { caller: format!("caller {n}").into(), deadline: deadline(), ..terms(1) };
    for n in 0..600 {
        let asin = Asin::parse(&format!("C{n:09}")).unwrap();
        all(dispatch.fetch_items(us(), vec![asin], hurried(n)).await).await;
    }
    let calls = amazon.batches().len();
    assert!((500..=520).contains(&calls), "half of a burst of 600 and of an overdraft of 432: {calls}");
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

#[tokio::test(start_paused = true)]
async fn the_time_that_calls_take_counts_for_a_deadline() {
    let amazon = Arc::new(Scripted { takes: Duration::from_secs(2), ..Scripted::default() });
    let dispatch = Dispatch::start(vec![options(&amazon)]);
    let seldom = |within| RequestContext { caller: "seldom".into(), ..terms(within) };
    for id in 0..20 {
        assert!(dispatch.fetch(page(1 + id), seldom(60)).await.is_ok());
    }
    let busy = dispatch.fetch_items(us(), asins('B', 30), terms(60)).await;
    amazon.has_calls(21).await;
    // Its turn comes in time, in two seconds at most, and its answer would not.
    let asked = Instant::now();
    let refused = dispatch.fetch(page(100), seldom(3)).await;
    let Err(RequestFailure { error: Error::WaitExceedsDeadline { wait }, .. }) = refused else { panic!("{refused:?}") };
    assert!((Duration::from_secs(3)..Duration::from_secs(6)).contains(&wait), "{wait:?}");
    assert_eq!(Instant::now(), asked);
    assert!(dispatch.fetch(page(101), seldom(7)).await.is_ok());
    all(busy).await;
    sleep(Duration::from_secs(2)).await;
    assert!(dispatch.fetch(page(102), seldom(1)).await.is_err(), "nothing is before it, so it is sent");
    amazon.has_calls(25).await;
}

#[tokio::test(start_paused = true)]
async fn of_what_is_admitted_nearly_all_is_answered_in_time() {
    for (load, seed) in [(0.5, 1), (1.0, 2), (1.5, 3), (4.0, 4)] {
        let amazon = Arc::new(Scripted { takes: Duration::from_millis(400), ..Scripted::default() });
        let dispatch = Arc::new(Dispatch::start(vec![Options { calls_per_second: 4.0, ..options(&amazon) }]));
        let mut random = fastrand::Rng::with_seed(seed);
        let mut asked = tokio::task::JoinSet::new();
        for id in 0..500 {
            let (dispatch, within) = (Arc::clone(&dispatch), Duration::from_millis(random.u64(500..4000)));
            asked.spawn(async move {
                let (asked, deadline) = (Instant::now(), Instant::now() + within);
                let response = dispatch.fetch(page(1 + id), RequestContext { deadline, ..terms(1) }).await;
                let is_admitted = response.is_ok() || Instant::now() > asked;
                (is_admitted, response.is_ok() && Instant::now() <= deadline)
            });
            sleep(Duration::from_secs_f64(-(1.0 - random.f64()).ln() / (load * 4.0))).await;
        }
        let asked = asked.join_all().await;
        let admitted = asked.iter().filter(|(is_admitted, _)| *is_admitted).count();
        let in_time = asked.iter().filter(|(_, is_in_time)| *is_in_time).count();
        assert!(in_time * 100 >= admitted * 99, "{in_time} of {admitted} at {load} of the rate");
        assert!(admitted as f64 >= 0.8 * (500.0 / load).min(500.0), "{admitted} at {load} of the rate");
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_s_three_calls_a_day_are_three_over_two_replicas_without_redis() {
    let amazon = Arc::new(Scripted::default());
    let replica = |index| {
        Dispatch::start(vec![Options {
            sharing: Sharing { replicas: 2, replica_index: Some(index), store: None },
            ..options(&amazon)
        }])
    };
    let replicas = [replica(0), replica(1)];
    let greedy = || RequestContext { caller: "greedy".into(), daily_quota: Some(3), ..terms(600) };
    let pages = (1..=400).map(|id| replicas[id as usize % 2].fetch(page(id), greedy()));
    let pages = futures_util::future::join_all(pages).await;
    assert_eq!((pages.iter().filter(|page| page.is_ok()).count(), amazon.batches().len()), (3, 3));
    let is_spent = |failure: &RequestFailure| matches!(failure.error, Error::CallerShareSpent { share: 3, .. });
    assert_eq!(pages.iter().filter(|page| page.as_ref().is_err_and(is_spent)).count(), 397);
}

#[tokio::test(start_paused = true)]
async fn a_spent_quota_fails_no_wait_for_what_another_caller_is_charged_for() {
    let amazon = Arc::new(Scripted { takes: Duration::from_millis(100), ..Scripted::default() });
    let dispatch = Arc::new(Dispatch::start(vec![options(&amazon)]));
    let capped = || RequestContext { daily_quota: Some(1), ..as_caller("capped", Priority::Interactive, 1.0) };
    let bulk = |context: RequestContext| RequestContext { priority: Priority::Bulk, ..context };
    let page_of = |id, context| {
        let dispatch = Arc::clone(&dispatch);
        tokio::spawn(async move { dispatch.fetch(page(id), context).await.map_err(|failure| failure.error) })
    };
    let first = page_of(1, capped());
    amazon.has_calls(1).await;
    let charged = page_of(3, bulk(as_caller("other", Priority::Bulk, 1.0)));
    tokio::task::yield_now().await;
    let (second, joined) = (page_of(2, capped()), page_of(3, bulk(capped())));
    assert!(first.await.unwrap().is_ok());
    assert!(matches!(second.await.unwrap(), Err(Error::CallerShareSpent { share: 1, .. })));
    assert!(charged.await.unwrap().is_ok());
    assert!(joined.await.unwrap().is_ok(), "another caller's call");
}
