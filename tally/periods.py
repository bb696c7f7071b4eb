"""Billing periods `[start, end)`: anchored ones as Stripe cuts them, and calendar months in a time zone. No I/O."""

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, cast, get_args
from zoneinfo import ZoneInfo

Interval = Literal["day", "week", "month", "year"]

_MINUTE = timedelta(minutes=1)
_FIXED = {"day": timedelta(days=1), "week": timedelta(weeks=1)}
_MONTHS = {"month": 1, "year": 12}


@dataclass(frozen=True, order=True)
class Period:
    """From `start` up to, not including, `end`; both UTC.

    Raises:
        ValueError: a time without a zone, or an end that is not after the start.
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.utcoffset() is None or self.end.utcoffset() is None:
            raise ValueError("a period needs times with a zone")
        if self.end <= self.start:
            raise ValueError(f"a period must end after it starts: {self.start} to {self.end}")

    def __contains__(self, moment: datetime) -> bool:
        return self.start <= moment < self.end

    def overlaps(self, other: "Period") -> bool:
        """Whether a moment lies in both."""
        return self.start < other.end and other.start < self.end


@dataclass(frozen=True)
class Cycle:
    """How a subscription's periods repeat: `count` intervals from `anchor` (UTC, to the second) on.

    Months are counted from the anchor itself, so an anchor on the 31st gives 28 February and then 31 March again.

    Raises:
        ValueError: an unknown interval, a count below one, an anchor without a zone.
    """

    anchor: datetime
    interval: Interval = "month"
    count: int = 1

    def __post_init__(self) -> None:
        if self.interval not in get_args(Interval) or self.count < 1 or self.anchor.utcoffset() is None:
            raise ValueError(f"no cycle of {self.count} {self.interval} from {self.anchor}")

    def boundary(self, number: int) -> datetime:
        """The `number`-th period's start; 0 is the anchor, negative numbers lie before it."""
        anchor = self.anchor.astimezone(UTC)
        if self.interval in _FIXED:
            return anchor + number * self.count * _FIXED[self.interval]
        months = anchor.year * 12 + anchor.month - 1 + number * self.count * _MONTHS[self.interval]
        year, month = months // 12, months % 12 + 1
        return anchor.replace(year=year, month=month, day=min(anchor.day, monthrange(year, month)[1]))

    def number_at(self, moment: datetime) -> int:
        """The number of the period that `moment` falls in."""
        anchor, at = self.anchor.astimezone(UTC), moment.astimezone(UTC)
        if self.interval in _FIXED:
            return (at - anchor) // (self.count * _FIXED[self.interval])
        months = (at.year - anchor.year) * 12 + at.month - anchor.month
        number = months // (self.count * _MONTHS[self.interval])
        return number if self.boundary(number) <= at else number - 1

    def period(self, number: int) -> Period:
        """The `number`-th period."""
        return Period(self.boundary(number), self.boundary(number + 1))

    def period_at(self, moment: datetime) -> Period:
        """The period that `moment` falls in."""
        return self.period(self.number_at(moment))

    def starts_at(self, moment: datetime) -> bool:
        """Whether one of the periods starts exactly then."""
        return self.boundary(self.number_at(moment)) == moment


def cycle(anchor: datetime, interval: str, count: int) -> Cycle:
    """A cycle from Stripe's words for it. Raises ValueError for an interval nobody knows."""
    return Cycle(anchor, cast(Interval, interval), count)


def periods_of(current: Period, repeats: Cycle, started_at: datetime, ahead: int) -> Iterator[Period]:
    """The periods around Stripe's `current` one that can be computed: back to `started_at`, and `ahead` more.

    Yields periods that neither overlap each other nor `current`. Before the anchor lies at most one stub or trial,
    `[started_at, anchor)`; where `current` does not lie on the cycle's grid, nothing is guessed on that side.
    """
    if repeats.starts_at(current.start):
        number = repeats.number_at(current.start) - 1
        while number >= 0 and repeats.boundary(number + 1) > started_at:
            yield Period(max(repeats.boundary(number), started_at), repeats.boundary(number + 1))
            number -= 1
        if started_at < repeats.anchor <= current.start:
            yield Period(started_at, repeats.anchor.astimezone(UTC))
    if repeats.starts_at(current.end):
        first = repeats.number_at(current.end)
        yield from (repeats.period(number) for number in range(first, first + ahead))


def calendar_month(moment: datetime, time_zone: str) -> Period:
    """The calendar month that `moment` falls in, cut in an IANA zone; 23 or 25 hour days make it shorter or longer."""
    zone = ZoneInfo(time_zone)
    local = moment.astimezone(zone)
    start = datetime(local.year, local.month, 1, tzinfo=zone)
    end = datetime(local.year + local.month // 12, local.month % 12 + 1, 1, tzinfo=zone)
    return Period(start.astimezone(UTC), end.astimezone(UTC))


def minute_window(period: Period) -> Period | None:
    """The whole minutes inside a period, all that a Stripe summary can be asked for; None when there are none."""
    start = floor_minute(period.start + _MINUTE - timedelta(microseconds=1))
    end = floor_minute(period.end)
    return Period(start, end) if start < end else None


def floor_minute(moment: datetime) -> datetime:
    """The start of the minute that `moment` falls in."""
    return moment.replace(second=0, microsecond=0)
