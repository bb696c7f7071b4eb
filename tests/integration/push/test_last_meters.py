"""A Stripe meter that takes the last value is sent whole values, each later than the one before; a count is refused."""

from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from push_billing import END, NOW, START, TENANT, Billing

from tally.configuration import Configuration, difference
from tally.errors import ConfigurationError
from tally.stripe.sync import sync_subscriptions


@pytest.fixture
def seats(billing: Billing) -> Billing:
    """A customer who subscribes to a meter of formula last, which the metric `seats` is mapped to."""
    billing.stripe.meter("seats", "last")
    test_clock = billing.stripe.test_clock(START)
    billing.customers["hooli"] = billing.stripe.customer("hooli", test_clock)
    billing.stripe.subscribe(billing.customers["hooli"], "seats")
    billing.stripe.advance(test_clock, NOW)
    billing.connection.execute(
        "insert into tally.meters (tenant_id, metric, aggregation) values ('acme', 'seats', 'last')"
    )
    billing.connection.execute(
        "insert into tally.price_mappings (tenant_id, metric, event_name) values ('acme', 'seats', 'seats')"
    )
    sync_subscriptions(billing.connection, billing.account, TENANT, billing.clock)
    return billing


def values_sent(billing: Billing) -> list[tuple[str, int]]:
    """Value and timestamp of what was counted, in order of receipt."""
    events = billing.stripe.control.get("/_sandbox/oracle/meter_events").json()["data"]
    arrivals = [arrival for event in events for arrival in event["arrivals"] if arrival["outcome"] == "applied"]
    arrivals.sort(key=lambda arrival: arrival["received_at"])
    return [(arrival["value"], arrival["timestamp"]) for arrival in arrivals]


def stripes_total(billing: Billing, ref: str = "hooli") -> float:
    billing.stripe.until_applied()
    minute = {"start_time": _minute(START) + 60, "end_time": _minute(END)}
    page = billing.stripe.client.v1.billing.meters.event_summaries.list(
        billing.stripe.meters["seats"], {"customer": billing.customers[ref], **minute}
    )
    return page.data[0].aggregated_value


def _minute(moment: datetime) -> int:
    return int(moment.replace(second=0).timestamp())


def test_whole_values_with_rising_times_and_nothing_when_unchanged(seats: Billing) -> None:
    for value in ("5", "5", "8", "3"):
        seats.count("hooli", "seats", value, at=NOW - timedelta(hours=1))  # the same last event each time
        seats.push()
    sent = values_sent(seats)
    assert [value for value, _ in sent] == ["5", "8", "3"]
    assert [later - earlier for (_, earlier), (_, later) in pairwise(sent)] == [1, 1]
    assert stripes_total(seats) == 3
    ledger = (
        "select counter_quantity, told_quantity, confirmed_quantity, in_flight_quantity, state from tally.push_ledger"
    )
    assert seats.connection.execute(ledger).fetchall() == [(3, 3, 3, 0, "confirmed")]


@pytest.mark.parametrize("arrived", [True, False])
def test_a_newer_value_supersedes_one_without_an_answer_and_the_older_is_never_sent_late(
    seats: Billing, arrived: bool
) -> None:
    seats.count("hooli", "seats", "3")
    seats.push()
    seats.count("hooli", "seats", "5")
    seats.stripe.fail("apply_then_500" if arrived else "fail_500", count=None)
    seats.push(patience=timedelta(seconds=0.3))
    seats.stripe.heal()
    seats.count("hooli", "seats", "3")  # as confirmed before: only sent because 5 may stand at Stripe
    [planned] = seats.plan().planned
    assert (planned.value, planned.absolute_value) == (0, 3)
    assert seats.deliver().left == {}
    assert seats.states() == ["confirmed", "superseded", "confirmed"]
    assert [value for value, _ in values_sent(seats)] == (["3", "5", "3"] if arrived else ["3", "3"])
    assert stripes_total(seats) == 3
    assert seats.plan().planned == []


def test_a_superseded_value_is_settled_by_the_total_where_the_newer_one_was_never_sent(seats: Billing) -> None:
    seats.count("hooli", "seats", "5")
    seats.stripe.fail("apply_then_500", count=None)
    seats.push(patience=timedelta(seconds=0.3))
    seats.stripe.heal()
    seats.stripe.until_applied()
    seats.count("hooli", "seats", "8")
    assert len(seats.plan().planned) == 1
    seats.clock.at = END + timedelta(hours=72)  # no draft takes usage any more
    result = seats.deliver()
    assert (result.attempts, result.settled) == ({}, {"confirmed": 1})
    assert seats.states() == ["confirmed", "cancelled"]
    assert seats.one("select told_quantity from tally.push_ledger") == 5
    assert [held.reason for held in seats.plan().held] == ["period_closed"]


def test_no_value_is_sent_for_a_second_that_has_not_come(seats: Billing) -> None:
    for value in ("1", "2"):
        seats.count("hooli", "seats", value, at=NOW)
        found = seats.plan()
        seats.deliver()
    assert [(held.reason, held.needs_a_person) for held in found.held] == [("same_second", False)]
    seats.clock.at += timedelta(seconds=1)
    assert [each.absolute_value for each in seats.plan().planned] == [Decimal(2)]


def test_a_meter_that_counts_is_refused_when_it_is_mapped(billing: Billing) -> None:
    billing.stripe.meter("logins", "count")
    billing.connection.execute(
        "insert into tally.meters (tenant_id, metric, aggregation) values ('acme', 'logins', 'sum')"
    )
    billing.connection.execute(
        "insert into tally.price_mappings (tenant_id, metric, event_name) values ('acme', 'logins', 'logins')"
    )
    summary = sync_subscriptions(billing.connection, billing.account, TENANT, billing.clock)
    [unmapped] = summary.unmapped
    assert "a difference of 1,000 would bill 1" in unmapped.reason
    billing.connection.execute("delete from tally.price_mappings where metric = 'logins'")
    with pytest.raises(ConfigurationError, match=r"meter logins: stripe event_name logins: .* counts events"):
        difference(billing.connection, declared("logins", "logins"))


def test_counters_that_stripe_cannot_carry_are_refused_when_they_are_mapped(billing: Billing) -> None:
    billing.connection.execute("update tally.price_mappings set active = false where metric = 'api_calls'")
    billing.count("globex", "api_calls", "9007199254740992")
    with pytest.raises(ConfigurationError, match=r"globex has a counter of 9007199254740992.*divide_by"):
        difference(billing.connection, declared("api_calls", "api_calls"))
    billing.connection.execute("update tally.price_mappings set active = true")
    assert [held.reason for held in billing.plan().held] == ["too_large"]
    billing.count("globex", "api_calls", "999999999999999")
    assert len(billing.plan().planned) == 1
    assert len(difference(billing.connection, declared("api_calls", "calls"))) > 0


def declared(metric: str, event_name: str) -> Configuration:
    meter = {"metric": metric, "aggregation": "sum", "stripe": {"event_name": event_name}}
    return Configuration.model_validate({"tenants": [{"id": TENANT, "name": "Acme", "meters": [meter]}]})
