"""What the events of one counter amount to, in exact fractions that are rounded once."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal, localcontext
from fractions import Fraction
from math import ceil
from typing import Any


@dataclass(frozen=True)
class Reading:
    """A counted event: when, in which order, how much, and of whom."""

    event_time: datetime
    landed_at: datetime
    seq: int
    quantity: Decimal
    user: Any = None


def in_order(event: Reading) -> tuple[datetime, datetime, int]:
    return event.event_time, event.landed_at, event.seq


def value_of(metric: str, events: list[Reading]) -> Decimal:
    """The value of every aggregation that needs nothing but the period's own events."""
    quantities = sorted(event.quantity for event in events)
    total = exact_sum(quantities)
    if metric == "count":
        return Decimal(len(events))
    if metric == "unique":
        return Decimal(len({event.user for event in events}))
    if metric == "average":
        return rounded(Fraction(total) / len(quantities))
    if metric == "scaled":
        return rounded(Fraction(total) / 1000)
    if metric == "percentile":
        return quantities[ceil(Fraction(95, 100) * len(quantities)) - 1]
    last = max(events, key=in_order).quantity
    return {"sum": total, "min": quantities[0], "max": quantities[-1], "last": last}[metric]


def gauge_value(held: Decimal, start: datetime, end: datetime, readings: list[Reading]) -> Decimal:
    """Quantity times hours over the period: each reading until the next, the first from what was `held` before."""
    total, holds, since = Fraction(0), Fraction(held), start
    for reading in sorted(readings, key=in_order):
        total += holds * hours(reading.event_time - since)
        holds, since = Fraction(reading.quantity), reading.event_time
    return rounded(total + holds * hours(end - since))


def hours(span: timedelta) -> Fraction:
    return Fraction(span // timedelta(microseconds=1), 3_600_000_000)


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
