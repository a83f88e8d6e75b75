//! What failures of Amazon's mean: retries, throttling, refusals, the breaker.

use super::*;

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
async fn a_refusal_is_reported_at_once_and_never_tried_again() {
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
    assert!(dispatch.fetch(page(1), terms(60)).await.is_ok());
    advance(Duration::from_secs(31)).await;
    assert!(one(&dispatch, terms(60)).await.is_ok(), "after the pause one call finds out");
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
async fn what_waits_when_an_account_is_refused_is_refused_with_it_and_not_sent() {
    let refusal = |_| amazon_catalog::Error::Refused { refusal: amazon_catalog::Refusal::UnknownKey, request_id: None };
    let amazon = Arc::new(Scripted::fails((0..100).map(refusal)));
    let dispatch = Dispatch::start(vec![options(&amazon)]);
    let results = all(dispatch.fetch_items(us(), asins('B', 500), terms(600)).await).await;
    let is_refused = |item: &ItemResult| matches!(&item.result, Err(Error::Upstream(error)) if matches!(**error, amazon_catalog::Error::Refused { .. }));
    assert!(results.len() == 500 && results.iter().all(is_refused));
    assert_eq!(amazon.batches(), [10, 10, 10], "three refusals in a row");
}

#[tokio::test(start_paused = true)]
async fn ids_of_which_amazon_leaves_all_for_another_call_fail() {
    let amazon = Arc::new(Scripted::default());
    let dispatch = Dispatch::start(vec![options(&amazon)]);
    let results = all(dispatch.fetch_items(us(), asins('Z', 2), terms(600)).await).await;
    assert!(results.len() == 2 && results.iter().all(|item| item.result.is_err()), "{results:?}");
    assert_eq!(amazon.batches(), [2]);
}

#[tokio::test(start_paused = true)]
async fn an_id_without_an_answer_is_released_for_the_other_replicas() {
    let (amazon, answers) = (Arc::new(Scripted::default()), Arc::new(Stored::default()));
    let dispatch =
        Dispatch::start(vec![Options { answers: Arc::clone(&answers) as Arc<dyn AnswerSink>, ..options(&amazon) }]);
    let ids = [asins('B', 1), asins('Y', 1)].concat();
    all(dispatch.fetch_items(us(), ids, terms(60)).await).await;
    let released: Vec<_> = asins('Y', 1).into_iter().map(|asin| FetchKey::Item(us(), asin)).collect();
    assert_eq!(*answers.released.lock().unwrap(), released);
}

#[tokio::test(start_paused = true)]
async fn a_full_batch_is_tried_again_after_its_pause_though_the_day_is_behind_its_pace() {
    let amazon = Arc::new(Scripted::default());
    let dispatch = Dispatch::start(vec![Options { calls_per_day: 21, ..options(&amazon) }]);
    for id in 1..=11 {
        dispatch.fetch(page(id), terms(60)).await.unwrap();
    }
    amazon.script.lock().unwrap().push_back(failed());
    let asked = Instant::now();
    let results = all(dispatch.fetch_items(us(), asins('B', 10), terms(3600)).await).await;
    assert!(results.iter().all(|item| item.result.is_ok()), "{results:?}");
    assert!(asked.elapsed() < Duration::from_secs(60), "{:?}", asked.elapsed());
}
