"""Anchored billing periods, exact to the second and in UTC. Pure arithmetic.

Every boundary is computed from the anchor, never from the boundary before it: an anchor on the 31st gives the last day
of a shorter month and the 31st again after it.
"""

import calendar
from dataclasses import dataclass
from datetime import UTC, datetime

SECONDS = {"day": 24 * 3600, "week": 7 * 24 * 3600}
MONTHS = {"month": 1, "year": 12}


@dataclass(frozen=True)
class BillingCycle:
    anchor: int
    interval: str
    interval_count: int = 1
    # Set when the anchor was given as a day of the month that the anchor's own month may not have.
    day_of_month: int | None = None

    def boundary(self, index: int) -> int:
        """The anchor moved by `index` intervals, forwards or backwards."""
        steps = index * self.interval_count
        if self.interval in SECONDS:
            return self.anchor + steps * SECONDS[self.interval]
        return add_months(self.anchor, steps * MONTHS[self.interval], self.day_of_month)

    def period_at(self, moment: int) -> tuple[int, int]:
        """The period [start, end) that holds a moment."""
        index = self._guess(moment)
        while self.boundary(index) > moment:
            index -= 1
        while self.boundary(index + 1) <= moment:
            index += 1
        return self.boundary(index), self.boundary(index + 1)

    def _guess(self, moment: int) -> int:
        length = SECONDS.get(self.interval) or 31 * SECONDS["day"] * MONTHS[self.interval]
        return (moment - self.anchor) // (length * self.interval_count)


def add_months(timestamp: int, months: int, day_of_month: int | None = None) -> int:
    start = datetime.fromtimestamp(timestamp, UTC)
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    last_day = calendar.monthrange(year, month + 1)[1]
    day = min(day_of_month or start.day, last_day)
    return int(start.replace(year=year, month=month + 1, day=day).timestamp())


def after_intervals(moment: int, interval: str, count: int) -> int:
    """A moment moved by so many intervals, as if it were an anchor."""
    return BillingCycle(moment, interval).boundary(count)


def anchor_on(now: int, day_of_month: int, hour: int | None, minute: int | None, second: int | None) -> int:
    """The next moment, now included, on that day of the month; the parts of the hour not given are now's own."""
    today = datetime.fromtimestamp(now, UTC)
    first = today.replace(
        day=1,
        hour=today.hour if hour is None else hour,
        minute=today.minute if minute is None else minute,
        second=today.second if second is None else second,
    )
    candidate = add_months(int(first.timestamp()), 0, day_of_month)
    return candidate if candidate >= now else add_months(int(first.timestamp()), 1, day_of_month)
