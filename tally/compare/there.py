"""Their side: the rows of an export added up to our periods, as each metric's aggregation allows."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal, localcontext

from tally.compare.dating import Calendar
from tally.compare.here import Key, Tenant
from tally.compare.rows import Usage
from tally.periods import Period

ADDITIVE = ("count", "sum", "time_weighted_sum")
_EXACT = 200


@dataclass(frozen=True)
class Theirs:
    """What an export says of one customer, metric and period.

    `[starts, ends)` is what its rows span, the period itself where they name no smaller span. `outside` counts rows
    that reach beyond the period; `fault` says why the rows do not make one quantity. `places`: most decimals of a row.
    """

    period: Period
    quantity: Decimal
    rows: int
    first_row: int
    starts: datetime
    ends: datetime
    outside: int
    places: int
    amount: Decimal | None
    currency: str | None
    latest: datetime
    fault: str | None = None


def added_up(usages: Iterable[Usage], calendar: Calendar, tenant: Tenant) -> dict[Key, Theirs]:
    """By customer, metric and period start. Every row is in exactly one."""
    found: dict[Key, Theirs] = {}
    with localcontext(prec=_EXACT):
        for usage in usages:
            theirs = _dated(usage, calendar)
            key = (usage.customer, usage.metric, theirs.period.start)
            meter = tenant.meters.get(usage.metric)
            known = found.get(key)
            found[key] = _merged(known, theirs, meter.aggregation if meter else "sum") if known else theirs
    return found


def _dated(usage: Usage, calendar: Calendar) -> Theirs:
    period = calendar.period_of(usage)
    fault = None
    if period is None:
        period = Period(usage.start, max(usage.end, usage.start.replace(microsecond=1)))
        fault = f"several periods start in {usage.month:%Y-%m}: name each row's start and end"
    # Moments do not say what they cover.
    whole = usage.is_period or usage.start == usage.end
    starts, ends = (period.start, period.end) if whole else (usage.start, usage.end)
    exponent = usage.quantity.normalize().as_tuple().exponent
    assert isinstance(exponent, int)
    return Theirs(
        period, usage.quantity, 1, usage.number, starts, ends, int(starts < period.start or ends > period.end),
        max(-exponent, 0), usage.amount, usage.currency, usage.start, fault,
    )  # fmt: skip


def _merged(known: Theirs, new: Theirs, aggregation: str) -> Theirs:
    quantity, fault = _quantities(known, new, aggregation)
    if known.currency != new.currency:
        fault = fault or f"its rows are in {known.currency} and {new.currency}"
    return replace(
        known,
        quantity=quantity,
        rows=known.rows + 1,
        starts=min(known.starts, new.starts),
        ends=max(known.ends, new.ends),
        outside=known.outside + new.outside,
        places=max(known.places, new.places),
        amount=None if known.amount is None or new.amount is None else known.amount + new.amount,
        latest=max(known.latest, new.latest),
        fault=known.fault or new.fault or fault,
    )


def _quantities(known: Theirs, new: Theirs, aggregation: str) -> tuple[Decimal, str | None]:
    if aggregation in ADDITIVE:
        return known.quantity + new.quantity, None
    if aggregation == "max":
        return max(known.quantity, new.quantity), None
    if aggregation == "min":
        return min(known.quantity, new.quantity), None
    if aggregation == "last":
        same = known.latest == new.latest and known.quantity != new.quantity
        fault = f"rows {known.first_row} and {new.first_row} are both the last one" if same else None
        return (new if new.latest >= known.latest else known).quantity, fault
    return new.quantity, f"{aggregation} of parts of a period does not add up: give one row a period"
