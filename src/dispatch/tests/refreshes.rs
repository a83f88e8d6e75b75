//! What is refreshed, when, and at whose cost.

use super::*;

#[tokio::test(start_paused = true)]
async fn free_places_carry_refreshes_and_their_answers_are_stored() {
    let amazon = Arc::new(Scripted::default());
    let answers = Arc::new(Stored::default());
    let dispatch =
        Dispatch::start(vec![Options { answers: Arc::clone(&answers) as Arc<dyn AnswerSink>, ..options(&amazon) }]);
    mark_stale(&dispatch, asins('R', 9));
    assert!(one(&dispatch, terms(60)).await.is_ok());
    assert_eq!(amazon.letters(), ["BRRRRRRRRR"]);
    assert_eq!(answers.items.lock().unwrap().len(), 10, "what nobody waited for is stored all the same");
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
            dispatch.mark_stale(&FetchKey::Request(page(1)), SystemTime::UNIX_EPOCH);
        }
        sleep(Duration::from_millis(100)).await;
    }
    let mut calls = amazon.letters();
    calls.sort();
    assert_eq!(calls, ["-", "RRRRRRRRRR"]);
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
    let marked = Instant::now();
    dispatch.mark_stale(&FetchKey::Request(page(1)), SystemTime::UNIX_EPOCH);
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
    dispatch.mark_stale(&FetchKey::Request(page(1)), SystemTime::UNIX_EPOCH);
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
