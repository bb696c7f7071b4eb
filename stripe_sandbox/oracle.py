"""What only the sandbox knows: how often each meter event arrived and counted, and exact totals."""

import json
import sqlite3
from decimal import Decimal
from itertools import groupby
from typing import Any

from stripe_sandbox.pricing import EXACT, ZERO, plain
from stripe_sandbox.state import Json, State

FILTERS = {
    "identifier": "identifier = ?",
    "event_name": "event_name = ?",
    "customer": "customer = ?",
    "start": "timestamp >= ?",
    "end": "timestamp < ?",
}


def filters_of(fields: dict[str, str]) -> Json:
    """A query string as filters; one that names no filter must not look like an answer to it."""
    unknown = fields.keys() - FILTERS.keys()
    if unknown:
        raise ValueError(f"unknown filters: {', '.join(sorted(unknown))}")
    return {name: int(value) if name in ("start", "end") else value for name, value in fields.items()}


def meter_events(state: State, namespace: str, filters: Json) -> list[Json]:
    """One entry per identifier, in order of first arrival: every arrival, and how many of them were counted."""
    rows = _rows(state, namespace, filters, "")
    by_identifier: dict[str, list[sqlite3.Row]] = {}
    for row in rows:
        by_identifier.setdefault(row["identifier"], []).append(row)
    return [
        {
            "identifier": identifier,
            "applied_count": sum(row["outcome"] == "applied" for row in arrivals),
            "arrivals": [_arrival(row) for row in arrivals],
        }
        for identifier, arrivals in by_identifier.items()
    ]


def totals(state: State, namespace: str, filters: Json) -> list[Json]:
    """Exact sums of applied values per customer and event name; `start` and `end` bound the timestamps [start, end)."""
    rows = _rows(state, namespace, filters, "and outcome = 'applied'")
    rows.sort(key=_counter)
    result = []
    for (event_name, customer), group in groupby(rows, key=_counter):
        values = [Decimal(row["value"]) for row in group]
        total = ZERO
        for value in values:
            total = EXACT.add(total, value)
        result.append({"event_name": event_name, "customer": customer, "sum": plain(total), "count": len(values)})
    return result


def _counter(row: sqlite3.Row) -> tuple[str, str]:
    return row["event_name"], row["customer"]


def _rows(state: State, namespace: str, filters: Json, condition: str) -> list[sqlite3.Row]:
    values: list[Any] = [namespace]
    for name, value in filters.items():
        condition += f" and {FILTERS[name]}"
        values.append(value)
    return state.rows(f"select * from meter_events where namespace = ? {condition} order by seq", values)


def _arrival(row: sqlite3.Row) -> Json:
    names = ("received_at", "outcome", "drop_code", "event_name", "customer", "value", "timestamp", "idempotency_key")
    return {**{name: row[name] for name in names}, "payload": json.loads(row["payload"])}
