"""The Python client of the Stockroom gateway.

`connect` returns a `Client` whose attributes are the generated stubs of `stockroom.v1`; `stockroom.aio.connect` does the
same for asyncio. Both add the token and a default deadline, retry as `service-config.json` says, and raise
`StockroomError` for every failed call.
"""

from ._client import Client, connect
from ._options import Tls
from .errors import StockroomError

__all__ = ["Client", "StockroomError", "Tls", "connect"]
