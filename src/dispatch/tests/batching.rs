//! Which ids share a call, and when it is sent.

use super::*;

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
    assert_eq!(dispatch.reports().await[0].counts.coalesced, 99);
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
    assert!(all(queued).await.iter().all(|item| item.result.is_err() && item.calls.is_empty()));
    assert_eq!(amazon.batches(), [1]);
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
async fn the_distance_between_calls_counts_from_when_a_request_was_written() {
    let amazon = Arc::new(Scripted { connects_in: Duration::from_millis(150), ..Scripted::default() });
    let dispatch = Dispatch::start(vec![options(&amazon)]);
    all(dispatch.fetch_items(us(), asins('B', 30), terms(60)).await).await;
    let times = amazon.times();
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= Duration::from_secs(1)), "{times:?}");
    assert_eq!(amazon.batches(), [10, 10, 10]);
}

#[tokio::test(start_paused = true)]
async fn behind_pace_a_request_that_fills_a_call_has_nothing_to_wait_for() {
    let amazon = Arc::new(Scripted::default());
    let dispatch = Dispatch::start(vec![Options { calls_per_day: 144, ..options(&amazon) }]);
    all(dispatch.fetch_items(us(), asins('A', 100), terms(60)).await).await;
    let asked = Instant::now();
    let pages = (1..=6).map(|id| dispatch.fetch(page(id), terms(10)));
    let pages = futures_util::future::join_all(pages).await;
    assert!(pages.iter().all(Result::is_ok), "{pages:?}");
    assert!(Instant::now() - asked <= Duration::from_secs(6), "one a second");
}

#[tokio::test(start_paused = true)]
async fn calls_that_wait_for_company_until_the_same_deadline_are_all_in_time() {
    let amazon = Arc::new(Scripted { takes: Duration::from_secs(1), ..Scripted::default() });
    let dispatch = Dispatch::start(vec![Options { calls_per_day: 144, ..options(&amazon) }]);
    all(dispatch.fetch_items(us(), asins('A', 100), terms(60)).await).await;
    let languages = us().marketplace.languages().iter().map(|language| Locale { language: *language, ..us() });
    let locales: Vec<Locale> = languages.collect();
    assert!(locales.len() >= 2);
    let deadline = Instant::now() + Duration::from_secs(20);
    let asked = locales.iter().map(async |locale| {
        all(dispatch.fetch_items(*locale, asins('B', 1), RequestContext { deadline, ..terms(20) }).await)
            .await
            .remove(0)
    });
    let results = futures_util::future::join_all(asked).await;
    assert!(results.iter().all(|item| item.result.is_ok()), "{results:?}");
    assert!(Instant::now() <= deadline);
    assert!(Instant::now() >= deadline - Duration::from_secs(8), "they waited as long as they could");
}
