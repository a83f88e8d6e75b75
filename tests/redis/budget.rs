//! One account, several replicas: the pace and the day are the account's, whatever happens to replicas or to Redis.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use amazon_catalog::{
    Asin, BrowseNodeId, BrowseNodes, CatalogRequest, CatalogResponse, GetBrowseNodes, Locale, SentNotice, Snapshot,
    Upstream,
};
use futures_util::{
    FutureExt,
    future::{BoxFuture, join_all},
};
use stockroom::{
    clock::Clock,
    config,
    dispatch::{AnswerSink, Dispatch, Error, FetchKey, FetchState, Options, Report, RequestContext, Sharing},
    store::Store,
};
use stockroom_proto::pb::Protocol;
use tokio::{task::JoinSet, time::Instant};

use crate::{
    log::warnings,
    relay::Relay,
    server::{RedisServer, eventually},
    us,
};

const DAY: &str = "stockroom:v2:budget:{test}:day";
const PACE: &str = "stockroom:v2:budget:{test}:pace";
const MEMBERS: &str = "stockroom:v2:budget:{test}:members";

/// Records each call with its time and replica, and answers the next calls as the script says.
#[derive(Debug, Default)]
struct Amazon {
    calls: Mutex<Vec<(Instant, &'static str)>>,
    script: Mutex<VecDeque<Ending>>,
}

/// How a call ends after a time.
#[derive(Clone, Copy, Debug)]
enum Ending {
    /// It is throttled, with Retry-After.
    Throttled(Duration, Option<Duration>),
    /// Its request is never written.
    Unwritten(Duration),
}

/// One replica's way to it.
#[derive(Debug)]
struct Way(Arc<Amazon>, &'static str);

impl Upstream for Way {
    fn protocol(&self) -> Protocol {
        Protocol::Paapi5
    }

    fn call<'a>(
        &'a self,
        request: &'a CatalogRequest,
        within: Duration,
    ) -> BoxFuture<'a, Result<CatalogResponse, amazon_catalog::Error>> {
        async move { self.call_with_notice(request, within, &SentNotice::default()).await }.boxed()
    }

    fn call_with_notice<'a>(
        &'a self,
        _: &'a CatalogRequest,
        _: Duration,
        sent: &'a SentNotice,
    ) -> BoxFuture<'a, Result<CatalogResponse, amazon_catalog::Error>> {
        self.0.calls.lock().unwrap().push((Instant::now(), self.1));
        let ending = self.0.script.lock().unwrap().pop_front();
        if !matches!(ending, Some(Ending::Unwritten(_))) {
            sent.mark();
        }
        async move {
            match ending {
                Some(Ending::Throttled(after, retry_after)) => {
                    tokio::time::sleep(after).await;
                    Err(amazon_catalog::Error::Throttled { retry_after, request_id: None })
                }
                Some(Ending::Unwritten(after)) => {
                    tokio::time::sleep(after).await;
                    Err(amazon_catalog::Error::TimedOut { within: after })
                }
                None => Ok(CatalogResponse::BrowseNodes(BrowseNodes::default())),
            }
        }
        .boxed()
    }
}

#[derive(Debug)]
struct Nowhere;

impl AnswerSink for Nowhere {
    fn store_item(&self, _: Locale, _: Asin, _: &Snapshot) {}

    fn store_response(&self, _: &CatalogRequest, _: &CatalogResponse, _: &Snapshot) {}

    fn look_up<'a>(&'a self, keys: &'a [(FetchKey, SystemTime)]) -> BoxFuture<'a, Vec<FetchState>> {
        std::future::ready(vec![FetchState::Free; keys.len()]).boxed()
    }

    fn release(&self, _: &[FetchKey]) {}

    fn fetched_at(&self, _: &FetchKey) -> Option<SystemTime> {
        None
    }
}

impl Amazon {
    fn count(&self) -> usize {
        self.calls.lock().unwrap().len()
    }

    fn count_of(&self, replica: &str) -> usize {
        self.calls.lock().unwrap().iter().filter(|(_, who)| *who == replica).count()
    }

    /// Asserts that no three seconds held more calls than the rate allows. A call is sent after its permit was given, by as long
    /// as a busy machine takes to run it: so much may be missing of the time. Two replicas that do not know of each other
    /// need half of it.
    fn was_never_hurried(&self, calls_per_second: usize) {
        let calls = self.calls.lock().unwrap();
        let least = Duration::from_millis(2250);
        for span in calls.windows(3 * calls_per_second + 1) {
            let [(first, _), .., (last, _)] = span else { panic!("a span of calls has two ends") };
            let took = *last - *first;
            assert!(took >= least, "{} calls in {took:?}: {span:?}", span.len());
        }
    }
}

#[derive(Clone, Copy)]
struct Limits {
    calls_per_second: f64,
    calls_per_day: u32,
    replicas: u32,
}

const BROAD: Limits = Limits { calls_per_second: 20.0, calls_per_day: 100_000, replicas: 2 };

fn replica(name: &'static str, url: &str, amazon: &Arc<Amazon>, limits: Limits) -> Dispatch {
    replica_with_clock(name, url, amazon, limits, Clock::System)
}

fn replica_with_clock(name: &'static str, url: &str, amazon: &Arc<Amazon>, limits: Limits, clock: Clock) -> Dispatch {
    // A busy machine is no reason to lose Redis.
    let redis = config::RedisConfig { timeout: Duration::from_millis(200), ..config::RedisConfig::at(url).unwrap() };
    Dispatch::start(vec![Options {
        name: "test".to_owned(),
        marketplaces: vec![us().marketplace],
        calls_per_second: limits.calls_per_second,
        calls_per_day: limits.calls_per_day,
        timeout: Duration::from_secs(5),
        queue_capacity: 10_000,
        upstream: Arc::new(Way(Arc::clone(amazon), name)),
        answers: Arc::new(Nowhere),
        refresh_queue: Arc::default(),
        clock,
        sharing: Sharing { store: Some(Store::open(&redis).unwrap()), replicas: limits.replicas, replica_index: None },
        tracer: <_>::default(),
    }])
}

fn terms(caller: &str) -> RequestContext {
    RequestContext::new(caller, Instant::now() + Duration::from_secs(3000))
}

/// One call's worth of a question that nobody else asks.
async fn ask(dispatch: &Dispatch, terms: RequestContext) -> Result<(), Error> {
    let ids = vec![BrowseNodeId::parse(&fastrand::u32(1_000_000..).to_string()).unwrap()];
    let question = CatalogRequest::BrowseNodes(GetBrowseNodes { locale: us(), ids });
    dispatch.fetch(question, terms).await.map(|_| ()).map_err(|failure| failure.error)
}

async fn report(dispatch: &Dispatch) -> Report {
    dispatch.reports().await.remove(0)
}

async fn all_are(replicas: &[Dispatch], is_so: impl Fn(&Report) -> bool) -> bool {
    join_all(replicas.iter().map(report)).await.iter().all(is_so)
}

/// The number of the minute that began so many minutes ago, as the counters name it.
fn minute_ago(minutes: u64) -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() / 60 - minutes
}

/// Has all but so many of 8,640 calls be spent an hour ago.
async fn left_of_day(server: &RedisServer, left: u32) {
    let (minute, spent) = (minute_ago(60), 8640 - left);
    let set = format!(
        "HSET {DAY} born {} total {spent} oldest {minute} c:past {spent} m:{minute} {{\"past\\u0020past\":[{spent},0]}}",
        minute * 60_000
    );
    let _: u32 = server.run(&set).await;
}

/// The command that makes leases that have ended older.
fn age_leases(ms: u64) -> String {
    let script = format!(
        "local\tall=redis.call('HGETALL',KEYS[1])\tfor\ti=1,#all,2\tdo\tlocal\tm=cjson.decode(all[i+1])\tif\tm.lease<tonumber(redis.call('TIME')[1])*1000\tthen\tm.lease=m.lease-{ms}\tredis.call('HSET',KEYS[1],all[i],cjson.encode(m))\tend\tend"
    );
    format!("EVAL {script} 1 {MEMBERS}")
}

/// The calls of the day, as Redis counts them.
async fn counted(server: &RedisServer) -> u32 {
    server.run::<Option<u32>>(&format!("HGET {DAY} total")).await.unwrap_or_default()
}

/// Keeps a replica as busy as it can be for as long as it lives and has calls left.
fn flood(tasks: &mut JoinSet<()>, dispatch: Dispatch) -> Arc<Dispatch> {
    let dispatch = Arc::new(dispatch);
    let weak = Arc::downgrade(&dispatch);
    tasks.spawn(async move {
        while let Some(dispatch) = weak.upgrade()
            && ask(&dispatch, terms("flood")).await.is_ok()
        {}
    });
    dispatch
}

#[tokio::test]
async fn the_day_is_spent_to_the_last_call_by_all_together_and_outlives_replicas_and_redis() {
    let mut server = RedisServer::start(&[]).await;
    let amazon = Arc::new(Amazon::default());
    left_of_day(&server, 24).await;
    let limits = Limits { calls_per_second: 50.0, calls_per_day: 8640, replicas: 2 };
    let (one, other) =
        (replica("one", &server.url(), &amazon, limits), replica("other", &server.url(), &amazon, limits));
    let asks = (0..20).flat_map(|_| [ask(&one, terms("a")), ask(&other, terms("b"))]);
    let results = join_all(asks).await;
    assert_eq!((results.iter().filter(|result| result.is_ok()).count(), amazon.count()), (24, 24));
    assert!(results.iter().flat_map(|result| result.as_ref().err()).all(|e| matches!(e, Error::DayBudgetSpent { .. })));
    eventually("both know what each caller spent", async || {
        let (one, other) = (report(&one).await, report(&other).await);
        one.callers == other.callers && one.callers.iter().map(|(_, spent)| spent).sum::<u32>() == 8640
    })
    .await;
    drop(one);
    let new = replica("new", &server.url(), &amazon, limits);
    eventually("a new replica hears of the day", async || report(&new).await.day_spent == 8640).await;
    assert!(matches!(ask(&new, terms("a")).await, Err(Error::DayBudgetSpent { .. })));
    let _: String = server.run("FLUSHALL").await;
    eventually("what Redis lost is added again", async || counted(&server).await == 8640).await;
    server.kill();
    server.restart();
    server.answers().await;
    eventually("and again", async || counted(&server).await == 8640).await;
    assert!(matches!(ask(&other, terms("b")).await, Err(Error::DayBudgetSpent { .. })));
    assert_eq!(amazon.count(), 24);
}

#[tokio::test]
async fn the_pace_is_the_account_s_while_replicas_and_redis_come_and_go() {
    let mut server = RedisServer::start(&[]).await;
    let amazon = Arc::new(Amazon::default());
    let mut tasks = JoinSet::new();
    let one = flood(&mut tasks, replica("one", &server.url(), &amazon, BROAD));
    let other = flood(&mut tasks, replica("other", &server.url(), &amazon, BROAD));
    eventually("both call", async || amazon.count_of("one").min(amazon.count_of("other")) >= 5).await;

    drop(other);
    eventually("it has given up its number", async || server.run::<u32>(&format!("HLEN {MEMBERS}")).await == 1).await;
    let third = flood(&mut tasks, replica("third", &server.url(), &amazon, BROAD));
    eventually("the new one calls", async || amazon.count_of("third") >= 5).await;

    server.kill();
    eventually("Redis is missed", async || {
        report(&one).await.offline_since.is_some() && report(&third).await.offline_since.is_some()
    })
    .await;
    let (mut from_one, from_third) = (amazon.count_of("one"), amazon.count_of("third"));
    let quota = report(&one).await.offline_calls_left.unwrap();
    eventually("both call without Redis", async || {
        amazon.count_of("one") >= from_one + 3 && amazon.count_of("third") >= from_third + 3
    })
    .await;
    let left = report(&one).await.offline_calls_left.unwrap();
    assert!(quota > 0 && left + 3 <= quota, "{left} of {quota} are left of the offline quota");
    server.restart();
    server.answers().await;
    eventually("Redis is found again", async || {
        report(&one).await.offline_since.is_none() && report(&third).await.offline_since.is_none()
    })
    .await;
    from_one = amazon.count_of("one");
    eventually("calls go on", async || amazon.count_of("one") >= from_one + 5).await;
    drop((one, third));
    while tasks.join_next().await.is_some() {}
    eventually("every call is reported to Redis", async || counted(&server).await as usize == amazon.count()).await;
    amazon.was_never_hurried(20);
}

#[tokio::test]
async fn one_replica_s_throttling_slows_all() {
    let server = RedisServer::start(&[]).await;
    let amazon = Arc::new(Amazon::default());
    let (one, other) = (replica("one", &server.url(), &amazon, BROAD), replica("other", &server.url(), &amazon, BROAD));
    ask(&one, terms("a")).await.unwrap();
    amazon.script.lock().unwrap().push_back(Ending::Throttled(Duration::ZERO, None));
    ask(&one, terms("a")).await.unwrap();
    eventually("the other is slower too", async || report(&other).await.current_calls_per_second == 10.0).await;
    let asks = (0..10).flat_map(|_| [ask(&one, terms("a")), ask(&other, terms("a"))]);
    let before = amazon.count();
    assert!(join_all(asks).await.iter().all(Result::is_ok));
    let calls = amazon.calls.lock().unwrap();
    assert!(calls[before + 19].0 - calls[before].0 >= Duration::from_millis(1750), "20 calls at 10 a second");
}

#[tokio::test]
async fn neither_what_amazon_asks_for_nor_what_redis_holds_makes_a_pause_longer_than_five_minutes() {
    let server = RedisServer::start(&[]).await;
    let amazon = Arc::new(Amazon::default());
    amazon.script.lock().unwrap().push_back(Ending::Throttled(Duration::ZERO, Some(Duration::MAX)));
    let (one, other) = (replica("one", &server.url(), &amazon, BROAD), replica("other", &server.url(), &amazon, BROAD));
    // Its deadline is before the end of the pause, so it is not tried again.
    let hurried = RequestContext::new("a", Instant::now() + Duration::from_secs(60));
    assert!(matches!(ask(&one, hurried).await, Err(Error::Upstream(_))));
    // And the distance of a call to the next at the rate after the throttling.
    let longest = Duration::from_millis(300_100);
    let pauses = |report: &Report| report.predicted_wait > Duration::from_secs(250);
    eventually("both pause", async || pauses(&report(&one).await) && pauses(&report(&other).await)).await;
    for replica in [&one, &other] {
        assert!(report(replica).await.predicted_wait <= longest, "{:?}", report(replica).await);
    }
    // A year, as an earlier version or somebody else may have left it.
    let next = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + Duration::from_secs(365 * 24 * 3600);
    let _: u32 = server.run(&format!("HSET {PACE} next {}", next.as_millis())).await;
    let new = replica("new", &server.url(), &amazon, BROAD);
    eventually("the new one pauses", async || pauses(&report(&new).await)).await;
    for replica in [&one, &other, &new] {
        assert!(report(replica).await.predicted_wait <= longest, "{:?}", report(replica).await);
    }
    assert_eq!(amazon.count(), 1);
}

#[tokio::test]
async fn a_permit_that_is_given_back_does_not_end_the_pause_that_amazon_asked_for_meanwhile() {
    let server = RedisServer::start(&[]).await;
    let amazon = Arc::new(Amazon::default());
    let (one, other) = (replica("one", &server.url(), &amazon, BROAD), replica("other", &server.url(), &amazon, BROAD));
    eventually("both call", async || ask(&one, terms("a")).await.is_ok() && ask(&other, terms("a")).await.is_ok())
        .await;
    let (before, pause) = (amazon.count(), Duration::from_secs(60));
    let throttled = Ending::Throttled(Duration::from_millis(400), Some(pause));
    amazon.script.lock().unwrap().extend([throttled, Ending::Unwritten(Duration::from_millis(800))]);
    let hurried = || RequestContext::new("a", Instant::now() + Duration::from_secs(10));
    // The first call is throttled while the second has the last permit, which it gives back after that.
    let first = ask(&one, hurried());
    let second = async {
        eventually("the first call is sent", async || amazon.count() > before).await;
        ask(&other, hurried()).await
    };
    let (throttled, unwritten) = tokio::join!(first, second);
    assert!(throttled.is_err() && unwritten.is_err(), "{throttled:?} {unwritten:?}");
    assert_eq!(amazon.count(), before + 2);
    for replica in [&one, &other] {
        let refused = ask(replica, hurried()).await;
        assert!(matches!(refused, Err(Error::WaitExceedsDeadline { .. })), "{refused:?}");
    }
}

#[tokio::test]
async fn a_slower_rate_outlives_what_redis_knew_of_it() {
    let server = RedisServer::start(&[]).await;
    let amazon = Arc::new(Amazon::default());
    let one = replica("one", &server.url(), &amazon, Limits { replicas: 1, ..BROAD });
    eventually("it calls", async || ask(&one, terms("a")).await.is_ok()).await;
    amazon.script.lock().unwrap().push_back(Ending::Throttled(Duration::ZERO, None));
    ask(&one, terms("a")).await.unwrap();
    assert_eq!(report(&one).await.current_calls_per_second, 10.0);
    let _: String = server.run("FLUSHALL").await;
    for _ in 0..5 {
        ask(&one, terms("a")).await.unwrap();
    }
    eventually("every call is reported to Redis", async || counted(&server).await as usize == amazon.count()).await;
    assert_eq!(report(&one).await.current_calls_per_second, 10.0);
}

#[tokio::test]
async fn a_replica_that_cannot_reach_redis_is_left_its_slots_and_its_part_of_the_day() {
    let server = RedisServer::start(&[]).await;
    let amazon = Arc::new(Amazon::default());
    left_of_day(&server, 41).await;
    let limits = Limits { calls_per_day: 8640, ..BROAD };
    let mut relay = Relay::to(&server).await;
    let cut_off = replica("cut off", &relay.url(), &amazon, limits);
    let stays = replica("stays", &server.url(), &amazon, limits);
    let asks = [ask(&cut_off, terms("a")), ask(&stays, terms("a"))];
    assert!(join_all(asks).await.iter().all(Result::is_ok));
    eventually("both know the day", async || {
        report(&cut_off).await.day_spent == 8601 && report(&stays).await.day_spent == 8601
    })
    .await;
    relay.cut();
    let mut tasks = JoinSet::new();
    let (cut_off, stays) = (flood(&mut tasks, cut_off), flood(&mut tasks, stays));
    eventually("the one that is cut off spends its part", async || amazon.count_of("cut off") >= 19).await;
    eventually("and the other what is left", async || amazon.count_of("stays") >= 20).await;
    amazon.was_never_hurried(20);
    relay.reconnect().await;
    eventually("they put together what they know", async || {
        let spent = 8599 + u32::try_from(amazon.count()).unwrap();
        report(&cut_off).await.day_spent == spent && report(&stays).await.day_spent == spent
    })
    .await;
    eventually("what is left is spent", async || amazon.count() == 41).await;
    drop((cut_off, stays));
    while tasks.join_next().await.is_some() {}
    assert_eq!(amazon.count(), 41, "and nothing more");
}

#[tokio::test]
async fn without_redis_from_the_start_the_only_replica_calls_and_one_of_several_does_not() {
    let nobody = format!("redis://127.0.0.1:{}", crate::server::free_port());
    let amazon = Arc::new(Amazon::default());
    let only = replica("only", &nobody, &amazon, Limits { replicas: 1, ..BROAD });
    let one_of_two = replica("one of two", &nobody, &amazon, BROAD);
    ask(&only, terms("a")).await.unwrap();
    let hurried = RequestContext { deadline: Instant::now() + Duration::from_secs(1), ..terms("a") };
    assert!(matches!(ask(&one_of_two, hurried).await, Err(Error::WaitExceedsDeadline { .. })));
    assert_eq!((amazon.count_of("only"), amazon.count_of("one of two")), (1, 0));
}

#[tokio::test]
async fn any_number_of_replicas_calls_while_redis_answers_and_a_killed_one_s_successor_calls_at_once() {
    let mut server = RedisServer::start(&[]).await;
    let amazon = Arc::new(Amazon::default());
    let limits = Limits { replicas: 1, ..BROAD };
    let mut relay = Relay::to(&server).await;
    let killed = replica("killed", &relay.url(), &amazon, limits);
    eventually("it calls", async || ask(&killed, terms("a")).await.is_ok()).await;
    relay.cut();
    let names = ["successor", "second", "third"];
    let running: Vec<_> = names.iter().map(|name| replica(name, &server.url(), &amazon, limits)).collect();
    for one in &running {
        // The first exchange with Redis takes a moment; nobody waits for the lease of the killed one to end.
        let hurried = || RequestContext { deadline: Instant::now() + Duration::from_secs(2), ..terms("a") };
        eventually("it calls", async || ask(one, hurried()).await.is_ok()).await;
    }
    server.kill();
    eventually("Redis is missed", async || report(&running[0]).await.offline_since.is_some()).await;
    let hurried = RequestContext { deadline: Instant::now() + Duration::from_secs(9), ..terms("a") };
    let refused = ask(&running[0], hurried).await;
    assert!(matches!(refused, Err(Error::WaitExceedsDeadline { .. })), "three run where one may be alone: {refused:?}");
    amazon.was_never_hurried(20);
}

#[tokio::test]
async fn replicas_that_want_the_same_take_turns() {
    let server = RedisServer::start(&[]).await;
    let amazon = Arc::new(Amazon::default());
    let mut tasks = JoinSet::new();
    let names = ["one", "two", "three"];
    let limits = Limits { replicas: 3, ..BROAD };
    let running: Vec<_> =
        names.iter().map(|name| flood(&mut tasks, replica(name, &server.url(), &amazon, limits))).collect();
    eventually("all call", async || names.iter().all(|name| amazon.count_of(name) >= 3)).await;
    let before = names.map(|name| amazon.count_of(name));
    let count = amazon.count();
    eventually("sixty more calls", async || amazon.count() >= count + 60).await;
    let made: Vec<usize> = names.iter().zip(before).map(|(name, before)| amazon.count_of(name) - before).collect();
    assert!(made.iter().all(|made| (17..=24).contains(made)), "{made:?}");
    drop(running);
}

#[tokio::test]
async fn a_caller_s_quota_holds_over_replicas_and_restarts() {
    let server = RedisServer::start(&[]).await;
    let amazon = Arc::new(Amazon::default());
    let (one, other) = (replica("one", &server.url(), &amazon, BROAD), replica("other", &server.url(), &amazon, BROAD));
    let greedy = || RequestContext { daily_quota: Some(3), ..terms("greedy") };
    let asks = (0..20).flat_map(|_| [ask(&one, greedy()), ask(&other, greedy())]);
    let results = join_all(asks).await;
    let spent = |result: &Result<(), Error>| matches!(result, Err(Error::CallerShareSpent { .. }));
    assert_eq!((results.iter().filter(|result| result.is_ok()).count(), amazon.count()), (3, 3));
    assert_eq!(results.iter().filter(|result| spent(result)).count(), 37);
    drop((one, other));
    let restarted = replica("restarted", &server.url(), &amazon, BROAD);
    assert!(spent(&ask(&restarted, greedy()).await));
    assert!(ask(&restarted, terms("a")).await.is_ok());
}

#[tokio::test]
async fn dead_replicas_give_their_slots_and_quotas_back() {
    let server = RedisServer::start(&[]).await;
    let amazon = Arc::new(Amazon::default());
    let limits = Limits { replicas: 4, ..BROAD };
    let mut relay = Relay::to(&server).await;
    let names = ["dead 1", "dead 2", "dead 3"];
    let mut dead: Vec<_> = names.iter().map(|name| replica(name, &relay.url(), &amazon, limits)).collect();
    let survivor = replica("survivor", &server.url(), &amazon, limits);
    for one in dead.iter().chain([&survivor]) {
        eventually("it calls", async || ask(one, terms("a")).await.is_ok()).await;
    }
    relay.cut();
    dead.clear();
    let ended = format!(
        "EVAL local\tall=redis.call('HGETALL',KEYS[1])\tlocal\tn=0\tfor\ti=1,#all,2\tdo\tif\tcjson.decode(all[i+1]).lease<tonumber(redis.call('TIME')[1])*1000\tthen\tn=n+1\tend\tend\treturn\tn 1 {MEMBERS}"
    );
    eventually("three leases have ended", async || server.run::<usize>(&ended).await == names.len()).await;
    let _: Option<u8> = server.run(&age_leases(121_000)).await;
    let mut tasks = JoinSet::new();
    let survivor = flood(&mut tasks, survivor);
    let count = amazon.count();
    // Around the slots and the quotas of three dead ones it would make three calls a second.
    eventually("a hundred calls", async || amazon.count() >= count + 100).await;
    amazon.was_never_hurried(20);
    drop(survivor);
}

#[tokio::test]
async fn what_somebody_else_writes_under_the_budget_s_keys_costs_no_calls_and_no_replica() {
    let server = RedisServer::start(&[]).await;
    let amazon = Arc::new(Amazon::default());
    let one = replica("one", &server.url(), &amazon, BROAD);
    assert!(ask(&one, terms("a")).await.is_ok());
    for garbage in [
        format!("HSET {MEMBERS} somebody garbage another {{\"lease\":\"x\"}}"),
        format!("HSET {DAY} m:1 garbage m:x [] c:somebody 7 total x"),
        "HSET stockroom:v2:budget:{test}:pace rate x next y queue garbage".to_owned(),
        "HSET stockroom:v2:budget:{test}:pace queue [7,{\"id\":\"x\"}]".to_owned(),
        format!("HSET {DAY} total -5 oldest 1 m:1 {{\"x\":1}}"),
        format!("HSET {DAY} total -5 oldest {} m:{} {{\"x\":1}}", minute_ago(1442), minute_ago(1442)),
    ] {
        let _: u32 = server.run(&garbage).await;
        assert!(ask(&one, terms("a")).await.is_ok(), "{garbage}");
    }
    eventually("the count is right again", async || counted(&server).await as usize == amazon.count()).await;
    amazon.was_never_hurried(20);
}

#[tokio::test]
async fn a_wrong_total_of_a_busy_day_is_counted_anew() {
    let server = RedisServer::start(&[]).await;
    let amazon = Arc::new(Amazon::default());
    let minutes: Vec<_> = (0..70).map(|n| format!("m:{} {{\"past\\u0020past\":[1,0]}}", minute_ago(100 - n))).collect();
    let (born, oldest) = (minute_ago(100) * 60_000, minute_ago(100));
    let set = format!("HSET {DAY} born {born} total 70 oldest {oldest} c:past 70 {}", minutes.join(" "));
    let _: u32 = server.run(&set).await;
    let one = replica("one", &server.url(), &amazon, Limits { replicas: 1, ..BROAD });
    eventually("it knows the day", async || report(&one).await.day_spent >= 70).await;
    let _: u32 = server.run(&format!("HSET {DAY} total 500")).await;
    eventually("the count is right again", async || counted(&server).await == 70).await;
}

#[tokio::test]
async fn a_redis_whose_clock_is_set_back_by_an_hour_delays_no_call() {
    let server = RedisServer::start_with_clock().await;
    server.set_clock_ahead(Duration::from_secs(3600));
    let amazon = Arc::new(Amazon::default());
    let replicas = [replica("one", &server.url(), &amazon, BROAD), replica("other", &server.url(), &amazon, BROAD)];
    for one in &replicas {
        eventually("it calls", async || ask(one, terms("a")).await.is_ok()).await;
    }
    server.set_clock_ahead(Duration::ZERO);
    for one in &replicas {
        let soon = || RequestContext::new("a", Instant::now() + Duration::from_secs(5));
        eventually("it calls again", async || ask(one, soon()).await.is_ok()).await;
    }
}

#[tokio::test]
async fn a_redis_whose_clock_is_ahead_or_behind_is_joined_again() {
    let mut server = RedisServer::start_with_clock().await;
    let amazon = Arc::new(Amazon::default());
    let replicas = [replica("one", &server.url(), &amazon, BROAD), replica("other", &server.url(), &amazon, BROAD)];
    let ahead_ms = [1500, 0, 60_000];
    for ahead in ahead_ms.map(Duration::from_millis) {
        for one in &replicas {
            eventually("it calls", async || ask(one, terms("a")).await.is_ok()).await;
        }
        server.kill();
        eventually("Redis is missed", async || all_are(&replicas, |report| report.offline_since.is_some()).await).await;
        server.set_clock_ahead(ahead);
        server.restart();
        eventually("it is found again", async || all_are(&replicas, |report| report.offline_since.is_none()).await)
            .await;
    }
    for one in &replicas {
        assert!(ask(one, terms("a")).await.is_ok());
    }
    eventually("and knows all calls", async || counted(&server).await as usize == amazon.count()).await;
}

#[tokio::test]
async fn a_replica_that_is_cut_off_for_over_an_hour_spends_its_part_once() {
    const CUT_OFF: Duration = Duration::from_secs(5400);
    const BEFORE_AND_AFTER: Duration = Duration::from_secs(130);
    let server = RedisServer::start_with_clock().await;
    let amazon = Arc::new(Amazon::default());
    left_of_day(&server, 9).await;
    let limits = Limits { calls_per_second: 4.0, calls_per_day: 8640, replicas: 2 };
    let mut relay = Relay::to(&server).await;
    let cut_off = replica_with_clock("cut off", &relay.url(), &amazon, limits, Clock::simulated());
    eventually("it calls", async || ask(&cut_off, terms("a")).await.is_ok()).await;
    eventually("it knows the day", async || report(&cut_off).await.day_spent == 8632).await;
    relay.cut();
    eventually("it misses Redis", async || report(&cut_off).await.offline_since.is_some()).await;

    // The time without Redis passes at once, the hour in one step. The replica is asked for much more than its part of the
    // eight calls that are left.
    tokio::time::pause();
    let patient = || RequestContext { deadline: Instant::now() + CUT_OFF, ..terms("a") };
    let passing = async {
        tokio::time::sleep(BEFORE_AND_AFTER).await;
        tokio::time::advance(CUT_OFF - 2 * BEFORE_AND_AFTER).await;
        tokio::time::sleep(BEFORE_AND_AFTER).await;
    };
    let (asked, ()) = tokio::join!(join_all((0..20).map(|_| ask(&cut_off, patient()))), passing);
    tokio::time::resume();
    server.set_clock_ahead(CUT_OFF);
    let alone = amazon.count() - 1;
    assert!((1..=4).contains(&alone), "{alone} calls of the four that are its part");
    assert_eq!(asked.iter().filter(|result| result.is_ok()).count(), alone);

    // Redis has the part back, but for what the replica may have spent of it.
    let stays = replica("stays", &server.url(), &amazon, limits);
    eventually("it shares the day", async || report(&stays).await.offline_since.is_none()).await;
    let soon = || RequestContext::new("a", Instant::now() + Duration::from_secs(5));
    join_all((0..20).map(|_| ask(&stays, soon()))).await;
    assert!(amazon.count() <= 9, "{} calls of the nine that were left", amazon.count());

    // What it spent is counted once.
    relay.reconnect().await;
    eventually("they put together what they know", async || {
        let spent = 8631 + u32::try_from(amazon.count()).unwrap();
        report(&cut_off).await.day_spent == spent && report(&stays).await.day_spent == spent
    })
    .await;
    let results = join_all((0..10).flat_map(|_| [ask(&cut_off, terms("a")), ask(&stays, terms("a"))])).await;
    assert_eq!(amazon.count(), 9, "the day is spent to its last call, and no further: {results:?}");
}

#[tokio::test]
async fn a_primary_that_dies_costs_nobody_the_deadline() {
    let (mut primary, other) = (RedisServer::start(&[]).await, RedisServer::start(&[]).await);
    let _: String = other.run(&format!("REPLICAOF 127.0.0.1 {}", primary.port())).await;
    let quick = ["sentinel down-after-milliseconds primary 1000", "sentinel failover-timeout primary 5000"];
    let sentinel = RedisServer::sentinel_of(&primary, &quick).await;
    eventually("the Sentinel knows the replica", async || {
        sentinel.run::<String>("INFO sentinel").await.contains("slaves=1")
    })
    .await;
    let url = format!("{}/primary", sentinel.url().replace("redis://", "redis-sentinel://"));
    let amazon = Arc::new(Amazon::default());
    let one = replica("one", &url, &amazon, Limits { calls_per_second: 10.0, ..BROAD });
    eventually("it calls", async || ask(&one, terms("a")).await.is_ok()).await;
    primary.kill();
    let mut refused = 0;
    eventually("it calls through the new primary", async || {
        let deadline = Instant::now() + Duration::from_secs(3);
        let result = ask(&one, RequestContext { deadline, ..terms("a") }).await;
        assert!(Instant::now() < deadline, "nobody waits out the deadline: {result:?}");
        assert!(matches!(&result, Ok(()) | Err(Error::WaitExceedsDeadline { .. })), "{result:?}");
        refused += usize::from(result.is_err());
        result.is_ok() && report(&one).await.offline_since.is_none()
    })
    .await;
    assert!(refused > 0, "the failover takes longer than a moment");
    amazon.was_never_hurried(10);
}

#[tokio::test]
async fn a_user_with_the_documented_rights_shares_the_budget_and_one_without_the_time_is_told_why_not() {
    let operations = include_str!("../../docs/operations.md");
    let (_, commands) = operations.split_once("and these commands:").unwrap();
    let commands = commands.split("\n\n").next().unwrap();
    let rights = |but: &str| {
        let names = commands.split('`').skip(1).step_by(2).filter(|name| *name != but);
        names.map(|name| format!("+{}", name.to_lowercase())).collect::<Vec<_>>().join(" ")
    };
    let (whole, lacking) = (rights(""), rights("TIME"));
    assert!(whole.contains("+evalsha") && whole.contains("+time") && !lacking.contains("+time"), "{whole}");
    let users = [
        format!("user whole on >secret ~stockroom:* {whole}"),
        format!("user lacking on >secret ~stockroom:* {lacking}"),
    ];
    let server = RedisServer::start(&users.each_ref().map(String::as_str)).await;
    let at = |user: &str| server.url().replace("redis://", &format!("redis://{user}:secret@"));
    let amazon = Arc::new(Amazon::default());
    // Redis' own words; nothing else in these tests lacks a right.
    let about_rights = || warnings("can't run this command");
    assert_eq!(about_rights(), Vec::<String>::new());
    let one = replica("one", &at("whole"), &amazon, BROAD);
    eventually("it calls", async || ask(&one, terms("a")).await.is_ok()).await;
    assert_eq!(about_rights(), Vec::<String>::new());

    let other = replica("other", &at("lacking"), &amazon, BROAD);
    let hurried = || RequestContext { deadline: Instant::now() + Duration::from_secs(2), ..terms("a") };
    eventually("the log says why", async || {
        assert!(matches!(ask(&other, hurried()).await, Err(Error::WaitExceedsDeadline { .. })));
        !about_rights().is_empty()
    })
    .await;
    assert_eq!((about_rights().len(), amazon.count_of("other")), (1, 0), "{:?}", about_rights());
}
