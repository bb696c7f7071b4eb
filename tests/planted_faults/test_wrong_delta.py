"""Planted: a delta that reaches Stripe with another value, and usage that somebody else sends to our meter."""

import pytest
from altered_in_flight import AlteredInFlight
from small_month import NOW, Month


@pytest.mark.parametrize(
    ("value", "cause"),
    [("34.26", "foreign writer or double count"), ("34.24", "Stripe lags or lost a delta")],
)
def test_a_delta_changed_in_flight_is_found_on_its_line(
    month: Month, in_between: AlteredInFlight, value: str, cause: str
) -> None:
    """A hundredth in 34.25 is far below epsilon: what was sent and what arrived are compared exactly."""
    in_between.armed[month.customers["globex"], "minutes"] = value
    assert month.push().left == {}
    assert in_between.altered == 1
    assert month.findings() == {("globex", "minutes", "break", cause)}


def test_a_foreign_meter_event_is_found_on_its_line(month: Month) -> None:
    month.push()
    month.stripe.send(month.customers["initech"], "calls", "1", NOW, "not-one-of-ours")
    assert month.findings() == {("initech", "calls", "break", "foreign writer or double count")}
    assert month.push().attempts == {}  # and it is not papered over by a delta of our own
