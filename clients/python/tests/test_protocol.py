"""What the gateway offers beside its own contract: health, reflection, request ids."""

import functools

import grpc
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from stockroom.v1 import (
    admin_service_pb2,
    browse_service_pb2,
    browse_service_pb2_grpc,
    product_service_pb2,
    search_service_pb2,
)

SERVICES = [
    service
    for module in (admin_service_pb2, browse_service_pb2, product_service_pb2, search_service_pb2)
    for service in module.DESCRIPTOR.services_by_name.values()
]
NAMES = [service.full_name for service in SERVICES]


@pytest.fixture
def health(channel):
    return health_pb2_grpc.HealthStub(channel)


@pytest.mark.parametrize("service", ["", *NAMES])
def test_each_service_says_that_it_serves(health, service):
    request = health_pb2.HealthCheckRequest(service=service)

    assert health.Check(request).status == health_pb2.HealthCheckResponse.SERVING
    watch = health.Watch(request)
    assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
    watch.cancel()


def test_the_health_of_an_unknown_service_is_not_found(health, refusal):
    refused = refusal(health.Check, health_pb2.HealthCheckRequest(service="stockroom.v1.NoService"))

    assert refused.code == grpc.StatusCode.NOT_FOUND


def test_the_contract_can_be_read_from_the_port(channel):
    database = ProtoReflectionDescriptorDatabase(channel)
    pool = DescriptorPool(database)

    assert set(database.get_services()) >= {*NAMES, "grpc.health.v1.Health"}
    for service in SERVICES:
        reflected = pool.FindServiceByName(service.full_name)
        assert [method.name for method in reflected.methods] == [method.name for method in service.methods]


REQUEST_ID = [("x-request-id", "order-page-7")]


def test_a_request_id_comes_back_with_an_answer(channel):
    _, call = browse_service_pb2_grpc.BrowseServiceStub(channel).ListCategories.with_call(
        browse_service_pb2.ListCategoriesRequest(), metadata=REQUEST_ID
    )

    assert dict(call.trailing_metadata())["x-request-id"] == "order-page-7"


def test_a_request_id_comes_back_with_an_error(browse, refusal):
    method = functools.partial(browse.ListCategories, metadata=REQUEST_ID)
    refused = refusal(method, browse_service_pb2.ListCategoriesRequest(marketplace="XX"))

    assert refused.trailers["x-request-id"] == "order-page-7"
