"""Intents without a certain answer for 20 hours are never sent again: Stripe's own total settles them."""

from datetime import timedelta
from decimal import Decimal

import pytest
from push_billing import TENANT, Billing

from tally.push import decide, release_refused
from tally.push.operator import NotDecidable

HOUR = timedelta(hours=1)


def leave_unknown(billing: Billing, *, arrived: bool) -> None:
    """An intent of 42 for globex whose answer never came, on top of a confirmed 8."""
    billing.count("globex", "api_calls", "8")
    billing.push()
    billing.count("globex", "api_calls", "50")
    billing.stripe.fail("apply_then_500" if arrived else "fail_500", count=None)
    billing.push(patience=timedelta(seconds=0.3))
    billing.stripe.heal()
    billing.stripe.until_applied()
    assert billing.states() == ["confirmed", "unknown"]


def attempts(billing: Billing) -> int:
    return int(billing.one("select count(*) from tally.push_attempts"))


@pytest.mark.parametrize("arrived", [True, False])
def test_within_20_hours_it_is_sent_again(billing: Billing, arrived: bool) -> None:
    leave_unknown(billing, arrived=arrived)
    billing.clock.at += 20 * HOUR - timedelta(seconds=1)
    assert billing.deliver().left == {}
    assert billing.one("select confirmed_by from tally.push_intents order by seq desc") == (
        "duplicate" if arrived else "answer"
    )
    assert billing.applied("globex", "api_calls") == 50


def test_after_20_hours_it_is_not_sent_again_and_the_total_confirms_it(billing: Billing) -> None:
    """Stripe has forgotten the identifier by now: sent again, 42 would count twice."""
    leave_unknown(billing, arrived=True)
    billing.stripe.change(identifier_window_seconds=0.0)
    billing.clock.at += 20 * HOUR
    before = attempts(billing)
    result = billing.deliver()
    assert result.settled == {"confirmed": 1}
    assert attempts(billing) == before
    assert billing.one("select confirmed_by from tally.push_intents order by seq desc") == "summary"
    assert billing.applied("globex", "api_calls") == 50
    assert billing.plan().planned == []


def test_a_total_without_it_for_a_day_makes_it_missing_and_its_value_is_planned_anew(billing: Billing) -> None:
    leave_unknown(billing, arrived=False)
    billing.clock.at += 20 * HOUR
    assert billing.deliver().left == {"resolving": 1}
    assert [held.reason for held in billing.plan().held] == []
    billing.clock.at += 23 * HOUR
    assert billing.deliver().left == {"resolving": 1}
    billing.clock.at += HOUR
    assert billing.deliver().settled == {"missing": 1}
    again = billing.plan()
    assert [(each.value, each.seq) for each in again.planned] == [(Decimal(42), 3)]
    billing.stripe.advance(billing.test_clock, billing.clock.at)
    billing.deliver()
    assert billing.applied("globex", "api_calls") == 50
    assert set(billing.stripe.arrivals().values()) == {1}


def test_a_summary_that_goes_backwards_confirms_nothing(billing: Billing) -> None:
    """+5, -5 and a +5 that never arrives: a reading without the -5 shows the total that all three would have."""
    for value in ("5", "0"):
        billing.count("globex", "api_calls", value)
        billing.push()
    billing.count("globex", "api_calls", "5")
    billing.stripe.fail("fail_500", count=None)
    billing.push(patience=timedelta(seconds=0.3))
    billing.stripe.heal()
    billing.stripe.until_applied()
    billing.clock.at += 20 * HOUR
    billing.stripe.fail("stale_summary", method="GET", path="*/event_summaries")
    assert billing.deliver().left == {"resolving": 1}
    assert billing.one("select present_reads from tally.push_intents order by seq desc") == 1
    for hours in (1, 24):
        billing.clock.at += hours * HOUR
        settled = billing.deliver().settled
    assert settled == {"missing": 1}
    assert [each.value for each in billing.plan().planned] == [Decimal(5)]


def test_a_total_that_fits_neither_way_freezes_the_counter(billing: Billing) -> None:
    leave_unknown(billing, arrived=True)
    billing.stripe.send(billing.customers["globex"], "api_calls", "1", billing.clock.at, "somebody-else")
    billing.stripe.until_applied()
    billing.clock.at += 20 * HOUR
    assert billing.deliver().left == {"resolving": 1}
    billing.clock.at += 28 * HOUR
    frozen = billing.deliver()
    assert (frozen.settled, frozen.left) == ({"disputed": 1}, {"disputed": 1})
    assert frozen.needs_a_person
    billing.count("globex", "api_calls", "60")
    assert [held.reason for held in billing.plan().held] == ["disputed"]
    assert "Stripe's total is 51" in billing.one("select last_error from tally.push_intents order by seq desc")

    intent_id = billing.one("select intent_id from tally.push_intents where state = 'disputed'")
    decide(billing.connection, TENANT, intent_id, arrived=True, reason="Ada saw request req_1 in the Dashboard")
    assert [each.value for each in billing.plan().planned] == [Decimal(10)]
    with pytest.raises(NotDecidable):
        decide(billing.connection, TENANT, intent_id, arrived=False, reason="again")


@pytest.mark.parametrize(("value", "left"), [("42", {}), ("41", {"resolving": 1})])
def test_an_identifier_that_somebody_else_used_first_is_settled_by_the_total(
    billing: Billing, value: str, left: dict[str, int]
) -> None:
    """A copy of this database pushed before us: its event may say something else than ours."""
    billing.count("globex", "api_calls", "42")
    [planned] = billing.plan().planned
    billing.stripe.send(billing.customers["globex"], "api_calls", value, planned.event_ts, planned.identifier)
    billing.stripe.until_applied()
    result = billing.deliver()
    assert (result.attempts, result.left) == ({"duplicate": 1}, left)
    assert "already exists" in result.refusals[0]
    assert billing.one("select confirmed_by from tally.push_intents") == (None if left else "summary")


def test_an_unreadable_total_decides_nothing(billing: Billing) -> None:
    leave_unknown(billing, arrived=False)
    billing.clock.at += 44 * HOUR
    billing.stripe.fail("fail_500", method="GET", path="/v1/billing/meters/*", count=None)
    assert billing.deliver().left == {"resolving": 1}
    assert billing.one("select absent_since from tally.push_intents order by seq desc") is None


def test_a_released_refusal_is_planned_again(billing: Billing) -> None:
    billing.stripe.change(timestamp_past_seconds=1)
    billing.count("globex", "api_calls", "5")
    assert billing.push().attempts == {"refused": 1}
    billing.stripe.change(timestamp_past_seconds=35 * 86400)
    assert release_refused(billing.connection, billing.account, TENANT, customer_ref="initech") == 0
    assert release_refused(billing.connection, billing.account, TENANT) == 1
    assert billing.push().confirmed == 1
    assert billing.states() == ["cancelled", "confirmed"]
    assert billing.applied("globex", "api_calls") == 5
