"""Periods against a slow oracle that walks the calendar day by day."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tally.periods import Cycle, Interval, Period, calendar_month, minute_window, periods_of

moments = st.integers(788_918_400, 2_398_291_200).map(lambda second: datetime.fromtimestamp(second, UTC))  # 1995-2045
intervals: st.SearchStrategy[Interval] = st.sampled_from(["day", "week", "month", "year"])
cycles = st.builds(Cycle, moments, intervals, st.integers(1, 6))


def months_later(anchor: datetime, months: int) -> datetime:
    """The anchor's day in the month `months` away; walks back from day 31 to a day that exists."""
    year, month = divmod(anchor.year * 12 + anchor.month - 1 + months, 12)
    for day in range(anchor.day, 0, -1):
        try:
            return anchor.replace(year=year, month=month + 1, day=day)
        except ValueError:
            continue
    raise AssertionError("every month has a first day")


@given(cycles, st.integers(-40, 40))
def test_boundaries_are_the_anchor_moved_by_whole_intervals(cycle: Cycle, number: int) -> None:
    steps = number * cycle.count
    expected = {
        "day": lambda: cycle.anchor + timedelta(days=steps),
        "week": lambda: cycle.anchor + timedelta(days=7 * steps),
        "month": lambda: months_later(cycle.anchor, steps),
        "year": lambda: months_later(cycle.anchor, 12 * steps),
    }[cycle.interval]()
    assert cycle.boundary(number) == expected


@given(cycles, moments)
def test_every_moment_lies_in_exactly_the_period_of_its_number(cycle: Cycle, moment: datetime) -> None:
    number = cycle.number_at(moment)
    assert moment in cycle.period(number)
    assert moment not in cycle.period(number - 1)
    assert moment not in cycle.period(number + 1)


@given(cycles, moments)
def test_a_boundary_starts_a_period_and_the_second_before_it_does_not(cycle: Cycle, moment: datetime) -> None:
    start = cycle.period_at(moment).start
    assert cycle.starts_at(start)
    assert not cycle.starts_at(start - timedelta(seconds=1))


def test_an_anchor_on_the_31st_clips_to_the_month_end_and_comes_back() -> None:
    cycle = Cycle(datetime(2023, 12, 31, 10, 30, 7, tzinfo=UTC))
    days = [(cycle.boundary(number).month, cycle.boundary(number).day) for number in range(6)]
    assert days == [(12, 31), (1, 31), (2, 29), (3, 31), (4, 30), (5, 31)]
    assert cycle.boundary(2).time() == cycle.anchor.time()


@given(cycles, moments, st.integers(0, 5), st.integers(0, 4))
def test_computed_periods_tile_the_time_from_the_start_on(
    cycle: Cycle, moment: datetime, back: int, ahead: int
) -> None:
    number = max(cycle.number_at(moment), 0)
    current = cycle.period(number)
    started_at = cycle.boundary(max(number - back, 0))
    periods = sorted([current, *periods_of(current, cycle, started_at, ahead)])
    assert periods[0].start == started_at
    assert periods[-1].end == cycle.boundary(number + 1 + ahead)
    assert all(earlier.end == later.start for earlier, later in pairwise(periods))


def test_a_stub_before_the_anchor_is_one_period() -> None:
    cycle = Cycle(datetime(2024, 3, 1, tzinfo=UTC))
    started_at = datetime(2024, 2, 12, 8, 15, 1, tzinfo=UTC)
    periods = sorted(periods_of(cycle.period(1), cycle, started_at, 0))
    assert periods == [Period(started_at, cycle.anchor), cycle.period(0)]


def test_nothing_is_guessed_around_a_period_off_the_grid() -> None:
    cycle = Cycle(datetime(2024, 3, 1, tzinfo=UTC))
    odd = Period(datetime(2024, 3, 5, tzinfo=UTC), datetime(2024, 3, 19, tzinfo=UTC))
    assert list(periods_of(odd, cycle, datetime(2024, 1, 1, tzinfo=UTC), 2)) == []


@pytest.mark.parametrize(
    ("moment", "zone", "start", "end"),
    [
        ("2013-01-01T04:59:59Z", "America/New_York", "2012-12-01T05:00:00Z", "2013-01-01T05:00:00Z"),
        ("2013-01-01T05:00:00Z", "America/New_York", "2013-01-01T05:00:00Z", "2013-02-01T05:00:00Z"),
        ("2013-03-15T00:00:00Z", "America/New_York", "2013-03-01T05:00:00Z", "2013-04-01T04:00:00Z"),
        ("2013-12-31T23:30:00Z", "Asia/Kathmandu", "2013-12-31T18:15:00Z", "2014-01-31T18:15:00Z"),
        ("2024-02-29T23:59:59Z", "UTC", "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z"),
    ],
)
def test_calendar_months_are_cut_in_the_zone(moment: str, zone: str, start: str, end: str) -> None:
    period = calendar_month(datetime.fromisoformat(moment), zone)
    assert period == Period(datetime.fromisoformat(start), datetime.fromisoformat(end))


@given(moments, st.sampled_from(["UTC", "America/New_York", "Asia/Kathmandu", "Pacific/Apia", "Europe/Dublin"]))
def test_calendar_months_hold_their_moment_and_touch(moment: datetime, zone: str) -> None:
    month = calendar_month(moment, zone)
    assert moment in month
    assert calendar_month(month.end, zone).start == month.end
    assert calendar_month(month.start - timedelta(seconds=1), zone).end == month.start


@given(moments, st.integers(1, 100_000))
def test_the_minute_window_is_the_largest_aligned_one_inside(start: datetime, seconds: int) -> None:
    period = Period(start, start + timedelta(seconds=seconds))
    minutes = [
        minute
        for step in range(seconds // 60 + 2)
        if (minute := start.replace(second=0) + timedelta(minutes=step)) >= period.start and minute <= period.end
    ]
    window = minute_window(period)
    if len(minutes) < 2:
        assert window is None
    else:
        assert window == Period(minutes[0], minutes[-1])


@pytest.mark.parametrize("end", [datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 2)])  # noqa: DTZ001
def test_a_period_must_end_after_its_start_and_know_its_zone(end: datetime) -> None:
    with pytest.raises(ValueError, match="period"):
        Period(datetime(2024, 1, 1, tzinfo=UTC), end)


def test_an_unknown_interval_is_refused() -> None:
    with pytest.raises(ValueError, match="fortnight"):
        Cycle(datetime(2024, 1, 1, tzinfo=UTC), "fortnight")  # type: ignore[arg-type]
