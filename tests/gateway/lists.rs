//! Lists over an Amazon that lies: pages that are short, long, empty, repeated or overlapping, counts that are missing, low or
//! high, and errors on page n.
//!
//! Whatever Amazon does, a list ends, names each product once, loses none that Amazon gave, and says when it is incomplete.
//! The scenarios follow from a seed, so a failure is repeated by running the test again.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    fmt::Debug,
    io::Write as _,
    time::Duration,
};

use amazon_catalog::Operation;
use amazon_sandbox::{FaultKind, InjectedFault, ListedPage, OddAnswer, examples};
use stockroom::format;
use stockroom_proto::pb;
use tokio_stream::StreamExt;

use crate::support::{Protocol, TestGateway, asked, keywords, product, stars};

both_protocols!(searches_end, streams_end, families_end, rankings_end, trees_end);

/// How many lists of each kind are walked.
const SCENARIOS: usize = 60;
const SEED: u64 = 0x5EED_0002;
/// The places of the catalogue that lists are made of.
const PLACES: usize = 100;
/// The products of a full page, and the pages of a search that Amazon shows.
const PAGE: usize = 10;
const REACHABLE_PAGES: usize = 10;
/// More requests than any list of these scenarios needs.
const ENDLESS: usize = 300;
/// An error that Amazon would repeat, so that nobody tries again.
const ERROR: &str = "InvalidParameterValue";

/// xorshift64*, so that a seed gives the same scenarios on every machine.
struct Random(u64);

impl Random {
    fn of(kind: &str, protocol: Protocol) -> Self {
        Self(kind.bytes().fold(SEED ^ (protocol as u64) << 32, |hash, byte| hash.wrapping_mul(31) ^ u64::from(byte)))
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % bound.max(1)
    }

    fn chance(&mut self, one_in: usize) -> bool {
        self.below(one_in) == 0
    }
}

/// What Amazon answers to each page of a list. Each page after the last is the last.
#[derive(Clone, Debug)]
struct Script {
    pages: Vec<ListedPage>,
    /// The pages without their errors: what Amazon answers once it has recovered.
    healed: Vec<ListedPage>,
}

impl Script {
    fn random(random: &mut Random) -> Self {
        let mut pages: Vec<ListedPage> = Vec::new();
        let mut next = 0;
        let count_mode = random.below(5);
        let true_total = random.below(95);
        for number in 0..1 + random.below(12) {
            let fresh = |next: &mut usize, count: usize| {
                let places: Vec<_> = (*next..*next + count).map(|place| Some(place % PLACES)).collect();
                *next += count;
                places
            };
            let mut places = match random.below(9) {
                0..=3 => fresh(&mut next, PAGE),
                4 => fresh(&mut next, 1 + random.below(9)),
                5 => fresh(&mut next, 11 + random.below(4)),
                6 => Vec::new(),
                7 if number > 0 => pages[random.below(number)].places.clone(),
                _ => {
                    next = next.saturating_sub(1 + random.below(6));
                    fresh(&mut next, PAGE)
                }
            };
            if random.chance(4) {
                let readable = random.below(places.len().max(1));
                for (n, place) in places.iter_mut().enumerate().filter(|(n, _)| *n != readable) {
                    *place = place.filter(|_| (n + number) % 3 != 0);
                }
            }
            let stated = match count_mode {
                0 => None,
                1 => Some(true_total),
                2 => Some(1 + random.below(9)),
                3 => Some(500),
                _ => Some(random.below(120)).filter(|_| !random.chance(3)),
            };
            let total = stated.and_then(|count| i64::try_from(count).ok());
            let page_count = total.map(|total| (total + 9) / 10).filter(|_| !random.chance(3));
            pages.push(ListedPage { places, total, page_count, error: None });
        }
        if random.chance(2) {
            pages.push(ListedPage { places: Vec::new(), ..pages.last().unwrap().clone() });
        }
        let healed = pages.clone();
        if random.chance(3) {
            let broken = random.below(pages.len());
            pages[broken].error = Some(ERROR);
        }
        Self { pages, healed }
    }

    fn page(pages: &[ListedPage], number: usize) -> &ListedPage {
        pages.get(number - 1).unwrap_or(pages.last().unwrap())
    }

    /// The readable places of the first ten of a page, which is all that a page has.
    fn given(pages: &[ListedPage], number: usize) -> BTreeSet<usize> {
        Self::page(pages, number).places.iter().take(PAGE).flatten().copied().collect()
    }

    fn is_error(pages: &[ListedPage], number: usize) -> bool {
        Self::page(pages, number).error.is_some()
    }

    /// Whether Amazon says after this page, as far as it can be believed, that there are more.
    fn says_more(pages: &[ListedPage], number: usize, counts_pages: bool) -> bool {
        let page = Self::page(pages, number);
        let places = page.places.len().min(PAGE);
        let end = (number - 1) * PAGE + places;
        let by_pages = page.page_count.filter(|_| counts_pages).map(|pages| pages * PAGE as i64);
        let counts = [page.total, by_pages].into_iter().flatten().filter_map(|count| usize::try_from(count).ok());
        let believed = counts.filter(|count| *count >= end).max();
        places > 0 && believed.map_or(places == PAGE, |count| count > number * PAGE)
    }
}

/// A gateway, and what it knows of the products at each place.
struct Stage {
    gateway: TestGateway,
    protocol: Protocol,
    places: HashMap<String, usize>,
    products: Vec<pb::Product>,
    calls_before: usize,
}

impl Stage {
    async fn start(protocol: Protocol) -> Self {
        let gateway = TestGateway::speaking_with(protocol, |options| {
            options.sandbox.calls_per_day = 1_000_000;
            options.config.accounts[0].calls_per_day = 1_000_000;
        })
        .await;
        let mut stage = Self { gateway, protocol, places: HashMap::new(), products: Vec::new(), calls_before: 0 };
        let page = |number: usize| ListedPage {
            places: (number * PAGE..(number + 1) * PAGE).map(Some).collect(),
            ..ListedPage::default()
        };
        stage.play((0..PLACES / PAGE).map(page).collect()).await;
        let request = pb::SearchProductsRequest { page_size: 100, ..search() };
        let found = stage.gateway.search().search_products(request).await.unwrap().into_inner();
        stage.products = found.products.iter().map(|entry| product(entry).clone()).collect();
        assert_eq!(stage.products.len(), PLACES);
        stage.places = stage.products.iter().enumerate().map(|(place, found)| (found.asin.clone(), place)).collect();
        stage
    }

    /// Amazon answers these pages from now on, and nothing is cached.
    async fn play(&mut self, pages: Vec<ListedPage>) {
        self.script(pages);
        let everything = pb::purge_cache_request::Target::Everything(true);
        let purge = pb::PurgeCacheRequest { target: Some(everything) };
        self.gateway.admin().purge_cache(purge).await.unwrap();
        self.calls_before = self.gateway.calls();
    }

    fn script(&self, pages: Vec<ListedPage>) {
        self.gateway.sandbox.clear_faults();
        self.gateway.sandbox.inject(InjectedFault::new(u32::MAX, FaultKind::Pages(pages)));
    }

    /// The numbers of the pages that Amazon was asked for, in order.
    fn asked_pages(&self, operation: Operation) -> Vec<usize> {
        let field = if operation == Operation::GetVariations { "VariationPage" } else { "ItemPage" };
        let calls = self.gateway.sandbox.calls_after(self.calls_before);
        let calls = calls.iter().filter(|call| call.operation == Some(operation));
        calls.map(|call| asked(call, self.protocol, field).as_u64().unwrap_or(1) as usize).collect()
    }

    fn places(&self, entries: &[pb::ProductEntry]) -> Vec<usize> {
        entries.iter().map(|entry| self.places[&product(entry).asin]).collect()
    }
}

fn search() -> pb::SearchProductsRequest {
    pb::SearchProductsRequest { query: Some(keywords("lamp")), ..Default::default() }
}

fn record(kind: &str, protocol: Protocol, text: &str) {
    let api = if protocol == Protocol::Creators { "Creators" } else { "PA-API" };
    // Not by println!, which is shown for failing tests only.
    let mut stderr = std::io::stderr();
    writeln!(stderr, "{kind} over {api}: {SCENARIOS} lists, {text}, seed {SEED:#x}").unwrap();
}

fn assert_once(places: &[usize], context: &dyn Debug) {
    let mut seen = HashSet::new();
    let repeated: Vec<_> = places.iter().filter(|place| !seen.insert(**place)).collect();
    assert!(repeated.is_empty(), "named twice: {repeated:?} in {places:?}: {context:?}");
}

/// The places that Amazon gave on the pages that it answered.
fn given_on(pages: &[ListedPage], asked: &[usize]) -> BTreeSet<usize> {
    asked.iter().flat_map(|number| Script::given(pages, *number)).collect()
}

/// Checks the end of a list: nothing that Amazon gave is lost, no page is asked twice, and Amazon does not say that there is
/// more.
fn assert_whole(found: &[usize], pages: &[ListedPage], asked: &[usize], is_variations: bool, context: &dyn Debug) {
    let last = *asked.iter().max().unwrap();
    let lost: Vec<_> = given_on(pages, asked).into_iter().filter(|place| !found.contains(place)).collect();
    assert!(lost.is_empty(), "lost {lost:?} of pages {asked:?}: {context:?}");
    let before = given_on(pages, &(1..last).collect::<Vec<_>>());
    let brings_news = Script::given(pages, last).iter().any(|place| !before.contains(place));
    let is_empty = |number: usize| asked.contains(&number) && Script::page(pages, number).places.is_empty();
    let may_go_on = if is_variations { brings_news } else { last < REACHABLE_PAGES };
    let after_the_end = asked.iter().find(|number| (1..**number).any(is_empty));
    assert!(after_the_end.is_none(), "page {after_the_end:?} is asked for after an empty one: {context:?}");
    let ended_early = may_go_on && Script::says_more(pages, last, is_variations);
    assert!(!ended_early, "ended after page {last}, and Amazon says that there is more: {context:?}");
}

async fn searches_end(protocol: Protocol) {
    let (mut stage, mut random) = (Stage::start(protocol).await, Random::of("search", protocol));
    let (mut requests, mut incomplete) = (0, 0);
    for _ in 0..SCENARIOS {
        let script = Script::random(&mut random);
        let page_size = [1 + random.below(25) as i32, 100][random.below(2)];
        let context = (page_size, &script);
        stage.play(script.pages.clone()).await;
        let mut request = pb::SearchProductsRequest { page_size, ..search() };
        let (mut found, mut is_healed) = (Vec::new(), false);
        for steps in 0.. {
            assert!(steps < ENDLESS, "a search without an end: {context:?}");
            requests += 1;
            let answer = stage.gateway.search().search_products(request.clone()).await.map(tonic::Response::into_inner);
            let is_cut_short = answer.as_ref().map_or(true, |answer| answer.incomplete.is_some());
            if let Ok(answer) = &answer {
                found.extend(stage.places(&answer.products));
                assert!(answer.products.len() <= page_size as usize);
                assert!(answer.total_results_unknown || answer.total_results >= answer.products.len() as i64);
                request.page_token.clone_from(&answer.next_page_token);
            }
            let asked = stage.asked_pages(Operation::SearchItems);
            let met_error = asked.iter().any(|number| Script::is_error(&script.pages, *number));
            assert_eq!(is_cut_short, met_error && !is_healed, "incomplete is not said: {answer:?} {context:?}");
            if is_cut_short {
                // Amazon recovers, and the client goes on where it was.
                incomplete += 1;
                is_healed = true;
                stage.script(script.healed.clone());
                assert!(answer.is_err() || !request.page_token.is_empty(), "{context:?}");
            } else if request.page_token.is_empty() {
                break;
            }
        }
        let asked = stage.asked_pages(Operation::SearchItems);
        assert!(asked.len() <= REACHABLE_PAGES + 1, "{asked:?}: {context:?}");
        assert_once(&found, &context);
        assert_whole(&found, &script.healed, &asked, false, &context);
    }
    record("SearchProducts", protocol, &format!("{requests} requests, {incomplete} incomplete"));
}

async fn streams_end(protocol: Protocol) {
    let (mut stage, mut random) = (Stage::start(protocol).await, Random::of("stream", protocol));
    let (mut messages, mut incomplete) = (0, 0);
    for _ in 0..SCENARIOS {
        let script = Script::random(&mut random);
        let limit = [1 + random.below(60), 100][random.below(2)];
        let context = (limit, &script);
        stage.play(script.pages.clone()).await;
        let request =
            pb::StreamSearchRequest { query: Some(keywords("lamp")), limit: limit as i32, ..Default::default() };
        let mut stream = stage.gateway.search().stream_search(request).await.unwrap().into_inner();
        let (mut found, mut is_cut_short) = (Vec::new(), false);
        while let Some(message) = stream.next().await {
            messages += 1;
            match message {
                Ok(message) => {
                    found.extend(stage.places(&message.products));
                    is_cut_short |= message.incomplete.is_some();
                }
                Err(_) => is_cut_short = true,
            }
            assert!(messages < ENDLESS * SCENARIOS, "a stream without an end: {context:?}");
        }
        let mut asked = stage.asked_pages(Operation::SearchItems);
        // One page ahead of the client: a page beyond the limit may have been asked for.
        let met_error = asked.iter().any(|number| Script::is_error(&script.pages, *number));
        assert_eq!(is_cut_short, met_error, "incomplete is not said: {context:?}");
        incomplete += usize::from(is_cut_short);
        assert_once(&found, &context);
        assert!(found.len() <= limit);
        asked.retain(|number| !Script::is_error(&script.pages, *number));
        if found.len() < limit && !is_cut_short {
            assert_whole(&found, &script.pages, &asked, false, &context);
        } else {
            let given = given_on(&script.pages, &asked);
            assert!(found.len() == limit || given.iter().all(|place| found.contains(place)), "lost: {context:?}");
        }
    }
    record("StreamSearch", protocol, &format!("{messages} messages, {incomplete} incomplete"));
}

async fn families_end(protocol: Protocol) {
    let (mut stage, mut random) = (Stage::start(protocol).await, Random::of("family", protocol));
    let (mut requests, mut failed) = (0, 0);
    for _ in 0..SCENARIOS {
        let script = Script::random(&mut random);
        let page_size = 1 + random.below(10) as i32;
        let context = (page_size, &script);
        stage.play(script.pages.clone()).await;
        let asin = examples::VARIATION_PARENT.to_owned();
        let mut request = pb::GetVariationsRequest { asin, page_size, ..Default::default() };
        let (mut found, mut is_healed) = (Vec::new(), false);
        for steps in 0.. {
            assert!(steps < ENDLESS, "a family without an end: {context:?}");
            requests += 1;
            let answer = stage.gateway.products().get_variations(request.clone()).await;
            let asked = stage.asked_pages(Operation::GetVariations);
            let met_error = asked.iter().any(|number| Script::is_error(&script.pages, *number));
            assert_eq!(answer.is_err(), met_error && !is_healed, "a failure is not said: {answer:?} {context:?}");
            let Ok(answer) = answer.map(tonic::Response::into_inner) else {
                failed += 1;
                is_healed = true;
                stage.script(script.healed.clone());
                continue;
            };
            found.extend(stage.places(&answer.variations));
            let summary = answer.summary.unwrap_or_default();
            assert!(summary.variation_count_unknown || summary.variation_count >= answer.variations.len() as i32);
            request.page_token = answer.next_page_token;
            if request.page_token.is_empty() {
                break;
            }
        }
        assert_once(&found, &context);
        let asked = stage.asked_pages(Operation::GetVariations);
        assert_whole(&found, &script.healed, &asked, true, &context);
    }
    record("GetVariations", protocol, &format!("{requests} requests, {failed} failed"));
}

async fn rankings_end(protocol: Protocol) {
    let (mut stage, mut random) = (Stage::start(protocol).await, Random::of("ranking", protocol));
    let (mut listed, mut incomplete) = (0, 0);
    let saving = |product: &pb::Product| format::best_offer(product)?.saving.as_ref()?.percent;
    for round in 0..SCENARIOS {
        let script = Script::random(&mut random);
        let limit = 1 + random.below(50);
        let context = (limit, &script);
        stage.play(script.pages.clone()).await;
        let is_deals = round % 2 == 0;
        let (products, is_cut_short) = if is_deals {
            let request =
                pb::ListDealsRequest { min_saving_percent: Some(1), limit: limit as i32, ..Default::default() };
            let answer = stage.gateway.browse().list_deals(request).await.map(tonic::Response::into_inner);
            answer.map_or((Vec::new(), true), |answer| (answer.products, answer.incomplete.is_some()))
        } else {
            let request = pb::ListTrendingRequest { limit: limit as i32, ..Default::default() };
            let answer = stage.gateway.browse().list_trending(request).await.map(tonic::Response::into_inner);
            answer.map_or((Vec::new(), true), |answer| (answer.products, answer.incomplete.is_some()))
        };
        let mut asked = stage.asked_pages(Operation::SearchItems);
        assert!(asked.len() <= limit.div_ceil(PAGE) + 1, "{asked:?}: {context:?}");
        let met_error = asked.iter().any(|number| Script::is_error(&script.pages, *number));
        assert_eq!(is_cut_short, met_error, "incomplete is not said: {context:?}");
        incomplete += usize::from(is_cut_short);
        let found = stage.places(&products);
        listed += found.len();
        assert_once(&found, &context);
        asked.retain(|number| !Script::is_error(&script.pages, *number));
        let has_stars = products.iter().any(|entry| stars(entry).is_some());
        let qualifies = |place: &usize| {
            let product = &stage.products[*place];
            let stars = product.reviews.as_ref().and_then(|reviews| reviews.star_rating);
            if is_deals {
                saving(product).is_some_and(|percent| percent >= 1)
            } else {
                !has_stars || stars >= Some(4.0)
            }
        };
        let expected: BTreeSet<usize> = given_on(&script.pages, &asked).into_iter().filter(qualifies).collect();
        if !asked.is_empty() {
            assert_eq!(found.len(), expected.len().min(limit), "{found:?} of {expected:?}: {context:?}");
        }
        assert!(found.iter().all(|place| expected.contains(place)), "{context:?}");
        let savings: Vec<_> = found.iter().map(|place| saving(&stage.products[*place])).collect();
        assert!(!is_deals || savings.is_sorted_by(|a, b| a >= b), "{savings:?}");
        let last = asked.last().copied().unwrap_or(REACHABLE_PAGES);
        let saw_all =
            is_cut_short || asked.len() == limit.div_ceil(PAGE) + 1 || !Script::says_more(&script.pages, last, false);
        assert!(saw_all, "ended after page {last}, and Amazon says that there is more: {context:?}");
    }
    record("ListDeals and ListTrending", protocol, &format!("{listed} products, {incomplete} incomplete"));
}

/// What is wrong with one call for browse nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lie {
    None,
    Cyclic,
    FailedId,
    NoneExist,
    Error,
}

impl Lie {
    fn fault(self) -> FaultKind {
        match self {
            Self::None => FaultKind::Latency(Duration::ZERO),
            Self::Cyclic => FaultKind::Odd(OddAnswer::CyclicNodes),
            Self::FailedId => FaultKind::Odd(OddAnswer::FailedId),
            Self::NoneExist => FaultKind::Odd(OddAnswer::NullList),
            Self::Error => FaultKind::Error(ERROR),
        }
    }
}

/// The children of each expanded node of a tree, by the node's id.
fn expanded(node: &pb::BrowseNode, all: &mut Vec<(String, Vec<String>)>) {
    if !node.children.is_empty() {
        all.push((node.id.clone(), node.children.iter().map(|child| child.id.clone()).collect()));
    }
    node.children.iter().for_each(|child| expanded(child, all));
}

async fn trees_end(protocol: Protocol) {
    let (mut stage, mut random) = (Stage::start(protocol).await, Random::of("tree", protocol));
    stage.play(vec![ListedPage::default()]).await;
    let whole = pb::GetBrowseNodesRequest { ids: vec![examples::ROOT_NODE.to_owned()], depth: 3, options: None };
    let truth = stage.gateway.browse().get_browse_nodes(whole).await.unwrap().into_inner();
    let mut true_children = Vec::new();
    expanded(truth.outcomes[0].node.as_ref().unwrap(), &mut true_children);
    let true_children: HashMap<String, Vec<String>> = true_children.into_iter().collect();
    let known: Vec<String> = true_children.keys().cloned().collect::<BTreeSet<_>>().into_iter().collect();
    let (mut nodes, mut incomplete) = (0, 0);
    for _ in 0..SCENARIOS {
        let first = random.below(known.len());
        let ids: Vec<String> = (0..1 + random.below(5)).map(|n| known[(first + n) % known.len()].clone()).collect();
        let ids: Vec<String> = ids.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
        let lies: Vec<Lie> = (0..random.below(6))
            .map(|_| {
                [Lie::None, Lie::None, Lie::Cyclic, Lie::Cyclic, Lie::FailedId, Lie::NoneExist, Lie::Error]
                    [random.below(7)]
            })
            .collect();
        let depth = random.below(4) as i32;
        let context = (&ids, depth, &lies);
        stage.play(vec![ListedPage::default()]).await;
        stage.gateway.sandbox.clear_faults();
        lies.iter().for_each(|lie| stage.gateway.sandbox.inject(InjectedFault::new(1, lie.fault())));
        let request = pb::GetBrowseNodesRequest { ids: ids.clone(), depth, options: None };
        let answer = stage.gateway.browse().get_browse_nodes(request).await;
        let calls = stage.gateway.sandbox.calls_after(stage.calls_before);
        assert!(calls.len() <= 11 + 2 * lies.len(), "{} calls: {context:?}", calls.len());
        // Each call takes the next lie. A call for one id that fails is tried again.
        let told: Vec<(Lie, usize)> = lies
            .iter()
            .zip(&calls)
            .map(|(lie, call)| (*lie, asked(call, protocol, "BrowseNodeIds").as_array().map_or(0, Vec::len)))
            .collect();
        let failed = told.iter().any(|(lie, ids)| *lie == Lie::Error || *lie == Lie::FailedId && *ids > 1);
        let is_tried_again = told.iter().any(|(lie, ids)| *lie == Lie::FailedId && *ids == 1);
        let is_cut_short = answer.as_ref().map_or(true, |answer| answer.get_ref().incomplete.is_some());
        assert!(
            is_cut_short == failed || is_cut_short && is_tried_again,
            "incomplete is not said: {answer:?} {context:?}"
        );
        incomplete += usize::from(is_cut_short);
        let Ok(answer) = answer.map(tonic::Response::into_inner) else { continue };
        assert_eq!(
            answer.outcomes.iter().map(|outcome| &outcome.id).collect::<Vec<_>>(),
            ids.iter().collect::<Vec<_>>()
        );
        assert!(!is_cut_short || !answer.unexpanded_ids.is_empty(), "{context:?}");
        let none_exist = told.iter().any(|(lie, _)| *lie == Lie::NoneExist);
        for outcome in &answer.outcomes {
            let Some(node) = &outcome.node else {
                assert!(none_exist || answer.unexpanded_ids.contains(&outcome.id), "lost {}: {context:?}", outcome.id);
                continue;
            };
            let mut tree = Vec::new();
            expanded(node, &mut tree);
            nodes += tree.len();
            let mut seen = HashSet::new();
            for (id, children) in &tree {
                assert!(seen.insert(id.clone()), "{id} is expanded twice: {context:?}");
                let different: HashSet<_> = children.iter().collect();
                assert_eq!(different.len(), children.len(), "{id} names a child twice: {children:?} {context:?}");
                let lost = true_children.get(id).into_iter().flatten().find(|child| !different.contains(child));
                assert!(lost.is_none(), "{id} lost {lost:?}: {context:?}");
            }
        }
    }
    record("GetBrowseNodes", protocol, &format!("{nodes} expanded nodes, {incomplete} incomplete"));
}
