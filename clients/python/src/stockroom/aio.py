"""The asyncio client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
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

__all__ = ["Client", "connect"]


def connect(
    address: str,
    token: str | None = None,
    tls: Tls | None = None,
    deadline: float | None = DEADLINE_SECONDS,
    options: list[tuple] | None = None,
) -> Client:
    """The same as `stockroom.connect`, for asyncio."""
    target, secure = _options.parse_address(address)
    settings = Settings(token, deadline)
    interceptors = [_Unary(settings), _Stream(settings)]
    if secure or tls:
        credentials = (tls or Tls()).credentials()
        channel = grpc.aio.secure_channel(
            target, credentials, _options.channel_options(options), interceptors=interceptors
        )
    else:
        channel = grpc.aio.insecure_channel(target, _options.channel_options(options), interceptors=interceptors)
    return Client(channel)


class Client:
    """The stubs of the four services over one channel."""

    def __init__(self, channel: grpc.aio.Channel):
        self.channel = channel
        self.search: Any = search_service_pb2_grpc.SearchServiceStub(channel)
        self.products: Any = product_service_pb2_grpc.ProductServiceStub(channel)
        self.browse: Any = browse_service_pb2_grpc.BrowseServiceStub(channel)
        self.admin: Any = admin_service_pb2_grpc.AdminServiceStub(channel)

    async def search_pages(
        self, request: search_service_pb2.SearchProductsRequest
    ) -> AsyncIterator[search_service_pb2.SearchProductsResponse]:
        """The pages of a search, until the last one."""
        following = search_service_pb2.SearchProductsRequest()
        following.CopyFrom(request)
        while True:
            page = await self.search.SearchProducts(following)
            yield page
            if not page.next_page_token:
                return
            following.page_token = page.next_page_token

    async def close(self) -> None:
        await self.channel.close()

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_) -> None:
        await self.close()


class _Unary(grpc.aio.UnaryUnaryClientInterceptor):
    def __init__(self, settings: Settings):
        self._settings = settings

    async def intercept_unary_unary(self, continuation, client_call_details, request):
        call = await continuation(_apply(self._settings, client_call_details), request)
        try:
            # The interceptor may return the response in place of the call.
            return await call
        except grpc.aio.AioRpcError as error:
            raise StockroomError.from_rpc(error) from None
        except asyncio.CancelledError:
            call.cancel()
            raise


class _Stream(grpc.aio.UnaryStreamClientInterceptor):
    def __init__(self, settings: Settings):
        self._settings = settings

    async def intercept_unary_stream(self, continuation, client_call_details, request):
        return _messages(await continuation(_apply(self._settings, client_call_details), request))


def _apply(settings: Settings, details: grpc.aio.ClientCallDetails) -> grpc.aio.ClientCallDetails:
    metadata = grpc.aio.Metadata(*(details.metadata or ()))
    if settings.token:
        metadata.add("authorization", f"Bearer {settings.token}")
    timeout = settings.deadline if details.timeout is None else details.timeout
    return details._replace(timeout=timeout, metadata=metadata)


async def _messages(call):
    try:
        async for message in call:
            yield message
    except grpc.aio.AioRpcError as error:
        raise StockroomError.from_rpc(error) from None
