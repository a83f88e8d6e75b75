//! The end of an actor, by a stop or by a defect.

use super::*;

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
    assert!(matches!(lost[0].result, Err(Error::Restarting { .. })), "{lost:?}");
    assert_eq!(lost[0].calls.ids().len(), 1, "what it cost is said all the same");
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
    assert!(one(&dispatch, terms(60)).await.is_ok(), "the account goes on");
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
