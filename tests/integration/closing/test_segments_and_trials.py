"""Periods cut by a change of price, items that share a meter, trials: each rest at the price of its invoice line."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from closing_world import END, GRACE, NEXT_END, NOW, START, TENANT, World
from counter_rows import put_counter

from tally.closing import list_rests, overview
from tally.closing.moved import moved_counters
from tally.period_segments import split_period
from tally.stripe.sync import sync_subscriptions

CUT = datetime(2024, 3, 25, 6, tzinfo=UTC)


def count(
    world: World, customer: str, period: tuple[datetime, datetime], value: int, metric: str = "api_calls"
) -> None:
    """The counter of a period or of a segment; its last event comes an hour after it began."""
    put_counter(world.connection, TENANT, customer, metric, Decimal(value), period, period[0] + timedelta(hours=1))


def final(world: World, end: datetime = END) -> None:
    """The invoices of the periods that ended at `end` are final and read, and the counters take no more events."""
    world.run()
    world.at(end + 2 * GRACE)
    world.run()
    world.at(end + timedelta(hours=49))
    world.policy(closing_approval="policy")


def subscribed(world: World, ref: str, prices: list[str], **more: Any) -> None:
    """A customer whom the fixture does not know, mirrored."""
    customer = world.customers[ref] = world.stripe.customer(ref, world.test_clock)
    items = [{"price": price} for price in prices]
    parameters: Any = {"customer": customer, "items": items, **more}
    world.api.v1.subscriptions.create(parameters)
    sync_subscriptions(world.connection, world.account, TENANT, world.clock)


def test_segments_that_one_line_bills_are_settled_together(world: World) -> None:
    split_period(world.connection, TENANT, "globex", CUT)
    count(world, "globex", (START, CUT), 60, "storage")
    count(world, "globex", (CUT, END), 90, "storage")
    world.at(CUT + timedelta(hours=2))
    final(world)
    assert world.billed() == world.worth("storage", 150)
    count(world, "globex", (CUT, END), 560, "storage")
    assert not world.run().needs_a_person
    assert world.rests("period_start, period_end, from_quantity, to_quantity, state") == [
        (START, END, 150, 620, "done")
    ]
    assert world.billed() == world.worth("storage", 620)
    count(world, "globex", (START, CUT), 10, "storage")
    count(world, "globex", (CUT, END), 70, "storage")
    assert world.run().decide[0].kind == "credit_grant"  # an item bears a part of it, not the invoice
    world.approve_all()
    world.run()
    assert world.billed() == world.worth("storage", 80)
    # What only one of them was read for is nothing to go by.
    count(world, "globex", (CUT, END), 71, "storage")
    world.connection.execute("delete from tally.stripe_totals where period_start = %s", (START,))
    _, waiting = moved_counters(world.connection, TENANT, world.account.account, False, world.clock)
    assert [each.reason for each in waiting] == ["segmented"]


def test_usage_of_each_segment_is_settled_at_the_price_it_was_billed_at(world: World) -> None:
    count(world, "globex", (START, END), 60)
    world.run()
    world.at(CUT)
    dearer = world.stripe.price("api_calls", unit_amount=20)
    [subscription] = world.api.v1.subscriptions.list({"customer": world.customers["globex"]}).data
    [item] = [each for each in subscription["items"].data if each.price.id == world.stripe.prices["api_calls"]]
    world.api.v1.subscription_items.update(item.id, {"price": dearer})
    sync_subscriptions(world.connection, world.account, TENANT, world.clock)
    world.at(CUT + timedelta(hours=2))
    later = CUT + timedelta(hours=1)
    put_counter(world.connection, TENANT, "globex", "api_calls", 100, (START, END), later)
    final(world)
    assert world.billed() == 60 * 10 + 40 * 20
    put_counter(world.connection, TENANT, "globex", "api_calls", 110, (START, END), later)
    [waiting] = world.run().waiting
    assert waiting.reason == "unpriceable"
    assert "`tally periods split CUSTOMER --at 2024-03-25T06:00:00`" in waiting.detail
    split_period(world.connection, TENANT, "globex", CUT)
    count(world, "globex", (START, CUT), 75)
    count(world, "globex", (CUT, END), 35)
    world.read_again()
    assert not world.run().needs_a_person
    assert world.rests("period_start, kind, amount_minor, state") == [
        (START, "invoice_item", 150, "done"), (CUT, "credit_note", -100, "done"),
    ]  # fmt: skip
    assert world.billed() == 75 * 10 + 35 * 20
    assert not world.run().proposals


def test_items_that_share_a_meter_each_bill_their_part(world: World) -> None:
    cheap = world.stripe.price("api_calls", unit_amount=3)
    tiered = world.stripe.price("api_calls", billing_scheme="tiered", tiers_mode="volume", tiers=[
        {"up_to": 100, "unit_amount": 10}, {"up_to": "inf", "unit_amount": 8},
    ])  # fmt: skip
    subscribed(world, "duo", [cheap, tiered])
    period = (NOW, NOW.replace(month=4))
    count(world, "duo", period, 100)
    world.at(NOW + timedelta(hours=2))
    final(world, period[1])
    assert world.billed("duo") == 100 * 3 + 100 * 10
    count(world, "duo", period, 120)
    world.run()
    assert world.billed("duo") == 120 * 3 + 120 * 8
    count(world, "duo", period, 60)
    world.run()
    assert world.rests("kind, amount_minor, state") == [
        ("invoice_item", 20, "done"), ("credit_note", -540, "done"),
    ]  # fmt: skip
    assert world.billed("duo") == 60 * 3 + 60 * 10


@pytest.mark.parametrize("shows_usage", [True, False])
def test_what_was_used_in_a_trial_is_never_billed_and_never_credited(world: World, shows_usage: bool) -> None:
    world.stripe.change(trial_lines_show_usage=shows_usage)
    subscribed(world, "trialist", [world.stripe.prices["storage"]], trial_end=int(END.timestamp()))
    trial = (NOW, END)
    count(world, "trialist", trial, 300, "storage")
    final(world)
    for value in (640, 20, 700):
        count(world, "trialist", trial, value, "storage")
        assert not world.run().needs_a_person
    assert {(rest.kind, rest.amount_minor, rest.state) for rest in list_rests(world.connection, TENANT)} == {
        ("nothing", 0, "done")
    }
    world.at(NEXT_END + 2 * GRACE)
    world.run()
    assert world.billed("trialist") == 0
    # Nor is it missed where Stripe makes no line for it.
    world.connection.execute("delete from tally.stripe_totals")
    assert not overview(world.connection, TENANT, world.clock).waiting


def test_a_trial_that_stripe_has_forgotten_is_no_reason_to_bill_what_was_used_in_it(world: World) -> None:
    world.stripe.change(trial_lines_show_usage=False)
    subscribed(world, "trialist", [world.stripe.prices["storage"]], trial_end=int(END.timestamp()))
    count(world, "trialist", (NOW, END), 300, "storage")
    final(world)
    count(world, "trialist", (NOW, END), 640, "storage")
    # As after a second trial: only the last one is on the subscription.
    before, after = NOW.replace(year=2023), END.replace(year=2023)
    world.connection.execute("update tally.stripe_totals set period_start = %s, period_end = %s", (before, after))
    world.connection.execute("delete from ledger.int_usage_counters")
    count(world, "trialist", (before, after), 640, "storage")
    world.connection.execute("delete from tally.closing_rests")
    [waiting] = world.run().waiting
    assert (waiting.reason, "bills nothing of" in waiting.detail) == ("unpriceable", True)
