//! Whose turn it is among callers and priorities.

use super::*;

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
