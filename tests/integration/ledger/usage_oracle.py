"""What the ledger must hold, worked out one delivery at a time in plain Python: no SQL, no windows, no merging."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from landing import AGGREGATIONS, Delivery
from oracle_values import Reading, exact_sum, gauge_value, in_order, value_of

WINDOW = timedelta(hours=48)
REGIONS = ("eu", "us")
# (start, end, end of the whole billing period of which it may be a segment)
Period = tuple[datetime, datetime, datetime]
# (tenant, customer)
Customer = tuple[str, str]
CounterKey = tuple[str, str, str, datetime]


@dataclass(frozen=True)
class Landed:
    """A committed delivery, its transaction's number and its own."""

    delivery: Delivery
    xid: int
    seq: int


@dataclass(frozen=True)
class World:
    """What is known beside the deliveries: zones and calendars of tenants, periods of customers, what is booked."""

    zones: dict[str, tuple[ZoneInfo, str]]
    periods: dict[Customer, list[Period]]
    now: datetime
    booked: dict[CounterKey, Decimal] = field(default_factory=dict)


@dataclass
class Expected:
    """The ledger's contents, in the shape that the test reads them in."""

    counters: dict[CounterKey, tuple[Any, ...]] = field(default_factory=dict)
    deliveries: dict[CounterKey, tuple[int, ...]] = field(default_factory=dict)
    conflicts: set[tuple[str, str, int]] = field(default_factory=set)
    late: set[tuple[str, str]] = field(default_factory=set)
    days: dict[tuple[Any, ...], tuple[Any, ...]] = field(default_factory=dict)


def calendar_period(moment: datetime, zone: ZoneInfo, unit: str) -> tuple[datetime, datetime]:
    """The day, the week from Monday or the month of `moment` on the zone's wall calendar."""
    day = moment.astimezone(zone).date()
    if unit == "month":
        first = day.replace(day=1)
        following = (first + timedelta(days=31)).replace(day=1)
    else:
        first = day - timedelta(days=day.weekday() if unit == "week" else 0)
        following = first + timedelta(days=7 if unit == "week" else 1)
    # A midnight that comes twice is the first one (fold=0); one that never comes is the moment the clock skipped it.
    start, end = (datetime(at.year, at.month, at.day, tzinfo=zone).astimezone(UTC) for at in (first, following))
    return start, end


def period_at(world: World, customer: Customer, moment: datetime) -> Period:
    """The customer's own period that holds the moment; else the tenant's calendar, as far as it is free of them."""
    start, end = calendar_period(moment, *world.zones[customer[0]])
    for known in world.periods.get(customer, []):
        if known[0] <= moment < known[1]:
            return known
        if known[1] <= moment:
            start = max(start, known[1])
        else:
            end = min(end, known[0])
    return start, end, end


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


def outcome(event: Delivery, closes_with: datetime) -> str:
    if event.metric not in (*AGGREGATIONS, "scaled"):
        return "unmetered"
    if event.metric == "scaled" and properties(event).get("region") not in REGIONS:
        return "filtered"
    if measured(event) is None or (event.metric == "unique" and "user" not in properties(event)):
        return "unmeasurable"
    return "counted" if event.landed_at < closes_with + WINDOW else "late"


def expect(landed: list[Landed], world: World) -> Expected:
    """Judge the deliveries in the order of (xid, seq)."""
    first: dict[tuple[str, str], Landed] = {}
    counted: dict[CounterKey, list[Reading]] = {}
    counts: dict[CounterKey, list[int]] = {}
    ends: dict[CounterKey, datetime] = {}
    expected = Expected()
    for arrival in sorted(landed, key=lambda row: (row.xid, row.seq)):
        winner = first.setdefault((arrival.delivery.tenant, arrival.delivery.key), arrival)
        event = winner.delivery
        start, end, closes_with = period_at(world, (event.tenant, event.customer), event.event_time)
        key = (event.tenant, event.customer, event.metric, start)
        ends[key] = end
        count = counts.setdefault(key, [0, 0, 0, 0, 0, 0, 0])
        count[0] += 1
        if winner is not arrival:
            conflict = not same_payload(event, arrival.delivery)
            count[3 if conflict else 2] += 1
            if conflict:
                expected.conflicts.add((event.tenant, event.key, arrival.seq))
            continue
        count[1] += 1
        became = outcome(event, closes_with)
        count[{"late": 4, "counted": 5}.get(became, 6)] += 1
        if became == "counted":
            quantity = measured(event)
            assert quantity is not None
            found = properties(event)
            reading = Reading(event.event_time, event.landed_at, arrival.seq, quantity, found.get("user"))
            counted.setdefault(key, []).append(reading)
            add_day(expected, world, event, quantity, found)
        elif became == "late":
            expected.late.add((event.tenant, event.key))
    expected.deliveries = {key: tuple(count) for key, count in counts.items()}
    for key, events in counted.items():
        expected.counters[key] = counter(key, events)
    hold_gauges(expected, world, counted, ends)
    book(expected, world)
    return expected


def counter(key: CounterKey, events: list[Reading]) -> tuple[Any, ...]:
    """(event_count, sum, min, max, last quantity, value from events, adjustment, value)."""
    quantities = [event.quantity for event in events]
    last = max(events, key=in_order).quantity
    value = None if key[2] == "time_weighted_sum" else value_of(key[2], events)
    return (len(events), exact_sum(quantities), min(quantities), max(quantities), last, value, Decimal(0), value)


def hold_gauges(
    expected: Expected, world: World, counted: dict[CounterKey, list[Reading]], ends: dict[CounterKey, datetime]
) -> None:
    """Walk each gauge from period to period: what it last read holds on, also where nothing was read."""
    gauges = {key[:3] for key in counted if key[2] == "time_weighted_sum"}
    for tenant, customer, metric in gauges:
        starts = sorted(key[3] for key in counted if key[:3] == (tenant, customer, metric))
        held = Decimal(0)
        for start, following in zip(starts, [*starts[1:], world.now], strict=True):
            key = (tenant, customer, metric, start)
            value = gauge_value(held, start, ends[key], counted[key])
            expected.counters[key] = (*expected.counters[key][:5], value, Decimal(0), value)
            held = max(counted[key], key=in_order).quantity
            moment = ends[key]
            while held and moment < following:
                begin, end, _ = period_at(world, (tenant, customer), moment)
                value = gauge_value(held, begin, end, [])
                carried = (0, Decimal(0), None, None, held, value, Decimal(0), value)
                expected.counters[tenant, customer, metric, begin] = carried
                moment = end


def book(expected: Expected, world: World) -> None:
    """Adjustments are part of the counter they were booked into, and make one where none is."""
    for key, amount in world.booked.items():
        found = expected.counters.get(key, (0, Decimal(0), None, None, None, Decimal(0), Decimal(0), Decimal(0)))
        expected.counters[key] = (*found[:6], amount, exact_sum([found[5], amount]))


def add_day(expected: Expected, world: World, event: Delivery, quantity: Decimal, found: dict[str, Any]) -> None:
    """Break usage down by the tenant's days and the meter's dimensions; days of two periods add up."""
    dimensions = (found.get("region", ""), found.get("model", "")) if event.metric == "scaled" else ()
    date = event.event_time.astimezone(world.zones[event.tenant][0]).date()
    day = (event.tenant, event.customer, event.metric, date, dimensions)
    count, total = expected.days.get(day, (0, Decimal(0)))
    expected.days[day] = (count + 1, exact_sum([total, quantity]))
