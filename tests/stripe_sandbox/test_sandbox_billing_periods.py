"""Anchored periods against an oracle that walks the calendar day by day."""

import calendar
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripe_sandbox.billing_periods import BillingCycle, anchor_on

moments = st.integers(min_value=946684800, max_value=2524608000)  # 2000 to 2050, any second


def stamp(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("anchor", "moment", "start", "end"),
    [
        (stamp(2013, 1, 1, 5), stamp(2013, 1, 1, 5), stamp(2013, 1, 1, 5), stamp(2013, 2, 1, 5)),
        (stamp(2013, 1, 1, 5), stamp(2013, 2, 1, 4, 59, 59), stamp(2013, 1, 1, 5), stamp(2013, 2, 1, 5)),
        (stamp(2013, 1, 31, 7, 8, 9), stamp(2013, 2, 10), stamp(2013, 1, 31, 7, 8, 9), stamp(2013, 2, 28, 7, 8, 9)),
        (stamp(2013, 1, 31, 7, 8, 9), stamp(2013, 3, 1), stamp(2013, 2, 28, 7, 8, 9), stamp(2013, 3, 31, 7, 8, 9)),
        (stamp(2012, 1, 30), stamp(2012, 2, 29), stamp(2012, 2, 29), stamp(2012, 3, 30)),
        (stamp(2013, 1, 15), stamp(2012, 12, 31), stamp(2012, 12, 15), stamp(2013, 1, 15)),
    ],
)
def test_known_months(anchor: int, moment: int, start: int, end: int) -> None:
    assert BillingCycle(anchor, "month").period_at(moment) == (start, end)


def test_a_leap_day_comes_back_every_fourth_year() -> None:
    cycle = BillingCycle(stamp(2012, 2, 29, 12), "year")
    assert [cycle.boundary(year) for year in (1, 4)] == [stamp(2013, 2, 28, 12), stamp(2016, 2, 29, 12)]


def day_walked_boundaries(anchor: int, months: int, since: int, until: int) -> list[int]:
    """Every boundary in a stretch of time: walk over the days, take those whose turn it is."""
    first = datetime.fromtimestamp(anchor, UTC)
    day, found = datetime.fromtimestamp(since, UTC).replace(hour=0, minute=0, second=0) - timedelta(days=1), []
    while day.timestamp() <= until + 86400:
        distance = (day.year - first.year) * 12 + day.month - first.month
        last_of_month = calendar.monthrange(day.year, day.month)[1]
        if distance % months == 0 and day.day == min(first.day, last_of_month):
            found.append(int(day.replace(hour=first.hour, minute=first.minute, second=first.second).timestamp()))
        day += timedelta(days=1)
    return found


@given(anchor=moments, moment=moments, interval=st.sampled_from([("month", 1), ("month", 3), ("year", 12)]))
def test_months_and_years_agree_with_a_walk_over_the_days(anchor: int, moment: int, interval: tuple[str, int]) -> None:
    name, months = interval
    cycle = BillingCycle(anchor, name, months if name == "month" else 1)
    start, end = cycle.period_at(moment)
    assert start <= moment < end
    assert [each for each in day_walked_boundaries(anchor, months, start, end) if start <= each <= end] == [start, end]


@given(anchor=moments, moment=moments, interval=st.sampled_from(["day", "week"]), count=st.integers(1, 40))
def test_days_and_weeks_are_plain_seconds(anchor: int, moment: int, interval: str, count: int) -> None:
    length = {"day": 86400, "week": 604800}[interval] * count
    start, end = BillingCycle(anchor, interval, count).period_at(moment)
    assert start <= moment < end
    assert end - start == length
    assert (start - anchor) % length == 0


@given(
    anchor=moments, moment=moments, count=st.integers(1, 5), interval=st.sampled_from(["day", "week", "month", "year"])
)
def test_periods_join_without_gap_or_overlap(anchor: int, moment: int, count: int, interval: str) -> None:
    cycle = BillingCycle(anchor, interval, count)
    start, end = cycle.period_at(moment)
    assert cycle.period_at(end)[0] == end
    assert cycle.period_at(start - 1)[1] == start


@given(now=moments, day=st.integers(1, 31), hour=st.integers(0, 23), minute=st.integers(0, 59))
def test_an_anchor_by_day_is_the_next_such_moment(now: int, day: int, hour: int, minute: int) -> None:
    anchor = anchor_on(now, day, hour, minute, 0)
    assert 0 <= anchor - now <= 31 * 86400
    there = datetime.fromtimestamp(anchor, UTC)
    last = calendar.monthrange(there.year, there.month)[1]
    assert (there.day, there.hour, there.minute, there.second) == (min(day, last), hour, minute, 0)
    in_between = (datetime.fromtimestamp(now + 60 * step, UTC) for step in range(0, (anchor - now) // 60, 1440))
    assert all((each.day, each.month) != (there.day, there.month) or each < there for each in in_between)
