"""What carries a trace from one process to the next: rows of requests, and of the counters that they moved."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final, LiteralString
from uuid import UUID

import psycopg
from psycopg.rows import class_row

# So many requests go on in one tick, and so many traced counters in one delivery; the traces of others end before.
MOST_A_TICK: Final = 20
MOST_A_DELIVERY: Final = 200

_COUNTERS: Final = ("ledger.int_usage_counters", "ledger.int_usage_gauge_counters")
_READ_TO: Final = """
select coalesce(min(read_to), '0')::text from tally.model_bounds where model = any(%(counters)s)
"""
_FORGET: Final = "delete from tally.traced_counters where counted_at < clock_timestamp() - interval '6 hours'"


@dataclass(frozen=True)
class TracedRequest:
    """A request that landed in transaction `xid`, with its door's span and the keys of its first events."""

    tenant_id: str
    xid: str
    traceparent: str
    idempotency_keys: list[str]


def counted_to(connection: psycopg.Connection[Any]) -> str:
    """The landing transaction that the counters have read to, itself not included."""
    row = connection.execute(_READ_TO, {"counters": list(_COUNTERS)}).fetchone()
    return str(row[0]) if row else "0"


def take_links(connection: psycopg.Connection[Any], read_from: str, read_to: str) -> list[TracedRequest]:
    """The traced requests of a window of landing transactions, at most `MOST_A_TICK`, and none of them again."""
    window = {"read_from": read_from, "read_to": read_to, "most": MOST_A_TICK}
    with connection.cursor(row_factory=class_row(TracedRequest)) as cursor:
        return cursor.execute(_statement("take_links.sql"), window).fetchall()


def trace_counters(connection: psycopg.Connection[Any], request: TracedRequest, traceparent: str) -> tuple[int, int]:
    """Note the counters that the request moved under the tick's span; returns its counted events, and the counters."""
    row = connection.execute(_statement("trace_counters.sql"), vars(request) | {"traceparent": traceparent}).fetchone()
    return (row[0], row[1]) if row else (0, 0)


def forget_counters(connection: psycopg.Connection[Any]) -> None:
    """Let go of the counters whose pushes are hours behind, or never came."""
    connection.execute(_FORGET)


def traced_intents(connection: psycopg.Connection[Any], account: Mapping[str, Any]) -> dict[UUID, list[str]]:
    """The ticks' spans that each open intent of an account goes on with. `account`: tenant_id, account, livemode."""
    found: dict[UUID, list[str]] = defaultdict(list)
    for intent_id, traceparent in connection.execute(
        _statement("traced_intents.sql"), {**account, "most": MOST_A_DELIVERY}
    ):
        found[intent_id].append(traceparent)
    return dict(found)


@cache
def _statement(name: str) -> LiteralString:
    return (files(__package__) / "sql" / name).read_text()
