"""A tenant `acme` with a meter of every aggregation, two months of usage of which some lands too late, and what each
counter is worth by hand: plain Python over lists of events, with fractions instead of the ledger's SQL."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction
from typing import Any

import psycopg

TENANT = "acme"
JANUARY = (datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC))
FEBRUARY = (datetime(2024, 2, 1, tzinfo=UTC), datetime(2024, 3, 1, tzinfo=UTC))
WINDOW = timedelta(hours=48)
IN_TIME = timedelta(hours=1)
# When both months take no events any more, and a little later: the time of the tests.
LATE_AT = datetime(2024, 3, 10, tzinfo=UTC)
NOW = datetime(2024, 3, 12, 9, tzinfo=UTC)


@dataclass(frozen=True)
class MeterRow:
    """A meter's counting definition."""

    metric: str
    aggregation: str
    divide_by: str = "1"
    property: str | None = None
    percentile: str | None = None
    time_unit: str | None = None


METERS = {
    meter.metric: meter
    for meter in (
        MeterRow("count", "count"),
        MeterRow("sum", "sum"),
        MeterRow("sevenths", "sum", divide_by="7"),
        MeterRow("min", "min"),
        MeterRow("max", "max"),
        MeterRow("last", "last"),
        MeterRow("average", "average"),
        MeterRow("unique", "unique", property="member"),
        MeterRow("percentile", "percentile", percentile="0.9"),
        MeterRow("gauge", "time_weighted_sum", time_unit="hour"),
        MeterRow("gauge_thirds", "time_weighted_sum", divide_by="3", time_unit="day"),
    )
}


@dataclass(frozen=True)
class Usage:
    """An event that lands; `seq` orders what happens and lands at one moment."""

    key: str
    metric: str
    event_time: datetime
    landed_at: datetime
    quantity: Decimal = Decimal(1)
    member: str = "a"
    customer: str = "globex"
    seq: int | None = None


def declare(connection: psycopg.Connection[Any]) -> None:
    """The tenant in UTC by calendar months, its meters, and the time."""
    connection.execute("insert into tally.tenants (tenant_id, name) values (%s, 'Acme')", (TENANT,))
    for meter in METERS.values():
        connection.execute(
            "insert into tally.meters (tenant_id, metric, aggregation, divide_by, property, percentile, time_unit)"
            " values (%s, %s, %s, %s, %s, %s, %s)",
            (TENANT, meter.metric, meter.aggregation, meter.divide_by, meter.property, meter.percentile,
             meter.time_unit),
        )  # fmt: skip
    connection.execute("insert into tally.simulated_clock (now) values (%s)", (NOW,))


def land(connection: psycopg.Connection[Any], events: Iterable[Usage]) -> None:
    """Land the events in the connection's transaction."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into raw.usage_events (tenant_id, idempotency_key, customer_ref, metric, quantity, event_time,"
            " properties, landed_at, seq) values (%s, %s, %s, %s, %s, %s, %s, %s,"
            " coalesce(%s, nextval('raw.usage_events_seq')))",
            [
                (TENANT, event.key, event.customer, event.metric, event.quantity, event.event_time,
                 f'{{"member": "{event.member}"}}', event.landed_at, event.seq)
                for event in events
            ],
        )  # fmt: skip


def worth(metric: str, events: Sequence[Usage], period: tuple[datetime, datetime], opening: Decimal) -> Decimal:
    """What a counter over these events is worth; `opening` is what a gauge held when the period began."""
    meter = METERS[metric]
    ordered = sorted(events, key=lambda event: (event.event_time, event.landed_at, event.seq or 0))
    quantities = [event.quantity for event in ordered]
    if meter.aggregation == "time_weighted_sum":
        unit = {"hour": timedelta(hours=1), "day": timedelta(days=1)}[meter.time_unit or ""]
        return _billable(_held(ordered, period, opening), _microseconds(unit) * Fraction(meter.divide_by))
    if not events:
        return Decimal(0)
    ranked = sorted(quantities)
    aggregates = {
        "count": Fraction(len(events)),
        "sum": Fraction(sum(map(Fraction, quantities), Fraction(0))),
        "min": Fraction(min(quantities)),
        "max": Fraction(max(quantities)),
        "last": Fraction(quantities[-1]),
        "average": sum(map(Fraction, quantities), Fraction(0)) / len(quantities),
        "unique": Fraction(len({event.member for event in events})),
        "percentile": Fraction(
            next(
                value
                for value in ranked
                if sum(other <= value for other in ranked) >= Fraction(meter.percentile or 1) * len(ranked)
            )
        ),
    }
    aggregate = aggregates[meter.aggregation]
    if meter.aggregation != "average" and meter.divide_by == "1":
        with localcontext(prec=200):  # nothing is divided, so nothing is rounded
            return Decimal(aggregate.numerator) / Decimal(aggregate.denominator)
    return _billable(aggregate, Fraction(meter.divide_by))


def _held(ordered: Sequence[Usage], period: tuple[datetime, datetime], opening: Decimal) -> Fraction:
    """Quantity times microseconds, walked from one reading to the next."""
    total, since, held = Fraction(0), period[0], Fraction(opening)
    for event in ordered:
        total += held * _microseconds(event.event_time - since)
        since, held = event.event_time, Fraction(event.quantity)
    return total + held * _microseconds(period[1] - since)


def _microseconds(span: timedelta) -> int:
    return span // timedelta(microseconds=1)


def _billable(numerator: Fraction, denominator: Fraction | int) -> Decimal:
    """The quotient rounded once, half away from zero, to 12 decimals and 15 digits."""
    exact = numerator / denominator
    with localcontext(prec=200):
        whole = len(str(abs(exact.numerator) // exact.denominator))
        decimals = max(0, min(12, 15 - whole))
        scaled = exact * 10**decimals
        # A fraction is exact; a Decimal of 200 digits is further from a half than any two of these.
        rounded = (Decimal(scaled.numerator) / Decimal(scaled.denominator)).quantize(Decimal(1), ROUND_HALF_UP)
        return rounded.scaleb(-decimals)
