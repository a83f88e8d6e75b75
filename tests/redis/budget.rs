//! One account, several replicas: the pace and the day are the account's, whatever happens to replicas or to Redis.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use amazon_catalog::{
    Asin, BrowseNodeId, BrowseNodes, CatalogRequest, CatalogResponse, GetBrowseNodes, Locale, Snapshot, Upstream,
};
use futures_util::{
    FutureExt,
    future::{BoxFuture, join_all},
};
use stockroom::{
    config,
    dispatch::{AnswerSink, Dispatch, Error, Options, Priority, Report, RequestContext},
    store::Store,
};
use stockroom_proto::pb::Protocol;
use tokio::{task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    relay::Relay,
    server::{RedisServer, eventually},
    us,
};

const DAY: &str = "stockroom:v1:budget:{test}:day";

/// Records each call with its time and replica, and answers the first calls as throttled.
#[derive(Debug, Default)]
struct Amazon {
    calls: Mutex<Vec<(Instant, &'static str)>>,
    throttles: AtomicU32,
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
        _: &'a CatalogRequest,
        _: Duration,
    ) -> BoxFuture<'a, Result<CatalogResponse, amazon_catalog::Error>> {
        self.0.calls.lock().unwrap().push((Instant::now(), self.1));
        let one_less = |left: u32| left.checked_sub(1);
        let is_throttled = self.0.throttles.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok();
        async move {
            match is_throttled {
                true => Err(amazon_catalog::Error::Throttled { retry_after: None, request_id: None }),
                false => Ok(CatalogResponse::BrowseNodes(BrowseNodes::default())),
            }
        }
        .boxed()
    }
}

#[derive(Debug)]
struct Nowhere;

impl AnswerSink for Nowhere {
    fn keep(&self, _: Locale, _: Asin, _: &Snapshot) {}

    fn due(&self, _: Locale, _: usize) -> Vec<Asin> {
        Vec::new()
    }
}

impl Amazon {
    fn count(&self) -> usize {
        self.calls.lock().unwrap().len()
    }

    fn count_of(&self, replica: &str) -> usize {
        self.calls.lock().unwrap().iter().filter(|(_, who)| *who == replica).count()
    }

    /// That no second held more calls than the pace allows. A call leaves after its leave was given, by as long as it
    /// takes to hear of it and to be run: so much may be missing of the second.
    fn was_never_hurried(&self, calls_per_second: usize) {
        let calls = self.calls.lock().unwrap();
        let least = Duration::from_millis(850);
        for span in calls.windows(calls_per_second + 1) {
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
    // A busy machine is no reason to lose Redis.
    let redis = config::Redis { timeout: Duration::from_millis(200), ..config::Redis::at(&url).unwrap() };
    Dispatch::start(vec![Options {
        name: "test".to_owned(),
        marketplaces: vec![us().marketplace],
        calls_per_second: limits.calls_per_second,
        calls_per_day: limits.calls_per_day,
        timeout: Duration::from_secs(5),
        queue_capacity: 10_000,
        upstream: Arc::new(Way(Arc::clone(amazon), name)),
        answers: Arc::new(Nowhere),
        clock: stockroom::clock::Clock::System,
        store: Some(Store::open(&redis).unwrap()),
        replicas: limits.replicas,
    }])
}

fn terms(caller: &str) -> RequestContext {
    RequestContext {
        caller: caller.into(),
        daily_quota: None,
        weight: 1.0,
        priority: Priority::Interactive,
        deadline: Instant::now() + Duration::from_secs(3000),
        abandoned: CancellationToken::new(),
    }
}

/// One call's worth of a question that nobody else asks.
async fn ask(dispatch: &Dispatch, terms: RequestContext) -> Result<(), Error> {
    let ids = vec![BrowseNodeId::parse(&fastrand::u32(1_000_000..).to_string()).unwrap()];
    let question = CatalogRequest::BrowseNodes(GetBrowseNodes { locale: us(), ids });
    dispatch.ask(question, terms).await.map(|_| ())
}

async fn report(dispatch: &Dispatch) -> Report {
    dispatch.reports().await.remove(0)
}

/// Has all but so many of 8,640 calls be spent an hour ago.
async fn left_of_day(server: &RedisServer, left: u32) {
    let hour_ago = SystemTime::now() - Duration::from_secs(3600);
    let at = hour_ago.duration_since(UNIX_EPOCH).unwrap().as_millis();
    let add = format!("for\ti=1,{}\tdo\tredis.call('ZADD',KEYS[1],ARGV[1]+i,i..'\\32past')\tend", 8640 - left);
    let _: () = server.run(&format!("EVAL {add} 1 {DAY} {at}")).await;
}

/// Keeps a replica as busy as it can be for as long as it lives.
fn flood(tasks: &mut JoinSet<()>, dispatch: Dispatch) -> Arc<Dispatch> {
    let dispatch = Arc::new(dispatch);
    let weak = Arc::downgrade(&dispatch);
    tasks.spawn(async move {
        while let Some(dispatch) = weak.upgrade() {
            let _ = ask(&dispatch, terms("flood")).await;
            drop(dispatch);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
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
    eventually("what Redis lost is added again", async || server.run::<u32>(&format!("ZCARD {DAY}")).await == 8641)
        .await;
    server.kill();
    server.restart();
    server.answers().await;
    eventually("and again", async || server.run::<u32>(&format!("ZCARD {DAY}")).await == 8641).await;
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
    eventually("it has given up its number", async || {
        server.run::<u32>("HLEN stockroom:v1:budget:{test}:members").await == 1
    })
    .await;
    let third = flood(&mut tasks, replica("third", &server.url(), &amazon, BROAD));
    eventually("the new one calls", async || amazon.count_of("third") >= 5).await;

    server.kill();
    eventually("Redis is missed", async || {
        report(&one).await.alone_since.is_some() && report(&third).await.alone_since.is_some()
    })
    .await;
    let (mut from_one, from_third) = (amazon.count_of("one"), amazon.count_of("third"));
    eventually("both call without Redis", async || {
        amazon.count_of("one") >= from_one + 3 && amazon.count_of("third") >= from_third + 3
    })
    .await;
    server.restart();
    server.answers().await;
    eventually("Redis is found again", async || {
        report(&one).await.alone_since.is_none() && report(&third).await.alone_since.is_none()
    })
    .await;
    from_one = amazon.count_of("one");
    eventually("calls go on", async || amazon.count_of("one") >= from_one + 5).await;
    drop((one, third));
    while tasks.join_next().await.is_some() {}
    eventually("every call is reported to Redis", async || {
        server.run::<usize>(&format!("ZCARD {DAY}")).await == amazon.count() + 1
    })
    .await;
    amazon.was_never_hurried(20);
}

#[tokio::test]
async fn one_replica_s_throttling_slows_all() {
    let server = RedisServer::start(&[]).await;
    let amazon = Arc::new(Amazon::default());
    let (one, other) = (replica("one", &server.url(), &amazon, BROAD), replica("other", &server.url(), &amazon, BROAD));
    ask(&one, terms("a")).await.unwrap();
    amazon.throttles.store(1, Ordering::SeqCst);
    ask(&one, terms("a")).await.unwrap();
    eventually("the other is slower too", async || report(&other).await.current_calls_per_second == 10.0).await;
    let asks = (0..10).flat_map(|_| [ask(&one, terms("a")), ask(&other, terms("a"))]);
    let before = amazon.count();
    assert!(join_all(asks).await.iter().all(Result::is_ok));
    let calls = amazon.calls.lock().unwrap();
    assert!(calls[before + 19].0 - calls[before].0 >= Duration::from_millis(1750), "20 calls at 10 a second");
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
async fn one_replica_too_many_makes_no_calls_until_another_stops() {
    let server = RedisServer::start(&[]).await;
    let amazon = Arc::new(Amazon::default());
    let limits = Limits { replicas: 1, ..BROAD };
    let one = replica("one", &server.url(), &amazon, limits);
    ask(&one, terms("a")).await.unwrap();
    let surplus = replica("surplus", &server.url(), &amazon, limits);
    eventually("it is refused", async || {
        let hurried = RequestContext { deadline: Instant::now() + Duration::from_secs(1), ..terms("a") };
        matches!(ask(&surplus, hurried).await, Err(Error::WaitExceedsDeadline { .. }))
    })
    .await;
    assert_eq!(amazon.count_of("surplus"), 0);
    one.stop().await;
    assert!(matches!(ask(&one, terms("a")).await, Err(Error::Stopping)));
    ask(&surplus, terms("a")).await.unwrap();
}
