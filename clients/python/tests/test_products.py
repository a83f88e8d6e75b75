import grpc
import pytest
from stockroom.v1 import product_pb2, search_service_pb2
from stockroom.v1 import product_service_pb2 as pb

# Well-formed, and of no product that the sandbox sells.
UNKNOWN = "B0SBNOBODY"
US = {"marketplace": "US"}


@pytest.fixture(scope="module")
def child(search):
    """A product of a variation family."""
    for words in ["wireless headphones", "shirt", "shoes", "phone case"]:
        request = search_service_pb2.StreamSearchRequest(query={"keywords": words}, options=US)
        for message in search.StreamSearch(request):
            for entry in message.products:
                if entry.product.parent_asin:
                    return entry.product
    pytest.fail("no product has a parent")


def test_a_product_has_all_its_parts(products, asins):
    entry = products.GetProduct(pb.GetProductRequest(asin=asins[0], options=US)).entry

    assert entry.product.asin == asins[0]
    assert entry.product.info.title
    assert entry.product.images.primary.large.url
    assert entry.product.HasField("offers")
    assert entry.product.HasField("reviews")
    assert entry.product.categories.nodes


def test_an_asin_may_be_written_in_lower_case(products, asins):
    answer = products.GetProduct(pb.GetProductRequest(asin=asins[0].lower(), options=US))

    assert answer.entry.product.asin == asins[0]


def test_only_the_parts_asked_for_are_sent(products, asins):
    options = US | {"parts": [product_pb2.PRODUCT_PART_INFO]}
    product = products.GetProduct(pb.GetProductRequest(asin=asins[0], options=options)).entry.product

    assert {field.name for field, _ in product.ListFields()} <= {
        "asin", "marketplace", "detail_page_url", "parent_asin", "score", "info",
    }  # fmt: skip
    assert product.info.title


def test_an_unknown_product_is_not_found(products, refusal):
    refused = refusal(products.GetProduct, pb.GetProductRequest(asin=UNKNOWN, options=US))

    assert refused.code == grpc.StatusCode.NOT_FOUND
    assert UNKNOWN in refused.resource.resource_name
    assert refused.info.reason


def test_a_malformed_asin_is_refused(products, refusal):
    refused = refusal(products.GetProduct, pb.GetProductRequest(asin="not an ASIN", options=US))

    assert refused.code == grpc.StatusCode.INVALID_ARGUMENT
    assert refused.fields.keys() == {"asin"}


def test_each_asin_has_its_outcome_in_the_order_of_the_request(products, asins):
    asked = [asins[1], "not an ASIN", UNKNOWN, asins[0], asins[1]]
    outcomes = products.GetProducts(pb.GetProductsRequest(asins=asked, options=US)).outcomes

    assert [outcome.asin for outcome in outcomes] == asked
    assert [outcome.entry.product.asin for outcome in outcomes] == [asins[1], "", "", asins[0], asins[1]]
    assert outcomes[1].absence.reason == pb.ABSENCE_REASON_INVALID
    assert outcomes[2].absence.reason == pb.ABSENCE_REASON_NOT_FOUND
    assert outcomes[1].absence.message and outcomes[2].absence.message


def test_what_a_search_has_found_is_had_without_a_call_to_amazon(search, products):
    request = search_service_pb2.SearchProductsRequest(query={"keywords": "headphones"}, options=US)
    found = [entry.product.asin for entry in search.SearchProducts(request).products]
    cost = products.GetProducts(pb.GetProductsRequest(asins=found, options=US)).cost

    assert cost.amazon_calls == 0
    assert cost.from_memory == len(found) > 0


@pytest.mark.parametrize("count", [0, 101])
def test_one_to_a_hundred_asins_are_accepted(products, refusal, count):
    refused = refusal(products.GetProducts, pb.GetProductsRequest(asins=[UNKNOWN] * count, options=US))

    assert refused.code == grpc.StatusCode.INVALID_ARGUMENT
    assert "asins" in refused.fields


def test_a_family_has_children_that_differ_in_its_dimensions(products, child):
    request = pb.GetVariationsRequest(asin=child.asin, include_parent=True, options=US)
    family = products.GetVariations(request)

    assert family.parent_asin == child.parent_asin
    assert family.parent.product.asin == child.parent_asin
    assert family.summary.variation_count >= len(family.variations) > 1
    dimensions = {dimension.name: set(dimension.values) for dimension in family.summary.dimensions}
    assert dimensions
    for entry in family.variations:
        assert entry.product.parent_asin == child.parent_asin
        for attribute in entry.product.variation.attributes:
            assert attribute.value in dimensions[attribute.name]


def test_the_children_of_a_family_come_in_pages(products, child):
    first = products.GetVariations(pb.GetVariationsRequest(asin=child.parent_asin, page_size=1, options=US))
    token = first.next_page_token
    second = products.GetVariations(
        pb.GetVariationsRequest(asin=child.parent_asin, page_size=1, page_token=token, options=US)
    )

    assert token
    assert len(first.variations) == len(second.variations) == 1
    assert first.variations[0].product.asin != second.variations[0].product.asin


def test_a_comparison_sends_rows_and_ends_with_its_summary(products, asins):
    asked = [*asins[:3], UNKNOWN]
    messages = list(products.CompareProducts(pb.CompareProductsRequest(asins=asked, options=US)))

    assert [message.WhichOneof("event") for message in messages].index("summary") == len(asked)
    assert len(messages) == len(asked) + 1
    rows = {message.row.asin: message.row for message in messages if message.HasField("row")}
    missing = [message.missing for message in messages if message.HasField("missing")]
    summary = messages[-1].summary
    assert rows.keys() == set(asins[:3])
    assert [(m.asin, m.absence.reason) for m in missing] == [(UNKNOWN, pb.ABSENCE_REASON_NOT_FOUND)]
    assert list(summary.compared_asins) == asins[:3]
    assert list(summary.missing_asins) == [UNKNOWN]
    for row in rows.values():
        assert row.title and row.price_text and row.rating_in_words
        assert row.entry.product.asin == row.asin


def test_a_comparison_names_the_best(products, asins):
    messages = list(products.CompareProducts(pb.CompareProductsRequest(asins=asins, options=US)))
    rows = [message.row for message in messages if message.HasField("row")]
    best = {best.field: list(best.asins) for best in messages[-1].summary.best}

    def winners(value, wins):
        known = {row.asin: value(row) for row in rows if value(row) is not None}
        return [asin for asin in asins if known and known.get(asin) == wins(known.values())]

    def price(row):
        return (row.price.units, row.price.nanos) if row.HasField("price") else None

    assert best[pb.COMPARE_FIELD_LOWEST_PRICE] == winners(price, min)
    assert best[pb.COMPARE_FIELD_HIGHEST_RATING] == winners(
        lambda row: row.star_rating if row.HasField("star_rating") else None, max
    )
    assert best[pb.COMPARE_FIELD_MOST_REVIEWS] == winners(
        lambda row: row.review_count if row.HasField("review_count") else None, max
    )


@pytest.mark.parametrize("pick", [lambda asins: asins[:1], lambda asins: [asins[0], asins[0]]], ids=["one", "twins"])
def test_two_different_products_are_needed_for_a_comparison(products, asins, refusal, pick):
    refused = refusal(products.CompareProducts, pb.CompareProductsRequest(asins=pick(asins), options=US))

    assert refused.code == grpc.StatusCode.INVALID_ARGUMENT
    assert any(field.startswith("asins") for field in refused.fields)
