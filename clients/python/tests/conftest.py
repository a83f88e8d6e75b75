"""The gateway under test, as every Python client sees it: `clients/with-gateway` starts it and gives its address."""

import os

import grpc
import pytest
from google.rpc import error_details_pb2
from stockroom import StockroomError, _options
from stockroom.v1 import (
    admin_service_pb2_grpc,
    browse_service_pb2_grpc,
    product_service_pb2_grpc,
    search_service_pb2,
    search_service_pb2_grpc,
)

# The gateway's longest deadline is 60 s; a test that waits half as long has failed.
DEADLINE_SECONDS = 30


class Deadlines(
    grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor, grpc.StreamStreamClientInterceptor
):
    """Gives every call a deadline."""

    def intercept_unary_unary(self, continuation, call, request):
        return continuation(call._replace(timeout=DEADLINE_SECONDS), request)

    intercept_unary_stream = intercept_stream_stream = intercept_unary_unary


@pytest.fixture(scope="session")
def channel():
    with grpc.insecure_channel(os.environ["STOCKROOM_SERVER"], _options.channel_options(None)) as channel:
        yield grpc.intercept_channel(channel, Deadlines())


@pytest.fixture(scope="session")
def search(channel):
    return search_service_pb2_grpc.SearchServiceStub(channel)


@pytest.fixture(scope="session")
def products(channel):
    return product_service_pb2_grpc.ProductServiceStub(channel)


@pytest.fixture(scope="session")
def browse(channel):
    return browse_service_pb2_grpc.BrowseServiceStub(channel)


@pytest.fixture(scope="session")
def admin(channel):
    return admin_service_pb2_grpc.AdminServiceStub(channel)


@pytest.fixture(scope="session")
def found(search):
    """The first ten wireless headphones of the United States."""
    request = search_service_pb2.SearchProductsRequest(
        query={"keywords": "wireless headphones"}, options={"marketplace": "US"}
    )
    entries = search.SearchProducts(request).products
    assert len(entries) == 10
    return [entry.product for entry in entries]


@pytest.fixture(scope="session")
def asins(found):
    return [product.asin for product in found]


class Refusal:
    """An error as a client reads it."""

    def __init__(self, error: grpc.RpcError):
        self.code = error.code()
        self.trailers = dict(error.trailing_metadata())
        self._details = {type(detail): detail for detail in StockroomError.from_rpc(error).details}

    @property
    def fields(self) -> dict[str, str]:
        """What is wrong with which field of the request."""
        bad_request = self._details[error_details_pb2.BadRequest]
        return {violation.field: violation.description for violation in bad_request.field_violations}

    @property
    def info(self) -> error_details_pb2.ErrorInfo:
        return self._details[error_details_pb2.ErrorInfo]

    @property
    def retry(self) -> error_details_pb2.RetryInfo:
        return self._details[error_details_pb2.RetryInfo]

    @property
    def resource(self) -> error_details_pb2.ResourceInfo:
        return self._details[error_details_pb2.ResourceInfo]


@pytest.fixture
def refusal():
    """Makes a call that must fail, and reads why it did."""

    def call(method, request) -> Refusal:
        with pytest.raises(grpc.RpcError) as raised:
            answer = method(request)
            # A stream raises its error when it is read.
            if isinstance(answer, grpc.Call):
                list(answer)
        return Refusal(raised.value)

    return call
