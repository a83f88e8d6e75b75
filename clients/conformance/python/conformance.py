"""Checks the Python client against live gateways; clients/conformance/run starts them.

    conformance.py sync|asyncio
"""

import asyncio
import os
import sys
import threading
import time
import urllib.request

import grpc
import stockroom
import stockroom.aio
from stockroom.v1.errors_pb2 import ErrorReason
from stockroom.v1.product_service_pb2 import CompareProductsRequest, GetProductsRequest
from stockroom.v1.search_service_pb2 import SearchProductsRequest

ASINS = ["B0SBHEAD01", "B0SBHEAD02", "B0SBNOBODY"]
CHECKS = ["search", "pages", "batch", "compare", "refusal", "busy", "deadline", "cancel", "token", "tls", "restart"]
TOKEN = os.environ["STOCKROOM_TOKEN"]


def lamp(words: str = "lamp", **query) -> SearchProductsRequest:
    return SearchProductsRequest(query={"keywords": words, **query})


def restart() -> None:
    urllib.request.urlopen(os.environ["STOCKROOM_RESTART_URL"]).close()


def sure_error(error: Exception | None) -> stockroom.StockroomError:
    assert isinstance(error, stockroom.StockroomError), repr(error)
    return error


class Sync:
    def connect(self, variable: str, **options) -> stockroom.Client:
        return stockroom.connect(os.environ[variable], **options)

    def error(self, call, *arguments, **options) -> stockroom.StockroomError:
        try:
            call(*arguments, **options)
        except Exception as error:
            return sure_error(error)
        raise AssertionError("the call succeeded")

    def search(self):
        for prefix in ("", "http://"):
            with stockroom.connect(prefix + os.environ["STOCKROOM_SERVER"]) as client:
                products = client.search.SearchProducts(lamp("wireless headphones")).products
                assert len(products) == 10 and products[0].product.info.title, products

    def pages(self):
        with self.connect("STOCKROOM_SERVER") as client:
            pages = list(client.search_pages(lamp("wireless headphones")))
        found = {entry.product.asin for page in pages for entry in page.products}
        assert len(found) == min(pages[-1].total_results, 100) > 10, (len(found), pages[-1].total_results)

    def batch(self):
        with self.connect("STOCKROOM_SERVER") as client:
            request = GetProductsRequest(asins=["B0SBHEAD01", "not an ASIN", "B0SBNOBODY"])
            outcomes = client.products.GetProducts(request).outcomes
        assert [outcome.WhichOneof("result") for outcome in outcomes] == ["entry", "absence", "absence"], outcomes

    def compare(self):
        with self.connect("STOCKROOM_SERVER") as client:
            request = CompareProductsRequest(asins=ASINS)
            events = [message.WhichOneof("event") for message in client.products.CompareProducts(request)]
        assert sorted(events) == ["missing", "row", "row", "summary"] and events[-1] == "summary", events

    def refusal(self):
        with self.connect("STOCKROOM_SERVER") as plain, self.connect("STOCKROOM_SPENT_SERVER") as spent:
            invalid = self.error(plain.search.SearchProducts, lamp(category="no such category"))
            exhausted = self.error(spent.search.SearchProducts, lamp())
        assert_refusals(invalid, exhausted)

    def busy(self):
        with self.connect("STOCKROOM_BUSY_SERVER", deadline=5) as client:
            began = time.monotonic()
            refused = self.error(client.search.SearchProducts, lamp())
        assert_busy(refused, began)

    def deadline(self):
        with self.connect("STOCKROOM_SLOW_SERVER", deadline=0.3) as client:
            assert self.error(client.search.SearchProducts, lamp()).code == grpc.StatusCode.DEADLINE_EXCEEDED

    def cancel(self):
        with self.connect("STOCKROOM_SLOW_SERVER") as client:
            call = client.search.SearchProducts.future(lamp("kettle"))
            threading.Timer(0.1, call.cancel).start()
            assert self.error(call.result).code == grpc.StatusCode.CANCELLED

    def token(self):
        with self.connect("STOCKROOM_TOKEN_SERVER", token=TOKEN) as with_token:
            assert with_token.search.SearchProducts(lamp()).products
        with self.connect("STOCKROOM_TOKEN_SERVER") as without:
            assert self.error(without.search.SearchProducts, lamp()).code == grpc.StatusCode.UNAUTHENTICATED

    def tls(self):
        tls = stockroom.Tls(ca_file=os.environ["STOCKROOM_CA_FILE"])
        with self.connect("STOCKROOM_TLS_SERVER", token=TOKEN, tls=tls) as client:
            assert client.search.SearchProducts(lamp()).products

    def restart(self):
        with self.connect("STOCKROOM_RESTART_SERVER") as client:
            assert client.search.SearchProducts(lamp()).products
            restarting = threading.Thread(target=restart)
            restarting.start()
            while restarting.is_alive():
                self.answered_or_unavailable(client)
                time.sleep(0.02)
            until = time.monotonic() + 15
            while not self.answered_or_unavailable(client):
                assert time.monotonic() < until, "it does not answer again"
                time.sleep(0.1)

    def answered_or_unavailable(self, client) -> bool:
        try:
            return bool(client.search.SearchProducts(lamp()).products)
        except stockroom.StockroomError as error:
            assert error.code == grpc.StatusCode.UNAVAILABLE, error
            return False


class Asyncio:
    def connect(self, variable: str, **options) -> stockroom.aio.Client:
        return stockroom.aio.connect(os.environ[variable], **options)

    async def error(self, call) -> stockroom.StockroomError:
        try:
            await call
        except Exception as error:
            return sure_error(error)
        raise AssertionError("the call succeeded")

    async def search(self):
        for prefix in ("", "http://"):
            async with stockroom.aio.connect(prefix + os.environ["STOCKROOM_SERVER"]) as client:
                products = (await client.search.SearchProducts(lamp("wireless headphones"))).products
                assert len(products) == 10 and products[0].product.info.title, products

    async def pages(self):
        async with self.connect("STOCKROOM_SERVER") as client:
            pages = [page async for page in client.search_pages(lamp("wireless headphones"))]
        found = {entry.product.asin for page in pages for entry in page.products}
        assert len(found) == min(pages[-1].total_results, 100) > 10, (len(found), pages[-1].total_results)

    async def batch(self):
        async with self.connect("STOCKROOM_SERVER") as client:
            request = GetProductsRequest(asins=["B0SBHEAD01", "not an ASIN", "B0SBNOBODY"])
            outcomes = (await client.products.GetProducts(request)).outcomes
        assert [outcome.WhichOneof("result") for outcome in outcomes] == ["entry", "absence", "absence"], outcomes

    async def compare(self):
        async with self.connect("STOCKROOM_SERVER") as client:
            call = client.products.CompareProducts(CompareProductsRequest(asins=ASINS))
            events = [message.WhichOneof("event") async for message in call]
        assert sorted(events) == ["missing", "row", "row", "summary"] and events[-1] == "summary", events

    async def refusal(self):
        async with self.connect("STOCKROOM_SERVER") as plain, self.connect("STOCKROOM_SPENT_SERVER") as spent:
            invalid = await self.error(plain.search.SearchProducts(lamp(category="no such category")))
            exhausted = await self.error(spent.search.SearchProducts(lamp()))
        assert_refusals(invalid, exhausted)

    async def busy(self):
        async with self.connect("STOCKROOM_BUSY_SERVER", deadline=5) as client:
            began = time.monotonic()
            refused = await self.error(client.search.SearchProducts(lamp()))
        assert_busy(refused, began)

    async def deadline(self):
        async with self.connect("STOCKROOM_SLOW_SERVER", deadline=0.3) as client:
            late = await self.error(client.search.SearchProducts(lamp()))
            assert late.code == grpc.StatusCode.DEADLINE_EXCEEDED

    async def cancel(self):
        async with self.connect("STOCKROOM_SLOW_SERVER") as client:
            call = client.search.SearchProducts(lamp("kettle"))
            waiting = asyncio.ensure_future(call)
            await asyncio.sleep(0.1)
            waiting.cancel()
            try:
                await waiting
            except asyncio.CancelledError:
                return
            raise AssertionError("the call was not cancelled")

    async def token(self):
        async with self.connect("STOCKROOM_TOKEN_SERVER", token=TOKEN) as with_token:
            assert (await with_token.search.SearchProducts(lamp())).products
        async with self.connect("STOCKROOM_TOKEN_SERVER") as without:
            refused = await self.error(without.search.SearchProducts(lamp()))
            assert refused.code == grpc.StatusCode.UNAUTHENTICATED

    async def tls(self):
        tls = stockroom.Tls(ca_file=os.environ["STOCKROOM_CA_FILE"])
        async with self.connect("STOCKROOM_TLS_SERVER", token=TOKEN, tls=tls) as client:
            assert (await client.search.SearchProducts(lamp())).products

    async def restart(self):
        async with self.connect("STOCKROOM_RESTART_SERVER") as client:
            assert (await client.search.SearchProducts(lamp())).products
            restarting = asyncio.ensure_future(asyncio.to_thread(restart))
            while not restarting.done():
                await self.answered_or_unavailable(client)
                await asyncio.sleep(0.02)
            until = time.monotonic() + 15
            while not await self.answered_or_unavailable(client):
                assert time.monotonic() < until, "it does not answer again"
                await asyncio.sleep(0.1)

    async def answered_or_unavailable(self, client) -> bool:
        try:
            return bool((await client.search.SearchProducts(lamp())).products)
        except stockroom.StockroomError as error:
            assert error.code == grpc.StatusCode.UNAVAILABLE, error
            return False


def assert_refusals(invalid: stockroom.StockroomError, exhausted: stockroom.StockroomError) -> None:
    assert invalid.code == grpc.StatusCode.INVALID_ARGUMENT, invalid
    assert invalid.reason == ErrorReason.ERROR_REASON_INVALID_REQUEST, invalid
    assert "query.category" in invalid.fields and invalid.request_id, vars(invalid)
    assert exhausted.reason == ErrorReason.ERROR_REASON_DAY_BUDGET_SPENT, exhausted
    assert exhausted.retry_delay.total_seconds() > 0, vars(exhausted)


def assert_busy(refused: stockroom.StockroomError, began: float) -> None:
    """A call that waits longer than its deadline allows is refused at once, and the retry policy obeys the pushback."""
    print(f"refused after {(time.monotonic() - began) * 1000:.0f} ms of 5 s")
    assert refused.code == grpc.StatusCode.UNAVAILABLE, refused
    assert refused.reason == ErrorReason.ERROR_REASON_WAIT_EXCEEDS_DEADLINE, refused


def main(style: str) -> int:
    checks = Sync() if style == "sync" else Asyncio()
    failed = 0
    for name in CHECKS:
        try:
            done = getattr(checks, name)()
            if style != "sync":
                asyncio.run(done)
            print("ok", name, flush=True)
        except Exception as error:
            failed += 1
            print(f"FAILED {name}: {error!r}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
