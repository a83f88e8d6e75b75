"""The synchronous client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc

from . import _options
from ._options import DEADLINE_SECONDS, Settings, Tls
from .errors import StockroomError
from .v1 import (
    admin_service_pb2_grpc,
    browse_service_pb2_grpc,
    product_service_pb2_grpc,
    search_service_pb2,
    search_service_pb2_grpc,
)


def connect(
    address: str,
    token: str | None = None,
    tls: Tls | None = None,
    deadline: float | None = DEADLINE_SECONDS,
    options: list[tuple] | None = None,
) -> Client:
    """A client of the gateway at "host:port", a gRPC target, or a URL as "https://stockroom.example".

    `deadline` is that of calls without a `timeout`, in seconds. `options` are further options of the channel. The first call
    opens the connection. Close the client, or use it in a `with` statement.
    """
    target, secure = _options.parse_address(address)
    if secure or tls:
        credentials = (tls or Tls()).credentials()
        channel = grpc.secure_channel(target, credentials, _options.channel_options(options))
    else:
        channel = grpc.insecure_channel(target, _options.channel_options(options))
    return Client(channel, Settings(token, deadline))


class Client:
    """The stubs of the four services over one channel."""

    def __init__(self, channel: grpc.Channel, settings: Settings):
        self.channel = grpc.intercept_channel(channel, _Interceptor(settings))
        self.search: Any = search_service_pb2_grpc.SearchServiceStub(self.channel)
        self.products: Any = product_service_pb2_grpc.ProductServiceStub(self.channel)
        self.browse: Any = browse_service_pb2_grpc.BrowseServiceStub(self.channel)
        self.admin: Any = admin_service_pb2_grpc.AdminServiceStub(self.channel)

    def search_pages(
        self, request: search_service_pb2.SearchProductsRequest
    ) -> Iterator[search_service_pb2.SearchProductsResponse]:
        """The pages of a search, until the last one."""
        following = search_service_pb2.SearchProductsRequest()
        following.CopyFrom(request)
        while True:
            page = self.search.SearchProducts(following)
            yield page
            if not page.next_page_token:
                return
            following.page_token = page.next_page_token

    def close(self) -> None:
        self.channel.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_) -> None:
        self.close()


class _Interceptor(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):
    """Adds the token and the default deadline, and raises typed errors."""

    def __init__(self, settings: Settings):
        self._settings = settings

    def intercept_unary_unary(self, continuation, client_call_details, request):
        return _UnaryCall(continuation(self._settings.apply(client_call_details), request))

    def intercept_unary_stream(self, continuation, client_call_details, request):
        return _StreamCall(continuation(self._settings.apply(client_call_details), request))


class _Call:
    """A call whose errors are typed. Everything else is gRPC's own."""

    def __init__(self, call):
        self._call = call

    def __getattr__(self, name: str):
        return getattr(self._call, name)


class _UnaryCall(_Call):
    def result(self, timeout: float | None = None):
        try:
            return self._call.result(timeout)
        except grpc.FutureCancelledError:
            raise StockroomError(grpc.StatusCode.CANCELLED, "the caller cancelled the call") from None
        except grpc.RpcError as error:
            raise StockroomError.from_rpc(error) from None


class _StreamCall(_Call):
    def __iter__(self):
        return self

    def __next__(self):
        try:
            return next(self._call)
        except grpc.RpcError as error:
            raise StockroomError.from_rpc(error) from None
