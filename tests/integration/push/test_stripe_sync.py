"""The mirror of Stripe's subscriptions: complete, idempotent, and loud about what it cannot map."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from push_billing import END, NOW, START, TENANT
from stripe_side import StripeSide

from tally.clock import FixedClock
from tally.stripe.mirror import SyncSummary
from tally.stripe.sync import sync_subscriptions

Connection = psycopg.Connection[Any]
CLOCK = FixedClock(NOW)


@pytest.fixture
def test_clock(stripe_side: StripeSide) -> str:
    for metric in ("api_calls", "peak_load"):
        stripe_side.meter(metric)
    return stripe_side.test_clock(START)


def sync(connection: Connection, side: StripeSide, at: datetime = NOW) -> SyncSummary:
    return sync_subscriptions(connection, side.account, TENANT, FixedClock(at))


def periods(connection: Connection, customer_ref: str) -> list[tuple[datetime, datetime, str]]:
    return connection.execute(
        "select period_start, period_end, origin from tally.customer_periods where customer_ref = %s order by 1",
        (customer_ref,),
    ).fetchall()


def unmapped(connection: Connection) -> dict[str, str]:
    return dict(connection.execute("select object_id, reason from tally.stripe_unmapped").fetchall())


def test_clocked_customers_are_found_and_their_periods_projected(
    ledger_connection: Connection, stripe_side: StripeSide, test_clock: str
) -> None:
    customer = stripe_side.customer("globex", test_clock)
    subscription = stripe_side.subscribe(customer, "api_calls", "peak_load")
    summary = sync(ledger_connection, stripe_side)
    assert (summary.items, summary.customers, summary.unmapped) == (2, 1, [])
    assert periods(ledger_connection, "globex") == [
        (START, END, "stripe"),
        (END, datetime(2024, 5, 1, 8, 30, 15, tzinfo=UTC), "projected"),
        (datetime(2024, 5, 1, 8, 30, 15, tzinfo=UTC), datetime(2024, 6, 1, 8, 30, 15, tzinfo=UTC), "projected"),
    ]
    rows = ledger_connection.execute(
        "select metric, subscription_id, stripe_customer_id, event_name, started_at, ended_at, current_period_end"
        " from tally.stripe_subscription_items order by metric"
    ).fetchall()
    assert rows == [
        (metric, subscription.id, customer, metric, START, None, END) for metric in ("api_calls", "peak_load")
    ]


def test_a_second_sync_changes_nothing_and_a_later_one_confirms_projections(
    ledger_connection: Connection, stripe_side: StripeSide, test_clock: str
) -> None:
    stripe_side.subscribe(stripe_side.customer("globex", test_clock), "api_calls")
    sync(ledger_connection, stripe_side)
    before = periods(ledger_connection, "globex")
    again = sync(ledger_connection, stripe_side)
    assert (again.periods_confirmed, again.periods_projected, again.periods_replaced) == (0, 0, 0)
    assert periods(ledger_connection, "globex") == before
    stripe_side.advance(test_clock, END + timedelta(days=2))
    later = sync(ledger_connection, stripe_side, END + timedelta(days=2))
    assert (later.periods_confirmed, later.periods_projected, later.periods_replaced) == (1, 1, 0)
    assert [origin for _, _, origin in periods(ledger_connection, "globex")] == [
        "stripe", "stripe", "projected", "projected",
    ]  # fmt: skip


def test_periods_before_the_first_sync_are_projected_back_to_the_start(
    ledger_connection: Connection, stripe_side: StripeSide, test_clock: str
) -> None:
    stripe_side.subscribe(stripe_side.customer("globex", test_clock), "api_calls")
    stripe_side.advance(test_clock, END)
    stripe_side.advance(test_clock, END + timedelta(days=40))
    sync(ledger_connection, stripe_side)
    starts = [(start.month, origin) for start, _, origin in periods(ledger_connection, "globex")]
    assert starts == [(3, "projected"), (4, "projected"), (5, "stripe"), (6, "projected"), (7, "projected")]


def test_without_a_customer_ref_the_stripe_id_is_it_and_real_time_customers_are_found(
    ledger_connection: Connection, stripe_side: StripeSide, test_clock: str
) -> None:
    customer = stripe_side.customer(None, None)
    stripe_side.subscribe(customer, "api_calls")
    assert sync(ledger_connection, stripe_side).items == 1
    assert ledger_connection.execute("select customer_ref from tally.stripe_subscription_items").fetchall() == [
        (customer,)
    ]


def test_meters_that_deltas_cannot_go_to_are_listed_with_the_reason(
    ledger_connection: Connection, stripe_side: StripeSide
) -> None:
    stripe_side.meter("api_calls", "count")
    stripe_side.meter("somebody_elses")
    customer = stripe_side.customer("globex", None)
    stripe_side.subscribe(customer, "api_calls", "somebody_elses")
    summary = sync(ledger_connection, stripe_side)
    assert summary.items == 0
    assert unmapped(ledger_connection) == {
        stripe_side.meters["api_calls"]: (
            "meter api_calls counts events, whatever their value: a difference of 1,000 would bill 1; it takes a meter"
            " of formula sum, or last"
        ),
        stripe_side.meters["somebody_elses"]: (
            "no active price mapping names meter somebody_elses: something else bills by it"
        ),
        "peak_load": "peak_load maps to peak_load, but Stripe has no meter of that event name",
    }
    assert {each.object_id for each in summary.unmapped} == set(unmapped(ledger_connection))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"event_time_window": "hour"}, "keeps only the last event per hour"),
        ({"value_settings": {"event_payload_key": "amount"}}, "reads payload keys"),
    ],
)
def test_meters_that_read_events_differently_are_listed(
    ledger_connection: Connection, stripe_side: StripeSide, settings: dict[str, Any], words: str
) -> None:
    stripe_side.meter("api_calls", **settings)
    stripe_side.subscribe(stripe_side.customer("globex", None), "api_calls")
    assert sync(ledger_connection, stripe_side).items == 0
    assert words in unmapped(ledger_connection)[stripe_side.meters["api_calls"]]


def test_a_meter_that_was_deactivated_takes_its_items_along(
    ledger_connection: Connection, stripe_side: StripeSide, test_clock: str
) -> None:
    stripe_side.subscribe(stripe_side.customer("globex", test_clock), "api_calls")
    assert sync(ledger_connection, stripe_side).items == 1
    stripe_side.client.v1.billing.meters.deactivate(stripe_side.meters["api_calls"])
    assert sync(ledger_connection, stripe_side).items == 0
    assert ledger_connection.execute("select count(*) from tally.stripe_subscription_items").fetchone() == (0,)
    stripe_side.client.v1.billing.meters.reactivate(stripe_side.meters["api_calls"])
    assert sync(ledger_connection, stripe_side).items == 1
    assert unmapped(ledger_connection) == {}


def test_one_customer_ref_on_two_stripe_customers_is_reported(
    ledger_connection: Connection, stripe_side: StripeSide, test_clock: str
) -> None:
    customers = [stripe_side.customer("globex", test_clock) for _ in range(2)]
    for customer in customers:
        stripe_side.subscribe(customer, "api_calls")
    sync(ledger_connection, stripe_side)
    assert set(unmapped(ledger_connection)) == set(customers)


def test_a_period_that_contradicts_stripes_earlier_word_is_reported_and_not_pushed_to(
    ledger_connection: Connection, stripe_side: StripeSide, test_clock: str
) -> None:
    customer = stripe_side.customer("globex", test_clock)
    stripe_side.subscribe(customer, "api_calls")
    sync(ledger_connection, stripe_side)
    stripe_side.advance(test_clock, START + timedelta(days=10))
    other = stripe_side.subscribe(customer, "peak_load")
    summary = sync(ledger_connection, stripe_side)
    item = other["items"].data[0].id
    assert [each.object_id for each in summary.unmapped] == [item]
    assert "overlaps the customer's 2024-03-01T08:30:15Z to 2024-04-01T08:30:15Z" in unmapped(ledger_connection)[item]
    assert ledger_connection.execute("select metric from tally.stripe_subscription_items").fetchall() == [
        ("api_calls",)
    ]


def test_a_subscription_cancelled_at_once_cuts_its_period_unless_another_goes_on(
    ledger_connection: Connection, stripe_side: StripeSide, test_clock: str
) -> None:
    alone, two = (stripe_side.customer(name, test_clock) for name in ("globex", "initech"))
    first = stripe_side.subscribe(alone, "api_calls")
    second, _ = stripe_side.subscribe(two, "api_calls"), stripe_side.subscribe(two, "peak_load")
    sync(ledger_connection, stripe_side)
    middle = START + timedelta(days=10)
    stripe_side.advance(test_clock, middle)
    for cancelled in (first, second):
        stripe_side.client.v1.subscriptions.cancel(cancelled.id)
    for _ in range(2):
        assert sync(ledger_connection, stripe_side).unmapped == []
        assert periods(ledger_connection, "globex")[0] == (START, middle, "stripe")
        assert periods(ledger_connection, "initech")[0] == (START, END, "stripe")
    ended = "select ended_at from tally.stripe_subscription_items where customer_ref = 'globex'"
    assert ledger_connection.execute(ended).fetchall() == [(middle,)]


def test_items_that_stripe_no_longer_lists_are_ended(
    ledger_connection: Connection, stripe_side: StripeSide, test_clock: str
) -> None:
    stripe_side.subscribe(stripe_side.customer("globex", test_clock), "api_calls")
    sync(ledger_connection, stripe_side)
    stripe_side.client.v1.test_helpers.test_clocks.delete(test_clock)
    assert sync(ledger_connection, stripe_side).items_ended == 1
    assert ledger_connection.execute("select ended_at from tally.stripe_subscription_items").fetchone() == (NOW,)


def test_more_than_a_page_of_subscriptions_and_items_is_read(
    ledger_connection: Connection, stripe_side: StripeSide, test_clock: str
) -> None:
    for number in range(105):
        stripe_side.subscribe(stripe_side.customer(f"customer-{number}", test_clock), "api_calls")
    assert sync(ledger_connection, stripe_side).items == 105
