"""A period that a price change cut in two: each segment is sent for a moment inside it, and closes with the whole."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from push_billing import END, START, TENANT, Billing, set_counter

from tally.period_segments import split_period
from tally.periods import Period
from tally.stripe.summaries import summary_quantity

CUT = datetime(2024, 3, 15, 10, 20, 30, tzinfo=UTC)


def count_segments(billing: Billing, cut: datetime = CUT) -> None:
    split_period(billing.connection, TENANT, "globex", cut)
    # The last event of each lies in the very second at its edge.
    set_counter(billing.connection, "globex", "api_calls", Decimal(7), cut - timedelta(seconds=1), (START, cut))
    set_counter(billing.connection, "globex", "api_calls", Decimal(5), cut, (cut, END))


def test_each_segment_is_sent_inside_itself(billing: Billing) -> None:
    count_segments(billing)
    assert [(each.value, each.event_ts) for each in billing.plan().planned] == [
        (Decimal(7), CUT.replace(second=0) - timedelta(seconds=1)),
        (Decimal(5), CUT.replace(minute=21, second=1)),
    ]
    assert billing.deliver().confirmed == 2
    billing.stripe.until_applied()
    customer, meter = billing.customers["globex"], billing.stripe.meters["api_calls"]
    for period, total in ((Period(START, CUT), 7), (Period(CUT, END), 5), (Period(START, END), 12)):
        assert summary_quantity(billing.account, meter, customer, period) == total


def test_a_segment_stays_open_as_long_as_the_whole_period(billing: Billing) -> None:
    count_segments(billing)
    billing.clock.at = CUT + timedelta(days=10)
    billing.stripe.advance(billing.test_clock, billing.clock.at)
    assert billing.push().confirmed == 2
    billing.clock.at = END + timedelta(hours=72)
    count_more = "update ledger.int_usage_counters set quantity_sum = quantity_sum + 1"
    billing.connection.execute(count_more)
    assert {held.reason for held in billing.plan().held} == {"period_closed"}


def test_a_segment_too_short_to_be_told_apart_says_so(billing: Billing) -> None:
    count_segments(billing, START + timedelta(seconds=80))
    found = billing.plan()
    assert [held.reason for held in found.held] == ["segment_too_short"]
    assert "by hand" in found.held[0].detail
    assert len(found.planned) == 1


def test_what_was_not_answered_is_not_sent_again_once_its_period_has_closed(billing: Billing) -> None:
    """It would bill nowhere; if it never arrived, it is late usage."""
    billing.count("globex", "api_calls", "5")
    billing.clock.at = END + timedelta(hours=71)
    billing.stripe.advance(billing.test_clock, billing.clock.at)
    billing.stripe.fail("fail_500", count=None)
    billing.push(patience=timedelta(seconds=0.3))
    billing.stripe.heal()
    billing.clock.at += timedelta(hours=2)
    result = billing.deliver()
    assert (result.attempts, result.left) == ({}, {"resolving": 1})
    billing.clock.at += timedelta(hours=24)
    assert billing.deliver().settled == {"missing": 1}
    assert [held.reason for held in billing.plan().held] == ["period_closed"]
    assert billing.applied("globex", "api_calls") == 0
