"""Open TCP connections by the client's address, so that a scripted failure can cut one off in mid-answer."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_open: dict[tuple[str, int], asyncio.Transport] = {}


class TrackedHttpProtocol(HttpToolsProtocol):
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        _open[transport.get_extra_info("peername")[:2]] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        _open.pop(self.transport.get_extra_info("peername")[:2], None)
        super().connection_lost(exc)


def cut(client: Any) -> None:
    """Nothing more reaches this client; what was already written is still sent."""
    transport = _open.get(tuple(client))
    if transport is not None:
        transport.close()
