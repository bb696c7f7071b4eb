"""How clean is what arrives: repeats, late events, keys with two payloads, and whether all of it is accounted for."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import psycopg
from psycopg.rows import dict_row

from tally.usage_checks.check import UsageCheck
from tally.usage_checks.statements import statement

# One repeat in five deliveries is no ratio.
LEAST_DELIVERIES = 100
_COUNTER = ("tenant", "customer", "metric", "period from")


def deliveries_are_rarely_repeated(connection: psycopg.Connection[Any], now: datetime, limit: Decimal) -> UsageCheck:
    """No open counter has more than `limit` (0.2: a fifth) repeats among its deliveries. They are counted once.

    A limit that the counter's meter or tenant declares goes before `limit`.
    """
    rows = _rows(connection, "deliveries.sql", {"now": now, "least_deliveries": LEAST_DELIVERIES})
    return _by_ratio(rows, "duplicates", limit, "repeats: an app retries what was accepted")


def events_are_rarely_late(connection: psycopg.Connection[Any], now: datetime, limit: Decimal) -> UsageCheck:
    """No open counter has more than `limit` (0.01: a hundredth) events that came after it closed.

    A limit that the counter's meter or tenant declares goes before `limit`.
    """
    rows = _rows(connection, "deliveries.sql", {"now": now, "least_deliveries": LEAST_DELIVERIES})
    return _by_ratio(rows, "late_events", limit, "late events: they became adjustments, not usage")


def conflicts_are_decided(connection: psycopg.Connection[Any], now: datetime) -> UsageCheck:
    """A person has decided about every key that was sent with two payloads; in an ended period that is money."""
    rows = _rows(connection, "conflicts.sql", {"now": now})
    ended = [row for row in rows if row["has_ended"]]
    waiting = sum(row["conflicts"] for row in rows)
    return UsageCheck(
        holds=not rows,
        costs_money=bool(ended),
        sentence=f"{waiting} deliveries wait for a decision: `tally conflicts list`" if rows else "none waits",
        numbers={"conflicts that wait": waiting, "counters with conflicts": len(rows), "of ended periods": len(ended)},
        columns=(*_COUNTER, "conflicts", "a key", "period ended"),
        against=tuple((*_counter(row), row["conflicts"], row["a_key"], row["has_ended"]) for row in rows),
    )


def counters_hold_what_was_delivered(connection: psycopg.Connection[Any], now: datetime) -> UsageCheck:
    """Deliveries = events + repeats + conflicts, and every counter has the events that were delivered for it."""
    rows = _rows(connection, "integrity.sql", {"now": now})
    wrong = f"{len(rows)} counters do not hold what was delivered: `tally replay --dry-run` counts them again"
    return UsageCheck(
        holds=not rows,
        costs_money=bool(rows),
        sentence=wrong if rows else "every delivery is accounted for",
        numbers={"counters that differ": len(rows)},
        columns=(*_COUNTER, "deliveries", "accounted for", "events to count", "events counted"),
        against=tuple(
            (*_counter(row), row["deliveries"], row["accounted_for"], row["counted_events"], row["event_count"])
            for row in rows
        ),
    )


def _by_ratio(rows: list[dict[str, Any]], what: str, limit: Decimal, meaning: str) -> UsageCheck:
    share, declared = f"{what}_share", f"{what}_limit"
    limits = [limit if row[declared] is None else row[declared] for row in rows]
    above = [(row, most) for row, most in zip(rows, limits, strict=True) if row[share] > most]
    above.sort(key=lambda found: found[0][share], reverse=True)
    name = what.replace("_", " ")
    found, none = f"{len(above)} counters have more than {limit:%} {meaning}", f"no counter has more than {limit:%}"
    if not set(limits) <= {limit}:
        found, none = f"{len(above)} counters are above their limit of {meaning}", "no counter is above its limit"
    return UsageCheck(
        holds=not above,
        costs_money=False,
        sentence=found if above else none,
        numbers={
            "counters": len(rows),
            "deliveries": sum(row["deliveries"] for row in rows),
            name: sum(row[what] for row in rows),
            "above the limit": len(above),
        },
        columns=(*_COUNTER, "deliveries", name, "share", "allowed"),
        against=tuple(
            (*_counter(row), row["deliveries"], row[what], f"{row[share]:.2%}", f"{most:.2%}") for row, most in above
        ),
    )


def _rows(connection: psycopg.Connection[Any], name: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(statement(name), parameters).fetchall()


def _counter(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return row["tenant_id"], row["customer_ref"], row["metric"], row["period_start"]
