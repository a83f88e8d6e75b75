import itertools

import grpc
import pytest
from stockroom.v1 import browse_service_pb2 as pb
from stockroom.v1 import read_pb2

US = {"marketplace": "US"}


def saving(entry):
    return entry.product.offers.listings[0].saving.percent


def test_friendly_names_stand_for_search_indices(browse):
    answer = browse.ListCategories(pb.ListCategoriesRequest(marketplace="US"))

    names = [category.name for category in answer.categories]
    assert names == sorted(names)
    assert {category.name: category.search_index for category in answer.categories}["headphones"] == "Electronics"
    assert {category.search_index for category in answer.categories} <= {index.id for index in answer.search_indices}
    assert answer.marketplace == "www.amazon.com"


def test_browse_nodes_are_answered_in_order_with_their_families(browse, found):
    nodes = [node for product in found for node in product.categories.nodes]
    known = next(node for node in nodes if node.ancestors)
    asked = [known.id, "999999999999", known.ancestors[0].id]
    answer = browse.GetBrowseNodes(pb.GetBrowseNodesRequest(ids=asked, depth=1, options=US))

    assert [outcome.id for outcome in answer.outcomes] == asked
    leaf, unknown, parent = answer.outcomes
    assert leaf.node.display_name == known.display_name
    assert leaf.node.ancestors[0].id == parent.node.id
    assert known.id in [node.id for node in parent.node.children]
    assert not unknown.HasField("node") and not unknown.HasField("freshness")


@pytest.mark.parametrize("fault, field", [({"ids": ["12x"]}, "ids"), ({"ids": []}, "ids"), ({"depth": 4}, "depth")])
def test_a_faulty_walk_is_refused(browse, refusal, fault, field):
    request = pb.GetBrowseNodesRequest(**({"ids": ["1"]} | fault), options=US)
    refused = refusal(browse.GetBrowseNodes, request)

    assert refused.code == grpc.StatusCode.INVALID_ARGUMENT
    assert any(named.startswith(field) for named in refused.fields)


def test_what_is_trending_has_four_stars_and_more(browse):
    answer = browse.ListTrending(pb.ListTrendingRequest(category="headphones", limit=5, options=US))

    assert len(answer.products) == 5
    reviews = [entry.product.reviews for entry in answer.products]
    assert min(review.star_rating for review in reviews) >= 4
    # Nothing stands behind what it beats in both.
    for better, worse in itertools.combinations(reviews, 2):
        assert not (worse.star_rating > better.star_rating and worse.count > better.count)
    assert answer.search_index == "Electronics"
    assert answer.basis


def test_deals_come_with_the_biggest_saving_first(browse):
    answer = browse.ListDeals(pb.ListDealsRequest(category="headphones", options=US))

    savings = [saving(entry) for entry in answer.products]
    assert savings
    assert savings == sorted(savings, reverse=True)
    assert min(savings) >= 10
    assert answer.basis


def test_deals_keep_to_the_bounds_of_the_request(browse):
    request = pb.ListDealsRequest(
        category="headphones", max_price={"units": 100}, min_saving_percent=20, limit=3, options=US
    )
    answer = browse.ListDeals(request)

    assert 1 <= len(answer.products) <= 3
    for entry in answer.products:
        assert saving(entry) >= 20
        price = entry.product.offers.listings[0].price
        assert (price.units, price.nanos) <= (100, 0)


def test_marketplaces_say_what_they_trade_in_and_what_a_page_must_show(browse):
    marketplaces = browse.ListMarketplaces(pb.ListMarketplacesRequest()).marketplaces

    served = {marketplace.code: marketplace for marketplace in marketplaces}
    assert (served["US"].name, served["US"].currency, served["US"].language) == ("www.amazon.com", "USD", "en_US")
    assert (served["JP"].name, served["JP"].currency) == ("www.amazon.co.jp", "JPY")
    for marketplace in marketplaces:
        assert marketplace.currency in marketplace.supported_currencies
        assert marketplace.language in marketplace.supported_languages
        assert marketplace.protocol != read_pb2.PROTOCOL_UNSPECIFIED
        assert marketplace.account
        assert marketplace.notices.disclosure
        assert marketplace.notices.price_disclaimer
        assert marketplace.notices.price_stamp_after.seconds == 3600


def test_the_first_marketplace_is_the_default(browse):
    first = browse.ListMarketplaces(pb.ListMarketplacesRequest()).marketplaces[0]

    assert browse.ListCategories(pb.ListCategoriesRequest()).marketplace == first.name


def test_an_unknown_marketplace_is_refused(browse, refusal):
    refused = refusal(browse.ListCategories, pb.ListCategoriesRequest(marketplace="XX"))

    assert refused.code == grpc.StatusCode.INVALID_ARGUMENT
    assert refused.fields.keys() == {"marketplace"}
