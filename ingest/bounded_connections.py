"""A bound on open connections: each one costs memory and a file, whether it sends anything or not."""

from typing import Any

from prometheus_client import Counter

from ingest.connections import TimedConnection
from ingest.problem import unavailable
from ingest.request_id import request_id


class BoundedConnection(TimedConnection):
    """One connection. When `most` are open already it is told so before it asks, and closed."""

    _refused = False

    def __init__(self, most: int, refusals: Counter, **given: Any) -> None:
        super().__init__(**given)
        self._most = most
        self._refusals = refusals

    def connection_made(self, transport: Any) -> None:
        if len(self.connections) < self._most:
            super().connection_made(transport)
            return
        self._refused = True
        self.transport = transport
        self._refusals.inc()
        detail = (
            f"the door has {self._most} connections open and takes no more; keep connections open and use them again"
        )
        self.say(unavailable("too-many-connections", detail, "nothing"), request_id(None))
        transport.close()

    def data_received(self, data: bytes) -> None:
        if not self._refused:
            super().data_received(data)
