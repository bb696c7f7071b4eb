"""When each key was last used: written behind the answers, at most once a minute for each key."""

import asyncio
from time import monotonic

from ingest.link import DatabaseLost, Link
from ingest.logs import log

NOTED_EVERY_SECONDS = 60.0
MAX_NOTED = 10_000
# Several doors share a key; whoever comes second within the minute writes nothing.
_NOTE = """
update tally.api_keys set last_used_at = now()
where key_id = $1 and (last_used_at is null or last_used_at <= now() - interval '1 minute')
"""


class KeyUse:
    """Notes uses over `link`, each in a task of its own."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._due: dict[str, float] = {}
        self._writes: set[asyncio.Task[None]] = set()

    def note(self, key_id: str) -> None:
        """The key was used just now."""
        now = monotonic()
        if now < self._due.get(key_id, 0.0):
            return
        if len(self._due) >= MAX_NOTED:
            self._due.clear()
        self._due[key_id] = now + NOTED_EVERY_SECONDS
        task = asyncio.get_running_loop().create_task(self._write(key_id))
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)

    async def drain(self) -> None:
        """Return once what was noted is written or given up."""
        while self._writes:
            await asyncio.wait(self._writes)

    async def _write(self, key_id: str) -> None:
        try:
            await self._link.fetch(_NOTE, key_id)
        except DatabaseLost as lost:
            log.warning("key_use_not_noted", key_id=key_id, cause=lost.cause)
