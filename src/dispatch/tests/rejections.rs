//! Ids that Amazon rejects.

use super::*;

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
        assert_eq!(answers.items.lock().unwrap().len(), 10, "the absence is stored like the products");
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
    assert!(answers.items.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_absence_that_is_concluded_is_as_old_as_the_call_that_rejected_the_id() {
    let code = Some("InvalidParameterValue");
    let takes = Duration::from_millis(300);
    let amazon = Arc::new(Scripted { poison: true, poison_code: code, takes, ..Scripted::default() });
    let (answers, clock, start) = (Arc::new(Stored::default()), Clock::simulated(), Instant::now());
    let sink = Arc::clone(&answers) as Arc<dyn AnswerSink>;
    let dispatch = Dispatch::start(vec![Options { answers: sink, clock, ..options(&amazon) }]);
    let ids = [asins('P', 1), asins('B', 9)].concat();
    all(dispatch.fetch_items(us(), ids, terms(60)).await).await;
    let alone = amazon.letters().iter().position(|batch| batch == "P").unwrap();
    assert!(alone + 1 < amazon.batches().len(), "other ids were answered later: {:?}", amazon.letters());
    let sent_at = clock.now() - start.elapsed() + (amazon.times()[alone] - start);
    let stored = answers.items.lock().unwrap();
    let (_, absence) = stored.iter().find(|(asin, _)| asin.as_str().starts_with('P')).unwrap();
    assert_eq!((absence.content.clone(), absence.fetched_at), (Err(Missing::NotFound), sent_at));
}

#[tokio::test(start_paused = true)]
async fn an_id_that_amazon_rejects_is_judged_as_soon_as_nobody_waits_for_those_that_were_rejected_with_it() {
    let code = Some("InvalidParameterValue");
    let amazon = Arc::new(Scripted { poison: true, poison_code: code, ..Scripted::default() });
    let dispatch = Dispatch::start(vec![options(&amazon)]);
    let (patient, leaving) = (terms(60), terms(60));
    let asked = Instant::now();
    let suspect = dispatch.fetch_items(us(), asins('P', 1), patient).await;
    let company = dispatch.fetch_items(us(), asins('B', 1), leaving.clone()).await;
    amazon.has_calls(2).await;
    leaving.abandoned.cancel();
    let (suspect, _) = tokio::join!(all(suspect), all(company));
    assert!(matches!(&suspect[0].result, Err(Error::Upstream(_))), "{suspect:?}");
    assert_eq!((amazon.letters(), (Instant::now() - asked).as_secs()), (vec!["BP".to_owned(), "P".to_owned()], 2));
}
