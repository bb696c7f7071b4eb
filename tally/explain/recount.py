"""A counter worked out again from its events, one at a time and in plain Python: no SQL of the ledger takes part."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal, Inexact
from fractions import Fraction
from math import ceil
from typing import Literal

from tally.periods import Period

Aggregation = Literal["count", "sum", "min", "max", "last", "unique", "average", "percentile", "time_weighted_sum"]
# As many digits as an exact sum needs, or an error: never a rounded one.
EXACT = Context(prec=2000, traps=[Inexact])
_DIVIDING = Context(prec=2000)
_TIME_UNITS = {
    "second": timedelta(seconds=1),
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
}


@dataclass(frozen=True)
class Definition:
    """How a meter counts. `unit` is only a name; `property`, `filter` and `dimensions` have done their work before."""

    aggregation: Aggregation
    unit: str | None
    property: str | None
    percentile: Decimal | None
    time_unit: str | None
    divide_by: Decimal
    filter: dict[str, list[str]]
    dimensions: list[str]
    lateness_window: timedelta


class Recount:
    """What counted events come to. `opening` is what a gauge held when the period began.

    Events are added in the order of (event_time, landed_at, seq).
    """

    def __init__(self, definition: Definition, period: Period, opening: Decimal = Decimal(0)) -> None:
        self._definition = definition
        self._period = period
        self._since, self._holds = period.start, opening
        self._held = Decimal(0)
        self._values: Counter[Decimal | str | None] = Counter()
        self.event_count = 0
        self.quantity_sum = Decimal(0)
        self.quantity_min: Decimal | None = None
        self.quantity_max: Decimal | None = None
        self.last_quantity: Decimal | None = None

    def add(self, event_time: datetime, quantity: Decimal, member: str | None = None) -> None:
        """Count one event; `member` is what a unique metric tells apart."""
        self.event_count += 1
        self.quantity_sum = EXACT.add(self.quantity_sum, quantity)
        self.quantity_min = quantity if self.quantity_min is None else min(self.quantity_min, quantity)
        self.quantity_max = quantity if self.quantity_max is None else max(self.quantity_max, quantity)
        self.last_quantity = quantity
        if self._definition.aggregation == "time_weighted_sum":
            self._hold_until(event_time)
            self._holds = quantity
        elif self._definition.aggregation == "unique":
            self._values[member] += 1
        elif self._definition.aggregation == "percentile":
            self._values[quantity] += 1

    def event_value(self) -> Decimal:
        """What the events are worth in the meter's unit, before adjustments; 0 when there are none."""
        aggregation, divide_by = self._definition.aggregation, Fraction(self._definition.divide_by)
        if aggregation == "time_weighted_sum":
            self._hold_until(self._period.end)
            unit = _microseconds(_TIME_UNITS[self._definition.time_unit or ""])
            return billable(Fraction(self._held) / (divide_by * unit))
        if not self.event_count:
            return Decimal(0)
        if aggregation == "average":
            return billable(Fraction(self.quantity_sum) / (self.event_count * divide_by))
        aggregate = self._aggregate()
        return aggregate if divide_by == 1 else billable(Fraction(aggregate) / divide_by)

    def _aggregate(self) -> Decimal:
        found = {
            "count": Decimal(self.event_count),
            "sum": self.quantity_sum,
            "min": self.quantity_min,
            "max": self.quantity_max,
            "last": self.last_quantity,
            "unique": Decimal(len(self._values)),
        }
        aggregate = found.get(self._definition.aggregation)
        return self._nearest_rank() if aggregate is None else aggregate

    def _nearest_rank(self) -> Decimal:
        """The smallest quantity that the meter's share of the events does not exceed."""
        left = ceil(Fraction(self._definition.percentile or 1) * self.event_count)
        for quantity in sorted(value for value in self._values if isinstance(value, Decimal)):
            left -= self._values[quantity]
            if left <= 0:
                return quantity
        raise AssertionError("a percentile is at most 1")

    def _hold_until(self, moment: datetime) -> None:
        held = EXACT.multiply(self._holds, Decimal(_microseconds(moment - self._since)))
        self._held = EXACT.add(self._held, held)
        self._since = moment


def billable(exact: Fraction) -> Decimal:
    """Rounded once, half away from zero, to 12 decimals and 15 digits: what Stripe can carry."""
    decimals = max(0, min(12, 15 - len(str(abs(exact.numerator) // exact.denominator))))
    quotient = _DIVIDING.divide(Decimal(exact.numerator), Decimal(exact.denominator))
    return quotient.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP, _DIVIDING)


def _microseconds(span: timedelta) -> int:
    return span // timedelta(microseconds=1)
