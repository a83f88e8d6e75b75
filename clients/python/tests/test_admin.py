import grpc
from stockroom.v1 import admin_service_pb2 as pb
from stockroom.v1 import product_service_pb2, read_pb2

US = {"marketplace": "US"}


def get(asin, **options):
    return product_service_pb2.GetProductsRequest(asins=[asin], options=US | options)


def is_cached(products, asin):
    outcome = products.GetProducts(get(asin, cache_only=True)).outcomes[0]
    if outcome.HasField("absence"):
        assert outcome.absence.reason == product_service_pb2.ABSENCE_REASON_NOT_ATTEMPTED
    return outcome.HasField("entry")


def test_status_tells_what_the_account_has_spent_and_what_the_cache_holds(admin, asins):
    status = admin.GetStatus(pb.GetStatusRequest())

    assert status.version
    assert status.is_sandbox
    assert status.start_time.seconds > 0
    for account in status.accounts:
        assert account.day.left == account.day.limit - account.day.spent
        assert account.queue.capacity > 0
        assert account.calls_per_second > 0
    assert sum(account.day.spent for account in status.accounts) > 0
    assert sum(account.calls.answered for account in status.accounts) > 0
    assert any("www.amazon.com" in account.marketplaces for account in status.accounts)
    memory = status.caches[0]
    assert memory.tier == "memory"
    assert memory.entries >= len(asins)
    assert 0 < memory.size_bytes < memory.capacity_bytes


def test_a_purged_product_is_fetched_again(admin, products, asins):
    products.GetProducts(get(asins[0]))
    purge = pb.PurgeCacheRequest(products={"marketplace": "US", "asins": asins[:1]})

    assert admin.PurgeCache(purge).dropped_count >= 1

    assert not is_cached(products, asins[0])
    again = products.GetProducts(get(asins[0]))
    assert again.outcomes[0].entry.freshness.source == read_pb2.SOURCE_AMAZON
    assert again.cost.amazon_calls >= 1


def test_everything_can_be_purged(admin, products, asins):
    products.GetProducts(get(asins[0]))
    assert is_cached(products, asins[0])

    assert admin.PurgeCache(pb.PurgeCacheRequest(everything=True)).dropped_count >= 1
    assert not is_cached(products, asins[0])


def test_a_purge_without_a_target_is_refused(admin, refusal):
    for request in [pb.PurgeCacheRequest(), pb.PurgeCacheRequest(everything=False)]:
        refused = refusal(admin.PurgeCache, request)

        assert refused.code == grpc.StatusCode.INVALID_ARGUMENT
        assert refused.fields
