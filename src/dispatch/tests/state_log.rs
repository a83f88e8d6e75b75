//! What the log says of changes of an account's state.

use super::*;

#[tokio::test(start_paused = true)]
async fn each_change_of_an_account_s_state_is_one_line_in_the_log() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let writer = Arc::new(log.reopen().unwrap());
    let subscriber = tracing_subscriber::fmt().with_ansi(false).without_time().with_writer(writer).finish();
    let _capture = tracing::subscriber::set_default(subscriber);

    let amazon = Arc::new(Scripted::fails((0..5).map(|_| failed())));
    let dispatch = Dispatch::start(vec![options(&amazon)]);
    for _ in 0..3 {
        assert!(one(&dispatch, terms(60)).await.is_err());
    }
    sleep(Duration::from_secs(30)).await;
    assert!(one(&dispatch, terms(60)).await.is_ok());
    amazon.script.lock().unwrap().push_back(throttled());
    assert!(one(&dispatch, terms(60)).await.is_ok());
    sleep(Duration::from_secs(600)).await;
    let limited = || RequestContext { caller: "web".into(), daily_quota: Some(1), ..terms(60) };
    assert!(one(&dispatch, limited()).await.is_ok());
    for _ in 0..3 {
        assert!(one(&dispatch, limited()).await.is_err());
    }
    sleep(Duration::from_secs(25 * 3600)).await;
    dispatch.reports().await;

    let amazon = Arc::new(Scripted::default());
    let dispatch = Dispatch::start(vec![Options { calls_per_day: 1, ..options(&amazon) }]);
    assert!(one(&dispatch, terms(60)).await.is_ok());
    for _ in 0..3 {
        assert!(one(&dispatch, terms(60)).await.is_err());
    }
    sleep(Duration::from_secs(25 * 3600)).await;
    dispatch.reports().await;

    let text = std::fs::read_to_string(log.path()).unwrap();
    let lines: Vec<_> = text.lines().filter_map(|line| line.split_once("stockroom::dispatch::state_log: ")).collect();
    let lines: Vec<_> = lines.into_iter().map(|(level, rest)| format!("{} {rest}", level.trim())).collect();
    assert_eq!(
        lines,
        [
            "WARN circuit breaker opened account=\"test\" operation=\"GetItems\" pause_seconds=30",
            "INFO circuit breaker closed account=\"test\" operation=\"GetItems\"",
            "WARN Amazon throttled the account; its rate is reduced account=\"test\" calls_per_second=0.5",
            "INFO the account's rate is restored account=\"test\" calls_per_second=1.0",
            "WARN a caller has spent its daily quota account=\"test\" caller=\"web\" calls_per_day=1 next_call_seconds=86400",
            "INFO a caller has calls again account=\"test\" caller=\"web\" calls_per_day=1",
            "WARN the account's calls of the day are spent account=\"test\" calls_per_day=1 next_call_seconds=86400",
            "INFO the account has calls again account=\"test\" calls_per_day=1",
        ]
    );
}
