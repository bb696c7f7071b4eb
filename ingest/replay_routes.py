"""POST /v1/replay: landed events of the caller's own tenant counted again, shown or applied."""

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
import psycopg

from ingest.problem import Problem
from ingest.replay_body import ReplayBody, replay_in, unusable
from ingest.route import Call, Reply, Route
from tally.clock import FixedClock
from tally.database import connect
from tally.errors import LedgerError
from tally.replay import Replay, ReplayBusy, ReplayChanged, ReplayRefused, Replays, Request

PATH = "/v1/replay"
SCOPE = "config:write"
_NO_RIGHT = "this door's database role lands events and counts none: replay with `tally replay` or in Dagster"
_WATERMARK = "select min(updated_at) from tally.model_bounds"


@dataclass(frozen=True)
class ReplayRoutes:
    """Works in a thread, on connections of its own: what is counted, Postgres counts. One replay at a time."""

    database_url: str
    at_work: asyncio.Lock

    def routes(self) -> tuple[Route, ...]:
        """The one route."""
        return (Route("POST", PATH, SCOPE, self.replayed),)

    async def replayed(self, call: Call) -> Reply:
        """The difference that a replay makes, and whether it was applied."""
        wanted = replay_in(await call.body())
        if wanted.tenant_id is not None and wanted.tenant_id != call.key.tenant_id:
            raise Problem(403, "foreign-tenant", "tenantId is not the tenant of this API key")
        if self.at_work.locked():
            raise _busy("this door is at another replay; ask again when it is done")
        async with self.at_work:
            try:
                return Reply(await asyncio.to_thread(self._replay, wanted, call))
            except ReplayRefused as refused:
                raise unusable(str(refused)) from None
            except ReplayBusy as busy:
                raise _busy(str(busy)) from None
            except ReplayChanged as changed:
                raise Problem(409, "replay-changed", str(changed), hash=changed.shown.hash) from None
            except psycopg.errors.InsufficientPrivilege:
                raise Problem(403, "not-at-this-door", _NO_RIGHT) from None
            except LedgerError as behind:
                raise Problem(409, "ledger-behind", str(behind)) from None

    def _replay(self, wanted: ReplayBody, call: Call) -> bytes:
        replays = Replays(self.database_url, FixedClock(call.now))
        actor = f"API key {call.key.key_id}"
        if wanted.hash is not None:
            found = replays.apply(call.key.tenant_id, wanted.hash, actor)
        else:
            request = Request(
                call.key.tenant_id, _names(wanted.metrics), _names(wanted.customers), wanted.since, wanted.until,
                closed=wanted.closed,
            )  # fmt: skip
            found = replays.show(request, actor) if wanted.mode == "dry-run" else replays.apply_at_once(request, actor)
        with connect(self.database_url, autocommit=True) as connection:
            row = connection.execute(_WATERMARK).fetchone()
        assert row is not None
        return msgspec.json.encode(_document(found, row[0]))


def _document(found: Replay, watermark: datetime) -> dict[str, Any]:
    applied = found.state == "applied"
    return {
        "mode": "apply" if applied else "dry-run",
        "timeRange": {
            "since": None if found.request.since is None else found.since,
            "until": None if found.request.until is None else found.until,
        },
        "changes": _by_metric(found),
        "counters": [_counter(change) for change in map(vars, found.changes)],
        "cursor": found.replay_id,
        "watermark": watermark,
        "applied": applied,
        "summary": {
            "events": sum(scope.events for scope in found.events),
            "counters": len(found.changes),
            "held": len(found.held),
            "withoutLanding": sum(scope.without_landing for scope in found.events),
            "decided": sum(scope.decided for scope in found.events),
        },
        "hash": found.hash,
    }


def _by_metric(found: Replay) -> dict[str, dict[str, Any]]:
    metrics: dict[str, dict[str, Any]] = defaultdict(
        lambda: {"eventsFound": 0, "lateEvents": 0, "counterDelta": Decimal(0), "affectedCustomers": set()}
    )
    for scope in found.events:
        metrics[scope.metric]["eventsFound"] += scope.events
        metrics[scope.metric]["lateEvents"] += scope.late_events
    for change in found.changes:
        if not change.is_held:
            metrics[change.metric]["counterDelta"] += change.delta
            metrics[change.metric]["affectedCustomers"].add(change.customer_ref)
    return {
        metric: {
            **entry,
            "counterDelta": f"{entry['counterDelta'].normalize():f}",
            "affectedCustomers": sorted(entry["affectedCustomers"]),
        }
        for metric, entry in sorted(metrics.items())
    }


def _counter(change: dict[str, Any]) -> dict[str, Any]:
    return {_camel(name): value for name, value in change.items()}


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


def _names(given: list[str] | None) -> tuple[str, ...] | None:
    return None if given is None else tuple(given)


def _busy(detail: str) -> Problem:
    return Problem(409, "replay-running", detail, ((b"retry-after", b"5"),))
