"""Whose word counts when billing periods overlap."""

from datetime import UTC, datetime

import pytest

from tally.customer_periods import KnownPeriod, PeriodConflict, take_over
from tally.periods import Period


def month(number: int, until: int | None = None, day: int = 1) -> Period:
    return Period(datetime(2024, number, day, tzinfo=UTC), datetime(2024, until or number + 1, day, tzinfo=UTC))


def stripes(period: Period) -> KnownPeriod:
    return KnownPeriod(period, is_stripes=True)


def projected(period: Period) -> KnownPeriod:
    return KnownPeriod(period, is_stripes=False)


def test_stripes_word_and_its_projections_are_stored() -> None:
    stored: list[KnownPeriod] = []
    changes = take_over(stored, month(3), [month(2), month(4)])
    assert sorted(stored) == [projected(month(2)), stripes(month(3)), projected(month(4))]
    assert changes.inserted == [stripes(month(3)), projected(month(2)), projected(month(4))]


def test_a_projection_that_came_true_is_confirmed() -> None:
    stored = [stripes(month(3)), projected(month(4))]
    changes = take_over(stored, month(4), [month(3), month(5)])
    assert changes.confirmed == [month(4)]
    assert changes.inserted == [projected(month(5))]
    assert stored == [stripes(month(3)), stripes(month(4)), projected(month(5))]


def test_the_same_again_changes_nothing() -> None:
    stored = [stripes(month(3)), projected(month(4))]
    changes = take_over(stored, month(3), [month(4)])
    assert (changes.confirmed, changes.inserted, changes.deleted) == ([], [], [])


def test_stripes_word_replaces_projections_that_did_not_come_true() -> None:
    stored = [stripes(month(3)), projected(month(4)), projected(month(5))]
    current = Period(month(4).start, month(4, 5, day=15).end)
    changes = take_over(stored, current, [Period(current.end, month(6, day=15).start)])
    assert changes.deleted == [month(4), month(5)]
    assert stored == [stripes(month(3)), stripes(current), projected(Period(current.end, month(6, day=15).start))]


def test_a_new_projection_does_not_replace_what_lies_behind() -> None:
    stored = [projected(month(2)), stripes(month(3))]
    take_over(stored, month(3), [month(1, 2, day=15), Period(month(2).start, month(2, 3, day=1).end)])
    assert stored[:2] == [projected(month(2)), stripes(month(3))]


def test_stripe_contradicting_itself_is_a_conflict_and_changes_nothing() -> None:
    stored = [stripes(month(3)), projected(month(4))]
    with pytest.raises(PeriodConflict, match="2024-03-01T00:00:00Z to 2024-04-01T00:00:00Z"):
        take_over(stored, month(3, 4, day=15), [month(5)])
    assert stored == [stripes(month(3)), projected(month(4))]


def test_a_period_that_its_subscriptions_end_cut_short_ends_there() -> None:
    stored = [stripes(month(3)), projected(month(4))]
    cut = Period(month(3).start, month(3).start + (month(3).end - month(3).start) / 2)
    changes = take_over(stored, cut, [])
    assert (changes.deleted, changes.inserted) == ([month(3)], [stripes(cut)])
    assert stored == [projected(month(4)), stripes(cut)]
