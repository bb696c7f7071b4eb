"""What landed rows call for: first tick, nothing new, one new, replay, failed ticks, unknown periods."""

from datetime import UTC, datetime

import pytest

from dagster_project.lib.landed_rows import MOST_ATTEMPTS, Asked, LandedRows, Request, Wait, next_run

LANDED_AT = datetime(2013, 1, 10, tzinfo=UTC)


def landed(newest: int | None, waiting: int = 1, has_undated: bool = False) -> LandedRows:
    if newest is None:
        return LandedRows(701, None, 0, None, False)
    return LandedRows(0, newest, waiting, LANDED_AT, has_undated)


def after(newest: int, ticks: int = 1, syncs: int = 0) -> str:
    return Asked(newest, ticks, syncs).cursor()


def test_the_first_rows_ever_ask_for_a_tick_named_after_them() -> None:
    assert next_run(landed(700), None, None, True) == Request("tick", "tick-700-1", Asked(700, 1))


def test_nothing_new_is_said_to_be_nothing_new() -> None:
    assert next_run(landed(None), after(700), None, True) == Wait("nothing has landed since transaction 701")


def test_one_new_row_asks_for_the_next_tick() -> None:
    assert next_run(landed(702), after(700), None, True) == Request("tick", "tick-702-1", Asked(702, 1))


def test_without_its_cursor_it_asks_for_the_same_run_again() -> None:
    assert next_run(landed(700), None, None, True) == next_run(landed(700), "", None, True)


def test_nothing_is_asked_for_while_a_run_is_under_way() -> None:
    decision = next_run(landed(700, waiting=1_500, has_undated=True), after(650), "b1c2", True)
    assert isinstance(decision, Wait)
    assert "1,500 rows wait" in decision.reason
    assert "b1c2" in decision.reason


def test_rows_that_a_finished_tick_left_uncounted_are_asked_for_again_under_another_run_key() -> None:
    assert next_run(landed(700), after(700), None, True) == Request("tick", "tick-700-2", Asked(700, 2))


def test_after_several_failures_a_person_is_asked_for() -> None:
    decision = next_run(landed(700), after(700, ticks=MOST_ATTEMPTS), None, True)
    assert isinstance(decision, Wait)
    assert "did not count its rows" in decision.reason


def test_new_rows_start_the_count_of_attempts_again() -> None:
    decision = next_run(landed(701), after(700, ticks=MOST_ATTEMPTS), None, True)
    assert decision == Request("tick", "tick-701-1", Asked(701, 1))


def test_an_unknown_billing_period_is_looked_up_before_the_tick_that_would_date_by_it() -> None:
    first = next_run(landed(700, has_undated=True), None, None, True)
    assert first == Request("sync", "sync-700-1", Asked(700, 0, 1))
    # The sync has run: Stripe was asked a moment ago.
    second = next_run(landed(700, has_undated=True), Asked(700, 0, 1).cursor(), None, False)
    assert second == Request("tick", "tick-700-1", Asked(700, 1, 0))


def test_without_a_stripe_key_nothing_is_looked_up() -> None:
    decision = next_run(landed(700, has_undated=True), None, None, False)
    assert isinstance(decision, Request)
    assert decision.job == "tick"


def test_a_stripe_that_does_not_answer_holds_the_counters_up_for_some_attempts_only() -> None:
    """Rows go on landing meanwhile, and no sync succeeds."""
    cursor, jobs = None, []
    for newest in range(700, 700 + MOST_ATTEMPTS + 1):
        decision = next_run(landed(newest, has_undated=True), cursor, None, True)
        assert isinstance(decision, Request)
        cursor = decision.asked.cursor()
        jobs.append(decision.job)
    assert jobs == ["sync"] * MOST_ATTEMPTS + ["tick"]


@pytest.mark.parametrize("cursor", ["700", "{", '{"oldest": 1}', "[]"])
def test_a_cursor_that_nobody_wrote_is_refused(cursor: str) -> None:
    with pytest.raises((ValueError, TypeError)):
        next_run(landed(700), cursor, None, True)
