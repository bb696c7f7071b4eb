"""Planted: a delta that reaches Stripe with another value, and usage that somebody else sends to our meter."""

from datetime import timedelta

from altered_in_flight import AlteredInFlight
from small_month import NOW, Month


def test_a_delta_that_grew_in_flight_is_found_on_its_line_at_once(month: Month, in_between: AlteredInFlight) -> None:
    """A hundredth in 34.25 is far below epsilon: what was sent and what arrived are compared exactly."""
    in_between.armed[month.customers["globex"], "minutes"] = "34.26"
    assert month.push().left == {}
    assert in_between.altered == 1
    assert month.findings() == {("globex", "minutes", "break", "foreign writer")}


def test_a_delta_that_shrank_in_flight_may_be_late_and_is_a_break_when_it_stays(
    month: Month, in_between: AlteredInFlight
) -> None:
    in_between.armed[month.customers["globex"], "minutes"] = "34.24"
    assert month.push().left == {}
    waits = {("globex", "minutes", "missing", "Stripe lag")}
    assert month.findings() == waits
    month.clock.at += timedelta(minutes=14)
    assert month.findings() == waits  # the second check, within the lag budget
    month.clock.at += timedelta(minutes=1)
    assert month.findings() == {("globex", "minutes", "break", "Stripe lag")}
    [(checks, first_seen)] = month.connection.execute(
        "select checks, first_seen_at from tally.reconciliation_findings"
    ).fetchall()
    assert (checks, first_seen) == (3, NOW)


def test_a_foreign_meter_event_is_found_on_its_line(month: Month) -> None:
    month.push()
    month.stripe.send(month.customers["initech"], "calls", "1", NOW, "not-one-of-ours")
    assert month.findings() == {("initech", "calls", "break", "foreign writer")}
    assert month.push().attempts == {}  # and it is not papered over by a delta of our own
