"""A ledger in the middle of its work: models of three bounds, repeats and conflicts across them, unread rows."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
from metered_month import IN_TIME, JANUARY, LATE_AT, METERS, NOW, Usage, declare, land

from tally.clock import FixedClock
from tally.conflicts import keep_first
from tally.ledger import Ledger
from tally.ledger.dbt_runner import invoke
from tally.ledger.environment import dbt_environment

_AT = JANUARY[0] + timedelta(days=3)
_IDS = ["xid", "first_xid", "newest_xid"]


def usage(name: str, minute: int, quantity: int, first_seq: int | None = None, **changes: Any) -> list[Usage]:
    """An event of every metric, one of them by another customer as well; `first_seq` counts on from event to event."""
    at = _AT + timedelta(minutes=minute)
    base = {"event_time": at, "landed_at": at + IN_TIME, "quantity": Decimal(quantity), "member": name} | changes
    events = [Usage(f"{name}-{metric}", metric, **base) for metric in METERS]
    events.append(Usage(f"{name}-other", "sum", customer="initech", **base))
    return events if first_seq is None else [replace(event, seq=first_seq + n) for n, event in enumerate(events)]


def fill(connection: psycopg.Connection[Any], url: str, folder: Path) -> None:
    """Land, tick, decide, land, run some models only, land."""
    ledger = Ledger(url, folder)
    declare(connection)
    for minute, name in enumerate("abc"):
        land(connection, usage(name, minute, 10 + minute))
    land(connection, usage("a", 0, 10, landed_at=_AT + timedelta(hours=2)))
    land(connection, usage("b", 1, 99, landed_at=_AT + timedelta(hours=2)))
    land(connection, usage("late", 5, 7, landed_at=LATE_AT))
    ledger.tick()
    keep_first(connection, "acme", "b-sum", "ana", "a test", FixedClock(NOW))
    land(connection, usage("d", 30, 20))
    land(connection, usage("a", 0, 98, landed_at=_AT + timedelta(hours=3)))
    _run(url, folder, "int_usage_events_deduplicated", "int_usage_value_counts")
    land(connection, usage("e", 40, 30))
    _run(url, folder, "int_usage_events_deduplicated", "usage_deliveries")
    land(connection, usage("f", 50, 40))
    land(connection, usage("f", 50, 41, landed_at=_AT + timedelta(hours=4)))
    land(connection, usage("c", 2, 97, landed_at=_AT + timedelta(hours=4)))


def contents(connection: psycopg.Connection[Any], *, with_ids: bool = False) -> dict[str, list[str]]:
    """Every table of the ledger and what people decided, row by row; by default without transaction ids."""
    tables = connection.execute(
        "select oid::regclass::text from pg_class where relkind = 'r' and relnamespace in"
        " ('ledger'::regnamespace, 'marts'::regnamespace) union select 'tally.conflict_decisions' order by 1"
    ).fetchall()
    return {
        table: [
            row
            for (row,) in connection.execute(
                f"select (to_jsonb(row) - %s::text[])::text from {table} as row order by 1", ([] if with_ids else _IDS,)
            )
        ]
        for (table,) in tables
    }


def bounds(connection: psycopg.Connection[Any]) -> dict[str, int]:
    """How far each model has read."""
    return dict(connection.execute("select model, read_to::text::bigint from tally.model_bounds").fetchall())


def _run(url: str, folder: Path, *models: str) -> None:
    invoke(["run", "--select", *models], dbt_environment(url, folder))
