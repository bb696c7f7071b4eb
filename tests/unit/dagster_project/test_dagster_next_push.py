"""When Stripe is told: counters moved, intents open, nothing for an hour; and never more often than asked for."""

from datetime import UTC, datetime, timedelta

import pytest

from dagster_project.lib.landed_rows import Wait
from dagster_project.lib.push_due import AT_LEAST_EVERY, RETRY_EVERY, LastPush, PushRequest, PushState, next_push

NOW = datetime(2024, 3, 20, 12, tzinfo=UTC)
A_MINUTE = timedelta(minutes=1)


def last(moved: str | None, ago: timedelta) -> LastPush:
    return LastPush(moved, "b1c2", NOW - ago)


NEVER = LastPush(None, None, None)


def test_the_first_push_is_asked_for_at_once_under_a_name_that_says_what_moved() -> None:
    due = next_push(PushState("700-0-0", True, False), NEVER, NOW, A_MINUTE)
    assert due == PushRequest("push-700-0-0-after-none")


@pytest.mark.parametrize("moved", ["701-0-0", "700-1-0", "700-0-1"], ids=["counted", "decided", "replayed"])
def test_whatever_moves_asks_for_a_push(moved: str) -> None:
    due = next_push(PushState(moved, True, False), last("700-0-0", A_MINUTE), NOW, A_MINUTE)
    assert due == PushRequest(f"push-{moved}-after-b1c2")


def test_pushes_keep_their_distance() -> None:
    due = next_push(PushState("701-0-0", True, False), last("700-0-0", timedelta(seconds=59)), NOW, A_MINUTE)
    assert due == Wait("counters moved since the last push: the next push is due at 12:00:01Z")


def test_nothing_moved_waits_for_the_hour_in_which_a_counter_may_have_become_free() -> None:
    state = PushState("700-0-0", True, False)
    early = next_push(state, last("700-0-0", AT_LEAST_EVERY - A_MINUTE), NOW, A_MINUTE)
    assert isinstance(early, Wait)
    assert early.reason.startswith("no counter moved")
    assert isinstance(next_push(state, last("700-0-0", AT_LEAST_EVERY), NOW, A_MINUTE), PushRequest)


def test_open_intents_are_taken_up_again_sooner_than_that() -> None:
    state = PushState("700-0-0", True, True)
    assert isinstance(next_push(state, last("700-0-0", RETRY_EVERY - A_MINUTE), NOW, A_MINUTE), Wait)
    assert isinstance(next_push(state, last("700-0-0", RETRY_EVERY), NOW, A_MINUTE), PushRequest)


def test_a_push_that_failed_before_it_planned_is_asked_for_again_under_another_key() -> None:
    due = next_push(PushState("700-0-0", True, False), LastPush(None, "d3e4", NOW - A_MINUTE), NOW, A_MINUTE)
    assert due == PushRequest("push-700-0-0-after-d3e4")


def test_without_a_billed_metric_there_is_nothing_to_push() -> None:
    assert next_push(PushState("700-0-0", False, False), NEVER, NOW, A_MINUTE) == Wait(
        "no metric is billed: there is nothing to push"
    )
