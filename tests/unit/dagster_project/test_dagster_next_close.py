"""When periods are closed: at once when one ends, every few minutes while something is open, else once a day."""

from datetime import UTC, datetime, timedelta

import pytest

from dagster_project.lib.landed_rows import Wait
from dagster_project.lib.next_close import AT_LEAST_EVERY, EVERY, next_close
from tally.closing import Due

NOW = datetime(2024, 4, 1, 9, tzinfo=UTC)
ENDED = datetime(2024, 4, 1, 8, 30, 15, tzinfo=UTC)
A_SECOND = timedelta(seconds=1)


def test_a_period_that_has_just_ended_waits_for_nothing() -> None:
    due = Due(ENDED, "a period ended")
    assert next_close(due, None, None, NOW) == ENDED.isoformat()
    assert next_close(due, (ENDED - timedelta(days=1)).isoformat(), NOW - A_SECOND, NOW) == ENDED.isoformat()


@pytest.mark.parametrize(
    ("due", "rest"),
    [(Due(ENDED, "a period ended"), EVERY), (Due(None, "a draft is held"), EVERY), (Due(None, None), AT_LEAST_EVERY)],
)
def test_the_same_end_is_looked_at_again_at_its_distance(due: Due, rest: timedelta) -> None:
    cursor = ENDED.isoformat()
    assert isinstance(next_close(due, cursor, NOW - rest + A_SECOND, NOW), Wait)
    assert next_close(due, cursor, NOW - rest, NOW) == cursor
