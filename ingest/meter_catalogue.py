"""The meters of each tenant, kept for a moment: declared by `tally apply`, taken up here within two seconds."""

import asyncio
from collections.abc import Iterable, Mapping
from time import monotonic

from ingest.link import Link

KEPT_SECONDS = 2.0
REFRESH_PAUSE_SECONDS = 1.0
_METERS = "select metric, aggregation from tally.meters where tenant_id = $1"


class MeterCatalogue:
    """Metric to aggregation, tenant by tenant."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._kept: dict[str, tuple[float, Mapping[str, str]]] = {}
        self._refreshed: dict[str, float] = {}
        self._reading = asyncio.Lock()

    async def meters(self, tenant_id: str, wanted: Iterable[str]) -> Mapping[str, str]:
        """The tenant's meters. A wanted metric that is not among them makes it look again, at most once a second.

        Raises:
            DatabaseLost: they are not known here and cannot be read.
        """
        asked_at = monotonic()
        kept = self._kept.get(tenant_id)
        if kept is None or asked_at - kept[0] >= KEPT_SECONDS:
            kept = await self._read(tenant_id, asked_at)
        if any(metric not in kept[1] for metric in wanted) and self._may_refresh(tenant_id, asked_at):
            kept = await self._read(tenant_id, asked_at)
        return kept[1]

    def at_once(self, tenant_id: str) -> Mapping[str, str] | None:
        """The tenant's meters when they are known here."""
        kept = self._kept.get(tenant_id)
        return kept[1] if kept is not None and monotonic() - kept[0] < KEPT_SECONDS else None

    def _may_refresh(self, tenant_id: str, at: float) -> bool:
        if at - self._refreshed.get(tenant_id, -REFRESH_PAUSE_SECONDS) < REFRESH_PAUSE_SECONDS:
            return False
        self._refreshed[tenant_id] = at
        return True

    async def _read(self, tenant_id: str, asked_at: float) -> tuple[float, Mapping[str, str]]:
        async with self._reading:
            kept = self._kept.get(tenant_id)
            # Whoever waited for another's read takes what that one found.
            if kept is None or kept[0] < asked_at:
                started = monotonic()
                rows = await self._link.fetch(_METERS, tenant_id)
                kept = self._kept[tenant_id] = (started, {row["metric"]: row["aggregation"] for row in rows})
            return kept
