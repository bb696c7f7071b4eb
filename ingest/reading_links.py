"""A few connections for reading what landed, apart from those that the hot path needs."""

import asyncio
from collections.abc import Sequence
from typing import Any

from ingest.link import Link


class ReadingLinks:
    """Statements wait for a free link, first come, first served."""

    def __init__(self, url: str, count: int) -> None:
        self._links = [Link(url, f"readers {number}") for number in range(1, count + 1)]
        self._idle: asyncio.LifoQueue[Link] = asyncio.LifoQueue()
        for link in self._links:
            self._idle.put_nowait(link)

    async def fetch(self, sql: str, *arguments: object, tenant_id: str = "") -> Sequence[Any]:
        """The rows of a reading statement. The views in schema `door` show it this tenant's, whatever it says itself.

        Raises:
            DatabaseLost: Postgres does not answer in time.
        """
        link = await self._idle.get()
        try:
            return await link.fetch(sql, *arguments, tenant_id=tenant_id)
        finally:
            self._idle.put_nowait(link)

    async def close(self) -> None:
        """Close the connections."""
        for link in self._links:
            await link.close()
