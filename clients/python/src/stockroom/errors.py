"""The error of a failed call, with the details that the gateway sent."""

from __future__ import annotations

from datetime import timedelta

import grpc
from google.rpc import error_details_pb2, status_pb2

from .v1.errors_pb2 import ErrorReason

_PREFIX = "ERROR_REASON_"


class StockroomError(grpc.RpcError):
    """A failed call.

    `reason` is a value of `stockroom.v1.errors_pb2.ErrorReason`: 0 where the gateway sent none, or one that this version
    does not know. `fields` maps each invalid field of the request to what is wrong with it.
    """

    def __init__(self, code: grpc.StatusCode, message: str, packed: bytes | None = None):
        self.code = code
        self.message = message
        self.reason: int = ErrorReason.ERROR_REASON_UNSPECIFIED
        self.metadata: dict[str, str] = {}
        self.retry_delay: timedelta | None = None
        self.request_id: str | None = None
        self.fields: dict[str, str] = {}
        self.details: list = _unpack(packed)
        for detail in self.details:
            self._read(detail)
        super().__init__(str(self))

    @classmethod
    def from_rpc(cls, error: grpc.RpcError) -> StockroomError:
        """The typed form of an error of gRPC."""
        if isinstance(error, cls):
            return error
        trailers = error.trailing_metadata() or ()
        packed = next((value for key, value in trailers if key == "grpc-status-details-bin"), None)
        return cls(error.code(), error.details() or "", packed)

    def __str__(self) -> str:
        reason = f" {ErrorReason.Name(self.reason).removeprefix(_PREFIX)}" if self.reason else ""
        fields = "".join(f"; {field}: {description}" for field, description in self.fields.items())
        return f"{self.code.name}{reason}: {self.message}{fields}"

    def _read(self, detail) -> None:
        match detail:
            case error_details_pb2.ErrorInfo():
                self.reason = ErrorReason.DESCRIPTOR.values_by_name.get(_PREFIX + detail.reason, _UNKNOWN).number
                self.metadata = dict(detail.metadata)
            case error_details_pb2.RetryInfo():
                self.retry_delay = detail.retry_delay.ToTimedelta()
            case error_details_pb2.RequestInfo():
                self.request_id = detail.request_id
            case error_details_pb2.BadRequest():
                self.fields = {violation.field: violation.description for violation in detail.field_violations}


_UNKNOWN = ErrorReason.DESCRIPTOR.values_by_number[ErrorReason.ERROR_REASON_UNSPECIFIED]


def _unpack(packed: bytes | None) -> list:
    """The google.rpc details, each as its own message. Unknown ones are left out."""
    details = []
    for packed_detail in status_pb2.Status.FromString(packed or b"").details:
        kind = getattr(error_details_pb2, packed_detail.TypeName().removeprefix("google.rpc."), None)
        if kind is not None:
            detail = kind()
            packed_detail.Unpack(detail)
            details.append(detail)
    return details
