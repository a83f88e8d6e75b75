"""Searches, compares what was found, and reads an error: all a client needs to know of Stockroom.

    make stubs
    PYTHONPATH=gen/python .tools/venv/bin/python clients/python/example.py [WORDS...]

The gateway is looked for at STOCKROOM_SERVER, or on port 50051 of this machine.
"""

import os
import sys
from pathlib import Path

import grpc
from google.protobuf import text_format
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from stockroom.v1 import product_service_pb2, product_service_pb2_grpc, search_service_pb2, search_service_pb2_grpc

# Which calls are tried again, and how often. Its time limits are a net below the deadline that each call gives itself:
# only a deadline given with the call is told to the gateway.
SERVICE_CONFIG = Path(__file__).resolve().parents[1] / "service-config.json"
DEADLINE_SECONDS = 10


def main(words: str) -> None:
    with connect(os.environ.get("STOCKROOM_SERVER", "127.0.0.1:50051")) as channel:
        asins = search(channel, words)
        compare(channel, asins[:4])
        fail(channel)


def connect(address: str) -> grpc.Channel:
    return grpc.insecure_channel(address, options=[("grpc.service_config", SERVICE_CONFIG.read_text())])


def search(channel: grpc.Channel, words: str) -> list[str]:
    """Prints a page of a search and returns its ASINs."""
    request = search_service_pb2.SearchProductsRequest(query={"keywords": words})
    found = search_service_pb2_grpc.SearchServiceStub(channel).SearchProducts(request, timeout=DEADLINE_SECONDS)
    print(f"{found.total_results} products match {words!r}; it cost {found.cost.amazon_calls} calls to Amazon")
    for entry in found.products:
        print(f"  {entry.product.asin}  {entry.product.info.title}")
    return [entry.product.asin for entry in found.products]


def compare(channel: grpc.Channel, asins: list[str]) -> None:
    """Prints the rows of a comparison as they come, then who won."""
    request = product_service_pb2.CompareProductsRequest(asins=asins)
    products = product_service_pb2_grpc.ProductServiceStub(channel)
    for message in products.CompareProducts(request, timeout=DEADLINE_SECONDS):
        match message.WhichOneof("event"):
            case "row":
                print(f"  {message.row.asin}  {message.row.price_text:>12}  {message.row.rating_in_words}")
            case "missing":
                print(f"  {message.missing.asin}  {message.missing.absence.message}")
            case "summary":
                for best in message.summary.best:
                    field = product_service_pb2.CompareField.Name(best.field)
                    print(f"  {field}: {best.value} ({', '.join(best.asins)})")


def fail(channel: grpc.Channel) -> None:
    """Asks for something that is no ASIN, and prints what the gateway has to say."""
    try:
        request = product_service_pb2.GetProductRequest(asin="not an ASIN")
        product_service_pb2_grpc.ProductServiceStub(channel).GetProduct(request, timeout=DEADLINE_SECONDS)
    except grpc.RpcError as error:
        print(f"{error.code().name}: {error.details()}")
        for detail in details(error):
            print(f"  {type(detail).__name__}: {text_format.MessageToString(detail, as_one_line=True)}")


def details(error: grpc.RpcError) -> list:
    """The google.rpc details of an error, each as its own message."""
    status = rpc_status.from_call(error)
    read = []
    for packed in status.details if status else []:
        detail = getattr(error_details_pb2, packed.TypeName().removeprefix("google.rpc."))()
        packed.Unpack(detail)
        read.append(detail)
    return read


if __name__ == "__main__":
    main(" ".join(sys.argv[1:]) or "wireless headphones")
