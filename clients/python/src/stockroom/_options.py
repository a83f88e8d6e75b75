"""What both clients share: the address, the channel's options, credentials and the metadata of a call."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from typing import NamedTuple
from urllib.parse import urlsplit

import grpc

DEADLINE_SECONDS = 10.0
# A hundred products with all their parts are about 2 MiB.
_MAX_MESSAGE_BYTES = 16 << 20


@dataclass(frozen=True)
class Tls:
    """PEM files for a TLS connection. Without `ca_file` the roots of gRPC apply."""

    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None

    def credentials(self) -> grpc.ChannelCredentials:
        return grpc.ssl_channel_credentials(_read(self.ca_file), _read(self.key_file), _read(self.cert_file))


class Settings(NamedTuple):
    """What the interceptors add to a call."""

    token: str | None
    deadline: float | None

    def apply(self, details):
        """The details of a call with the token, and with the default deadline where the caller set none."""
        timeout = self.deadline if details.timeout is None else details.timeout
        metadata = list(details.metadata or ())
        if self.token:
            metadata.append(("authorization", f"Bearer {self.token}"))
        return details._replace(timeout=timeout, metadata=metadata)


def parse_address(address: str) -> tuple[str, bool]:
    """The gRPC target of "host:port", a gRPC target or a URL, and whether the URL is https."""
    if not address.startswith(("http://", "https://")):
        if not address:
            raise ValueError("the address is empty")
        return address, False
    url = urlsplit(address)
    if not url.hostname or url.path not in ("", "/"):
        raise ValueError(f"{address!r} is not the URL of a gateway")
    host = f"[{url.hostname}]" if ":" in url.hostname else url.hostname
    secure = url.scheme == "https"
    return f"{host}:{url.port or (443 if secure else 80)}", secure


def channel_options(more) -> list[tuple]:
    return [
        ("grpc.service_config", resources.files("stockroom").joinpath("service-config.json").read_text()),
        ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.max_reconnect_backoff_ms", 5_000),
        *(more or ()),
    ]


def _read(path: str | None) -> bytes | None:
    if path is None:
        return None
    with open(path, "rb") as file:
        return file.read()
