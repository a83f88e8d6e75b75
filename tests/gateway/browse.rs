//! Browse nodes, categories, what is popular, what is reduced, and looking after the cache.

use amazon_sandbox::examples;
use stockroom_proto::pb;

use crate::support::{Protocol, TestGateway, asked, money, price, product, stars_pass};

both_protocols!(
    nodes_come_with_ancestors_and_children_to_the_depth,
    categories_are_the_marketplace_s_own,
    trending_is_four_stars_and_up_and_says_how_it_was_made,
    deals_are_reduced_by_enough_and_the_biggest_saving_is_first,
    marketplaces_come_with_what_a_page_must_show,
    status_reports_what_was_spent_and_a_purge_drops_what_it_names,
);

async fn nodes_come_with_ancestors_and_children_to_the_depth(protocol: Protocol) {
    let gateway = TestGateway::speaking(protocol).await;
    let ids = vec![examples::ROOT_NODE.to_owned(), examples::LEAF_NODE.to_owned(), "4711".to_owned()];
    let request = pb::GetBrowseNodesRequest { ids: ids.clone(), depth: 2, options: None };
    let answer = gateway.browse().get_browse_nodes(request.clone()).await.unwrap().into_inner();
    assert_eq!(answer.outcomes.iter().map(|outcome| outcome.id.as_str()).collect::<Vec<_>>(), ids);
    let root = answer.outcomes[0].node.as_ref().unwrap();
    assert_eq!(root.is_root, Some(true));
    assert!(root.children.iter().all(|child| !child.children.is_empty()), "two levels below the root");
    let leaf = answer.outcomes[1].node.as_ref().unwrap();
    assert_eq!((leaf.ancestors.len(), leaf.ancestors.last().unwrap().id.as_str()), (2, examples::ROOT_NODE));
    assert!(answer.outcomes[2].node.is_none(), "unknown to Amazon, and no harm to the others");
    let calls = gateway.calls();
    gateway.browse().get_browse_nodes(request).await.unwrap();
    assert_eq!(gateway.calls(), calls, "nodes are cached");

    let bare = pb::GetBrowseNodesRequest { ids: ids[..1].to_vec(), depth: 0, options: None };
    let bare = gateway.browse().get_browse_nodes(bare).await.unwrap().into_inner();
    assert!(bare.outcomes[0].node.as_ref().unwrap().children.is_empty());
}

async fn categories_are_the_marketplace_s_own(protocol: Protocol) {
    let gateway = TestGateway::speaking(protocol).await;
    let list = async |marketplace: &str| {
        let request = pb::ListCategoriesRequest { marketplace: marketplace.to_owned() };
        gateway.browse().list_categories(request).await.unwrap().into_inner()
    };
    let index = |answer: &pb::ListCategoriesResponse, name: &str| {
        answer.categories.iter().find(|category| category.name == name).map(|category| category.search_index.clone())
    };
    let us = list("").await;
    assert_eq!((us.marketplace.as_str(), us.categories.len(), us.search_indices.len()), ("www.amazon.com", 34, 51));
    assert_eq!(index(&us, "toys").as_deref(), Some("ToysAndGames"));
    assert_eq!(index(&list("JP").await, "toys").as_deref(), Some("Toys"));
    assert_eq!(index(&list("SG").await, "fashion"), None);
    assert_eq!(gateway.calls(), 0);
}

async fn trending_is_four_stars_and_up_and_says_how_it_was_made(protocol: Protocol) {
    let gateway = TestGateway::speaking(protocol).await;
    for category in ["headphones", ""] {
        let request = pb::ListTrendingRequest { category: category.to_owned(), limit: 8, options: None };
        let answer = gateway.browse().list_trending(request).await.unwrap().into_inner();
        assert_eq!(answer.products.len(), 8, "{category}");
        assert!(answer.products.iter().all(|entry| stars_pass(protocol, entry, |stars| stars >= 4.0)));
        assert!(answer.basis.contains("4 stars and up"), "{}", answer.basis);
        assert_eq!(answer.basis.contains("states no ratings"), protocol == Protocol::Creators, "{}", answer.basis);
    }
}

async fn deals_are_reduced_by_enough_and_the_biggest_saving_is_first(protocol: Protocol) {
    let gateway = TestGateway::speaking(protocol).await;
    let request = pb::ListDealsRequest {
        category: "electronics".to_owned(),
        max_price: money(100),
        prime_only: true,
        min_saving_percent: Some(15),
        ..Default::default()
    };
    let answer = gateway.browse().list_deals(request).await.unwrap().into_inner();
    let offer = |entry: &pb::ProductEntry| product(entry).offers.as_ref().unwrap().listings[0].clone();
    let savings: Vec<_> = answer.products.iter().map(|entry| offer(entry).saving.unwrap().percent.unwrap()).collect();
    assert!(!savings.is_empty() && savings.is_sorted_by(|a, b| a >= b) && savings.iter().all(|saving| *saving >= 15));
    let asked_of_amazon = asked(&gateway.sandbox.calls()[0], protocol, "DeliveryFlags");
    assert_eq!(asked_of_amazon, serde_json::json!(["Prime"]), "the filter is Amazon's with either protocol");
    for entry in &answer.products {
        assert!(price(entry).unwrap() <= 100.0);
        let is_prime = offer(entry).delivery.and_then(|delivery| delivery.is_prime_eligible);
        assert_eq!(is_prime, (protocol == Protocol::Paapi5).then_some(true), "the Creators API tells no Prime flag");
    }
}

async fn marketplaces_come_with_what_a_page_must_show(protocol: Protocol) {
    let gateway = TestGateway::speaking_with(protocol, |options| {
        let entity = (crate::support::market("US"), "Example Services LLC".to_owned());
        options.config.accounts[0].content_notice_entities = vec![entity];
    })
    .await;
    let answer = gateway.browse().list_marketplaces(pb::ListMarketplacesRequest {}).await.unwrap().into_inner();
    assert_eq!((answer.marketplaces.len(), answer.marketplaces[0].code.as_str()), (22, "US"));
    let notices = answer.marketplaces[0].notices.as_ref().unwrap();
    assert!(notices.price_disclaimer.contains("displayed on Amazon.com at"), "{}", notices.price_disclaimer);
    assert!(notices.content_notice.contains("COMES FROM Example Services LLC."));
    let others = answer.marketplaces[1..].iter().map(|of| of.notices.as_ref().unwrap().content_notice.as_str());
    assert!(others.into_iter().all(str::is_empty), "no entity is guessed");
}

async fn status_reports_what_was_spent_and_a_purge_drops_what_it_names(protocol: Protocol) {
    let gateway = TestGateway::speaking(protocol).await;
    let get = |asin: &str| pb::GetProductRequest { asin: asin.to_owned(), options: None };
    for asin in &examples::HEADPHONES[..3] {
        gateway.products().get_product(get(asin)).await.unwrap();
        gateway.products().get_product(get(asin)).await.unwrap();
    }
    let status = gateway.status().await;
    let (account, memory) = (&status.accounts[0], &status.caches[0]);
    let day = account.day.as_ref().unwrap();
    assert_eq!((day.spent, day.left, day.limit), (3, 8637, 8640));
    assert_eq!((account.callers[0].caller.as_str(), account.callers[0].spent), ("anonymous", 3));
    assert_eq!(account.calls.as_ref().unwrap().answered, 3);
    assert_eq!((memory.tier.as_str(), memory.entries, memory.hits, memory.misses), ("memory", 3, 3, 3));
    assert!(status.is_sandbox && memory.size_bytes > 0);

    let asins = vec![examples::HEADPHONES[0].to_lowercase()];
    let one = pb::purge_cache_request::Target::Products(pb::PurgeProducts { marketplace: String::new(), asins });
    let dropped = gateway.admin().purge_cache(pb::PurgeCacheRequest { target: Some(one) }).await.unwrap().into_inner();
    assert_eq!(dropped.dropped_count, 1);
    gateway.products().get_product(get(examples::HEADPHONES[0])).await.unwrap();
    gateway.products().get_product(get(examples::HEADPHONES[1])).await.unwrap();
    assert_eq!(gateway.calls(), 4, "only what was dropped is asked for again");
}
