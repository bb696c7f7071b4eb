"""What the ledger must hold, worked out one delivery at a time in plain Python: no SQL, no windows, no merging."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from landing import AGGREGATIONS, Delivery

ZONE = ZoneInfo("America/New_York")
WINDOW = timedelta(hours=48)
Period = tuple[datetime, datetime]
CounterKey = tuple[str, str, datetime]


@dataclass(frozen=True)
class Landed:
    """A committed delivery, its transaction's number and its own."""

    delivery: Delivery
    xid: int
    seq: int


@dataclass
class Expected:
    """The ledger's contents, in the shape that the test reads them in."""

    counters: dict[CounterKey, tuple[Any, ...]]
    deliveries: dict[CounterKey, tuple[int, int, int, int, int]]
    conflicts: set[tuple[str, int]]
    late: set[str]


def calendar_month(moment: datetime) -> Period:
    """The month of `moment` on New York's wall calendar."""
    local = moment.astimezone(ZONE)
    following = (local.year + local.month // 12, local.month % 12 + 1)
    return (
        datetime(local.year, local.month, 1, tzinfo=ZONE).astimezone(UTC),
        datetime(*following, 1, tzinfo=ZONE).astimezone(UTC),
    )


def same_payload(one: Delivery, other: Delivery) -> bool:
    """Equal numbers and moments are equal however they are written; absent properties are empty ones."""
    return (one.customer, one.metric, one.quantity, one.event_time, one.properties or "{}") == (
        other.customer,
        other.metric,
        other.quantity,
        other.event_time,
        other.properties or "{}",
    )


def expect(landed: list[Landed], periods: dict[str, list[Period]]) -> Expected:
    """Judge the deliveries in the order of (xid, seq)."""
    first: dict[str, Landed] = {}
    in_time: dict[CounterKey, list[Landed]] = {}
    counts: dict[CounterKey, list[int]] = {}
    expected = Expected({}, {}, set(), set())
    for arrival in sorted(landed, key=lambda row: (row.xid, row.seq)):
        winner = first.setdefault(arrival.delivery.key, arrival)
        event = winner.delivery
        start, end = period_of(event, periods)
        key = (event.customer, event.metric, start)
        count = counts.setdefault(key, [0, 0, 0, 0, 0])
        count[0] += 1
        if winner is not arrival:
            conflict = not same_payload(event, arrival.delivery)
            count[3 if conflict else 2] += 1
            if conflict:
                expected.conflicts.add((event.key, arrival.seq))
        elif event.landed_at < end + WINDOW:
            count[1] += 1
            in_time.setdefault(key, []).append(arrival)
        else:
            count[1] += 1
            count[4] += 1
            expected.late.add(event.key)
    expected.deliveries = {key: (n[0], n[1], n[2], n[3], n[4]) for key, n in counts.items()}
    expected.counters = {key: counter(key[1], events) for key, events in in_time.items()}
    return expected


def period_of(event: Delivery, periods: dict[str, list[Period]]) -> Period:
    """The customer's own period that holds the event, else the calendar month."""
    for start, end in periods.get(event.customer, []):
        if start <= event.event_time < end:
            return start, end
    return calendar_month(event.event_time)


def counter(metric: str, events: list[Landed]) -> tuple[Any, ...]:
    """(event_count, sum, min, max, last quantity, last seq, value)."""
    quantities = [event.delivery.quantity for event in events]
    last = max(events, key=lambda event: (event.delivery.event_time, event.delivery.landed_at, event.seq))
    total = sum(quantities, Decimal(0))
    values = {
        "count": Decimal(len(events)),
        "sum": total,
        "min": min(quantities),
        "max": max(quantities),
        "last": last.delivery.quantity,
    }
    assert set(values) == set(AGGREGATIONS)
    return (len(events), total, min(quantities), max(quantities), last.delivery.quantity, last.seq, values.get(metric))
