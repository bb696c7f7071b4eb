"""What the ledger must hold, worked out one delivery at a time in plain Python: no SQL, no windows, no merging."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal, localcontext
from fractions import Fraction
from math import ceil
from typing import Any
from zoneinfo import ZoneInfo

from landing import AGGREGATIONS, Delivery

ZONE = ZoneInfo("America/New_York")
WINDOW = timedelta(hours=48)
REGIONS = ("eu", "us")
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

    counters: dict[CounterKey, tuple[Any, ...]] = field(default_factory=dict)
    deliveries: dict[CounterKey, tuple[int, ...]] = field(default_factory=dict)
    conflicts: set[tuple[str, int]] = field(default_factory=set)
    late: set[str] = field(default_factory=set)
    days: dict[tuple[Any, ...], tuple[Any, ...]] = field(default_factory=dict)


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


def properties(event: Delivery) -> dict[str, Any]:
    return dict(json.loads(event.properties or "{}", parse_float=Decimal))


def measured(event: Delivery) -> Decimal | None:
    """What the event measures."""
    if event.metric != "scaled":
        return event.quantity
    found = properties(event).get("bytes")
    return Decimal(found) if isinstance(found, int | Decimal) and not isinstance(found, bool) else None


def outcome(event: Delivery, end: datetime) -> str:
    if event.metric not in (*AGGREGATIONS, "scaled"):
        return "unmetered"
    if event.metric == "scaled" and properties(event).get("region") not in REGIONS:
        return "filtered"
    if measured(event) is None or (event.metric == "unique" and "user" not in properties(event)):
        return "unmeasurable"
    return "counted" if event.landed_at < end + WINDOW else "late"


def expect(landed: list[Landed], periods: dict[str, list[Period]]) -> Expected:
    """Judge the deliveries in the order of (xid, seq)."""
    first: dict[str, Landed] = {}
    counted: dict[CounterKey, list[Landed]] = {}
    counts: dict[CounterKey, list[int]] = {}
    expected = Expected()
    for arrival in sorted(landed, key=lambda row: (row.xid, row.seq)):
        winner = first.setdefault(arrival.delivery.key, arrival)
        event = winner.delivery
        start, end = period_of(event, periods)
        key = (event.customer, event.metric, start)
        count = counts.setdefault(key, [0, 0, 0, 0, 0, 0, 0])
        count[0] += 1
        if winner is not arrival:
            conflict = not same_payload(event, arrival.delivery)
            count[3 if conflict else 2] += 1
            if conflict:
                expected.conflicts.add((event.key, arrival.seq))
            continue
        count[1] += 1
        became = outcome(event, end)
        count[{"late": 4, "counted": 5}.get(became, 6)] += 1
        if became == "counted":
            counted.setdefault(key, []).append(arrival)
        elif became == "late":
            expected.late.add(event.key)
    expected.deliveries = {key: tuple(count) for key, count in counts.items()}
    ends = {(row.delivery.customer, period_of(row.delivery, periods)) for row in landed}
    end_of = {(customer, start): end for customer, (start, end) in ends}
    for key in sorted(counted):
        expected.counters[key] = counter(key, counted, end_of[key[0], key[2]])
        add_days(expected, key, counted[key])
    return expected


def period_of(event: Delivery, periods: dict[str, list[Period]]) -> Period:
    """The customer's own period that holds the event; else the calendar month, as far as it is free of them."""
    start, end = calendar_month(event.event_time)
    for known_start, known_end in periods.get(event.customer, []):
        if known_start <= event.event_time < known_end:
            return known_start, known_end
        if known_end <= event.event_time:
            start = max(start, known_end)
        else:
            end = min(end, known_start)
    return start, end


def counter(key: CounterKey, counted: dict[CounterKey, list[Landed]], end: datetime) -> tuple[Any, ...]:
    """(event_count, sum, min, max, last quantity, value from events)."""
    events = counted[key]
    quantities = [quantity_of(event) for event in events]
    metric = key[1]
    value: Decimal | Fraction
    if metric == "time_weighted_sum":
        value = rounded(held(key, counted, end))
    elif metric == "scaled":
        value = rounded(Fraction(sum(quantities)) / 1000)
    else:
        value = aggregate(metric, events)
    return (len(events), exact_sum(quantities), min(quantities), max(quantities), last_of(events), value)


def aggregate(metric: str, events: list[Landed]) -> Decimal:
    """The value of everything that adds up from events alone."""
    quantities = sorted(quantity_of(event) for event in events)
    if metric == "count":
        return Decimal(len(events))
    if metric == "unique":
        return Decimal(len({properties(event.delivery)["user"] for event in events}))
    if metric == "average":
        return rounded(Fraction(exact_sum(quantities)) / len(quantities))
    if metric == "percentile":
        return quantities[ceil(Fraction(95, 100) * len(quantities)) - 1]
    return {"sum": exact_sum(quantities), "min": quantities[0], "max": quantities[-1], "last": last_of(events)}[metric]


def held(key: CounterKey, counted: dict[CounterKey, list[Landed]], end: datetime) -> Fraction:
    """Quantity times hours over the period: each reading until the next, the first from what was held before."""
    customer, metric, start = key
    earlier = [other for other in counted if other[:2] == (customer, metric) and other[2] < start]
    holds = Fraction(last_of(counted[max(earlier)])) if earlier else Fraction(0)
    total, since = Fraction(0), start
    for event in sorted(counted[key], key=in_order):
        total += holds * hours(event.delivery.event_time - since)
        holds, since = Fraction(quantity_of(event)), event.delivery.event_time
    return total + holds * hours(end - since)


def hours(span: timedelta) -> Fraction:
    return Fraction(span // timedelta(microseconds=1), 3_600_000_000)


def in_order(event: Landed) -> tuple[datetime, datetime, int]:
    return event.delivery.event_time, event.delivery.landed_at, event.seq


def last_of(events: list[Landed]) -> Decimal:
    return quantity_of(max(events, key=in_order))


def quantity_of(event: Landed) -> Decimal:
    quantity = measured(event.delivery)
    assert quantity is not None
    return quantity


def exact_sum(quantities: list[Decimal]) -> Decimal:
    with localcontext(Context(prec=100)):
        return sum(quantities, Decimal(0))


def rounded(exact: Fraction) -> Decimal:
    """To 12 decimals and 15 digits, half away from zero."""
    whole = len(str(abs(exact.numerator) // exact.denominator))
    places = max(0, min(12, 15 - whole))
    with localcontext(Context(prec=200)):
        quotient = Decimal(exact.numerator) / Decimal(exact.denominator)
        return quotient.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


def add_days(expected: Expected, key: CounterKey, events: list[Landed]) -> None:
    """Break a counter down by New York's days and the meter's dimensions; days of two periods add up."""
    customer, metric, _ = key
    for event in events:
        found = properties(event.delivery) if metric == "scaled" else {}
        dimensions = (found.get("region", ""), found.get("model", "")) if metric == "scaled" else ()
        day = (customer, metric, event.delivery.event_time.astimezone(ZONE).date(), dimensions)
        count, total = expected.days.get(day, (0, Decimal(0)))
        expected.days[day] = (count + 1, exact_sum([total, quantity_of(event)]))
