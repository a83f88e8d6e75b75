import os
import re

import grpc
import pytest
from conftest import Refusal
from stockroom.v1 import admin_service_pb2, read_pb2, search_service_pb2_grpc
from stockroom.v1 import search_service_pb2 as pb

WORDS = "wireless headphones"


def request(page_size=10, page_token="", include_facets=False, marketplace="US", **query):
    return pb.SearchProductsRequest(
        query={"keywords": WORDS} | query,
        page_size=page_size,
        page_token=page_token,
        include_facets=include_facets,
        options={"marketplace": marketplace},
    )


def prices(entries):
    """The prices that are known, one for each product: the first offer's."""
    offers = [entry.product.offers.listings[0] for entry in entries if entry.product.offers.listings]
    known = [offer.price for offer in offers if offer.HasField("price")]
    assert known, "no product has a price"
    return known


def amount(money):
    return money.units + money.nanos / 1e9


def asins(entries):
    return [entry.product.asin for entry in entries]


def test_a_page_holds_products_and_says_how_it_was_understood(search):
    page = search.SearchProducts(request())

    assert len(page.products) == 10
    assert page.total_results >= 10
    for entry in page.products:
        assert re.fullmatch("[0-9A-Z]{10}", entry.product.asin)
        assert entry.product.marketplace == "www.amazon.com"
        assert entry.product.info.title
        assert entry.product.detail_page_url
        assert entry.freshness.fetch_time.seconds < entry.freshness.expire_time.seconds
        assert entry.freshness.source != read_pb2.SOURCE_UNSPECIFIED
    assert page.understood.marketplace == "www.amazon.com"
    assert page.understood.currency == "USD"
    assert page.understood.language == "en_US"
    assert page.understood.query.keywords == WORDS


def test_the_same_search_again_costs_no_call_to_amazon(search):
    search.SearchProducts(request())
    again = search.SearchProducts(request())

    assert again.cost.amazon_calls == 0
    assert again.cost.from_memory > 0
    assert {entry.freshness.source for entry in again.products} == {read_pb2.SOURCE_MEMORY}


def test_pages_follow_each_other_without_overlap_to_the_end(search):
    seen, dropped, token = [], 0, ""
    # Only the first 100 products of a search can be reached: four pages of 25 at most.
    for _ in range(4):
        page = search.SearchProducts(request(page_size=25, page_token=token))
        assert len(page.products) <= 25
        seen += asins(page.products)
        dropped += page.dropped_count
        token = page.next_page_token
        if not token:
            break

    assert not token
    assert len(seen) == len(set(seen))
    assert len(seen) + dropped == min(page.total_results, 100)


def test_a_page_token_of_another_query_is_refused(search, refusal):
    token = search.SearchProducts(request(page_size=3)).next_page_token
    assert token

    refused = refusal(search.SearchProducts, request(page_size=3, page_token=token, keywords="desk lamp"))

    assert refused.code == grpc.StatusCode.INVALID_ARGUMENT
    assert "page_token" in refused.fields


@pytest.mark.parametrize(
    "marketplace, currency, bound", [("US", "USD", {"units": 49, "nanos": 990_000_000}), ("JP", "JPY", {"units": 5000})]
)
def test_no_price_is_above_the_bound(search, marketplace, currency, bound):
    page = search.SearchProducts(request(marketplace=marketplace, max_price=bound))

    for price in prices(page.products):
        assert price.currency_code == currency
        assert amount(price) <= bound["units"] + bound.get("nanos", 0) / 1e9
    assert any("price" in words for words in page.understood.filters)


def test_yen_have_no_fractions(search):
    page = search.SearchProducts(request(marketplace="JP"))

    assert {price.nanos for price in prices(page.products)} == {0}
    assert max(price.units for price in prices(page.products)) >= 100


def test_no_price_is_below_the_bound(search):
    page = search.SearchProducts(request(min_price={"units": 20, "currency_code": "USD"}))

    assert min(amount(price) for price in prices(page.products)) >= 20


def test_cheapest_first_holds_over_the_page(search):
    page = search.SearchProducts(request(page_size=20, sort=pb.SORT_ORDER_PRICE_LOW_TO_HIGH))

    amounts = [amount(price) for price in prices(page.products)]
    assert amounts == sorted(amounts)


@pytest.mark.parametrize("stars", [4.0, 4.5])
def test_no_product_is_rated_below_the_minimum(search, stars):
    page = search.SearchProducts(request(min_rating=stars))

    assert page.products
    for entry in page.products:
        assert entry.product.reviews.star_rating >= stars


def test_facets_come_only_where_they_are_asked_for(search):
    assert not search.SearchProducts(request()).facets

    facets = search.SearchProducts(request(include_facets=True)).facets

    assert facets
    assert all(facet.id and facet.values for facet in facets)


def test_no_match_is_an_empty_page(search):
    page = search.SearchProducts(request(keywords="qzxv no such thing wvxq"))

    assert not page.products
    assert not page.next_page_token
    assert page.total_results == 0


def test_an_unknown_category_is_refused_with_the_nearest_name(search, refusal):
    refused = refusal(search.SearchProducts, request(category="hedphones"))

    assert refused.code == grpc.StatusCode.INVALID_ARGUMENT
    assert "headphones" in refused.fields["query.category"]
    assert re.fullmatch("[A-Z][A-Z0-9_]{1,62}", refused.info.reason)
    assert refused.info.domain


def test_all_faults_are_named_at_once(search, refusal):
    refused = refusal(search.SearchProducts, request(page_size=-1, min_rating=9, min_saving_percent=100))

    assert refused.code == grpc.StatusCode.INVALID_ARGUMENT
    assert refused.fields.keys() == {"page_size", "query.min_rating", "query.min_saving_percent"}


def test_a_call_that_would_come_too_late_is_refused_with_the_time_to_wait(admin):
    calls_per_second = admin.GetStatus(admin_service_pb2.GetStatusRequest()).accounts[0].calls_per_second
    # Without the retries that the service config asks for, and each search one that the cache cannot know.
    with grpc.insecure_channel(os.environ["STOCKROOM_SERVER"], options=[("grpc.enable_retries", 0)]) as channel:
        search = search_service_pb2_grpc.SearchServiceStub(channel)
        rush = [request(keywords=f"{WORDS} {n}") for n in range(round(3 * calls_per_second))]
        calls = [search.SearchProducts.future(one, timeout=1) for one in rush]
        errors = [error for call in calls if (error := call.exception())]

    refused = [Refusal(error) for error in errors if error.code() == grpc.StatusCode.UNAVAILABLE]
    assert refused
    for refusal in refused:
        assert refusal.info.reason == "WAIT_EXCEEDS_DEADLINE"
        assert refusal.retry.retry_delay.ToTimedelta().total_seconds() > 0


def test_a_stream_sends_the_same_products_as_pages_do(search):
    messages = list(
        search.StreamSearch(
            pb.StreamSearchRequest(
                query={"keywords": WORDS}, limit=25, options={"marketplace": "US"}, include_facets=True
            )
        )
    )
    page = search.SearchProducts(request(page_size=25))

    assert [asin for message in messages for asin in asins(message.products)] == asins(page.products)
    assert all(len(message.products) <= 10 for message in messages)
    first, *later = messages
    assert later
    assert first.understood.marketplace == "www.amazon.com"
    assert first.facets
    assert not any(message.HasField("understood") or message.facets for message in later)


def test_a_faulty_stream_is_refused(search, refusal):
    refused = refusal(search.StreamSearch, pb.StreamSearchRequest(limit=101))

    assert refused.code == grpc.StatusCode.INVALID_ARGUMENT
    assert "limit" in refused.fields
