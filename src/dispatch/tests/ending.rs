//! The end of an actor, by a stop or by a defect.

use super::*;

/// Waits until no account pauses.
async fn resumed(dispatch: &Dispatch) {
    dispatch.health().wait_for(|health| health.pausing().count() == 0).await.unwrap();
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
    assert_eq!(answers.items.lock().unwrap().len(), 10);
    assert!(matches!(one(&dispatch, terms(60)).await, Err(Error::Stopping)));
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_actor_costs_neither_the_account_nor_its_count() {
    let amazon = Arc::new(Scripted::default());
    let dispatch = Dispatch::start(vec![options(&amazon)]);
    assert!(one(&dispatch, terms(60)).await.is_ok());
    let lost = all(dispatch.fetch_items(us(), asins('K', 1), terms(60)).await).await;
    assert!(matches!(lost[0].result, Err(Error::Restarting { .. })), "{lost:?}");
    assert_eq!(lost[0].calls.ids().len(), 1, "what it cost is said all the same");
    resumed(&dispatch).await;
    assert!(all(dispatch.fetch_items(us(), asins('C', 1), terms(60)).await).await[0].result.is_ok());
    let report = dispatch.reports().await.remove(0);
    assert_eq!((report.day_spent, report.counts.restarts), (3, 1));
    assert!(report.last_error.unwrap().contains("a defect that is met on the way"));
}

#[tokio::test(start_paused = true)]
async fn what_waits_when_the_actor_panics_is_refused_with_a_time_whether_queued_in_flight_or_of_its_own() {
    let amazon = Arc::new(Scripted { takes: Duration::from_millis(1500), ..Scripted::default() });
    let dispatch = Dispatch::start(vec![options(&amazon)]);
    let fatal = dispatch.fetch_items(us(), asins('K', 10), terms(60)).await;
    amazon.has_calls(1).await;
    let in_flight = dispatch.fetch_items(us(), asins('B', 10), terms(60)).await;
    amazon.has_calls(2).await;
    let queued = dispatch.fetch_items(us(), asins('C', 30), terms(60)).await;
    let request = dispatch.fetch(page(1), terms(60));
    let (fatal, in_flight, queued, request) = tokio::join!(all(fatal), all(in_flight), all(queued), request);
    let is_restarting = |error: &Error| matches!(error, Error::Restarting { retry_after } if !retry_after.is_zero());
    let items = [fatal, in_flight, queued].concat();
    assert_eq!(items.len(), 50);
    assert!(items.iter().all(|item| item.result.as_ref().is_err_and(is_restarting)), "{items:?}");
    assert!(request.is_err_and(|failure| is_restarting(&failure.error)));
    resumed(&dispatch).await;
    assert!(one(&dispatch, terms(60)).await.is_ok(), "the account goes on");
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_while_a_panicked_actor_pauses_is_refused_at_once_with_the_rest_of_the_pause() {
    let dispatch = Dispatch::start(vec![options(&Arc::new(Scripted::default()))]);
    all(dispatch.fetch_items(us(), asins('K', 1), terms(60)).await).await;
    let panicked = Instant::now();
    advance(FIRST_PAUSE / 4).await;
    let (items, request) = tokio::join!(
        async { all(dispatch.fetch_items(us(), asins('B', 3), terms(60)).await).await },
        dispatch.fetch(page(1), terms(60)),
    );
    let rest = FIRST_PAUSE * 3 / 4;
    let is_refused = |error: &Error| matches!(error, Error::Restarting { retry_after } if *retry_after == rest);
    assert!(items.len() == 3 && items.iter().all(|item| item.result.as_ref().is_err_and(is_refused)), "{items:?}");
    assert!(request.is_err_and(|failure| is_refused(&failure.error)));
    let report = dispatch.reports().await.remove(0);
    assert_eq!((report.counts.restarts, report.paused_for), (1, Some(rest)), "an account that pauses is reported");
    assert_eq!(panicked.elapsed(), FIRST_PAUSE / 4, "nobody waited");
    advance(rest).await;
    assert!(one(&dispatch, terms(60)).await.is_ok());
    assert_eq!(dispatch.reports().await[0].paused_for, None);
}

#[tokio::test(start_paused = true)]
async fn health_says_which_account_pauses_and_the_others_go_on() {
    let amazon = Arc::new(Scripted::default());
    let other = Options { name: "other".to_owned(), marketplaces: vec![uk().marketplace], ..options(&amazon) };
    let dispatch = Dispatch::start(vec![options(&amazon), other]);
    let mut health = dispatch.health();
    assert_eq!(health.borrow_and_update().pausing().count(), 0);
    all(dispatch.fetch_items(us(), asins('K', 1), terms(60)).await).await;
    health.changed().await.unwrap();
    assert_eq!(health.borrow().pausing().collect::<Vec<_>>(), ["test"]);
    assert!(!health.borrow_and_update().is_down(), "the other account takes requests");
    let elsewhere = all(dispatch.fetch_items(uk(), asins('B', 1), terms(60)).await).await;
    assert!(elsewhere[0].result.is_ok(), "{elsewhere:?}");
    resumed(&dispatch).await;
    let (one, two) = (asins('K', 1), asins('K', 1));
    tokio::join!(async { all(dispatch.fetch_items(us(), one, terms(60)).await).await }, async {
        all(dispatch.fetch_items(uk(), two, terms(60)).await).await
    },);
    assert!(health.wait_for(AccountHealth::is_down).await.is_ok(), "no account takes requests");
}

#[tokio::test(start_paused = true)]
async fn an_actor_that_is_stopped_while_it_pauses_ends() {
    let amazon = Arc::new(Scripted { takes: Duration::from_millis(1010), ..Scripted::default() });
    let dispatch = Dispatch::start(vec![options(&amazon)]);
    let fatal = dispatch.fetch_items(us(), asins('K', 10), terms(60)).await;
    amazon.has_calls(1).await;
    let in_flight = dispatch.fetch_items(us(), asins('B', 10), terms(60)).await;
    amazon.has_calls(2).await;
    all(fatal).await;
    let stopped_at = Instant::now();
    dispatch.stop().await;
    assert!(stopped_at.elapsed() > FIRST_PAUSE, "the call in flight is finished");
    assert!(all(in_flight).await.iter().all(|item| matches!(item.result, Err(Error::Restarting { .. }))));
    assert!(matches!(one(&dispatch, terms(60)).await, Err(Error::Stopping)));
    assert_eq!(dispatch.health().borrow().pausing().count(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_of_a_stopping_actor_is_refused_for_that_reason() {
    let amazon = Arc::new(Scripted { takes: Duration::from_secs(2), ..Scripted::default() });
    let dispatch = Dispatch::start(vec![options(&amazon)]);
    let sent = dispatch.fetch_items(us(), asins('B', 10), terms(60)).await;
    amazon.has_calls(1).await;
    // The stop is the first message in the inbox, and these come behind it.
    let stop = dispatch.stop();
    let late = async { all(dispatch.fetch_items(us(), asins('C', 3), terms(60)).await).await };
    let page = dispatch.fetch(page(1), terms(60));
    let ((), late, page, sent) = tokio::join!(stop, late, page, all(sent));
    assert_eq!(late.len(), 3);
    assert!(late.iter().all(|item| matches!(item.result, Err(Error::Stopping))), "{late:?}");
    assert!(matches!(page, Err(RequestFailure { error: Error::Stopping, .. })));
    assert!(sent.iter().all(|item| item.result.is_ok()));
}

#[tokio::test(start_paused = true)]
async fn each_waiter_is_answered_by_its_deadline_also_while_amazon_hangs() {
    let amazon = Arc::new(Scripted { hangs_after: Some(0), ..Scripted::default() });
    let dispatch = Dispatch::start(vec![options(&amazon)]);
    let (asked, pages) = (Instant::now(), (1..=3).map(|id| dispatch.fetch(page(id), terms(5))));
    let (items, pages) = tokio::join!(
        async { all(dispatch.fetch_items(us(), asins('B', 3), terms(5)).await).await },
        futures_util::future::join_all(pages),
    );
    assert!(items.iter().all(|item| matches!(item.result, Err(Error::DeadlineExceeded))), "{items:?}");
    let is_overdue = |failure: &RequestFailure| matches!(failure.error, Error::DeadlineExceeded);
    assert!(pages.iter().all(|page| page.as_ref().is_err_and(is_overdue)), "{pages:?}");
    assert_eq!((items.len(), Instant::now() - asked), (3, Duration::from_secs(5)));
}
