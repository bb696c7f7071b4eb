"""What a final invoice does not bill as counted: billed, credited or written off, once, to the cent."""

from datetime import timedelta
from decimal import Decimal
from functools import partial
from uuid import UUID

import pytest
from closing_world import CLOSED, END, GRACE, NEXT_END, START, TENANT, World

from tally.adjustments import AdjustmentRefused
from tally.closing import ClosingRefused, approve, events_of, overview, reject, settle_by_hand


def rest_id(world: World) -> UUID:
    found: UUID = world.one("select rest_id from tally.closing_rests order by seq desc limit 1")
    return found


def test_late_usage_becomes_an_item_on_the_next_invoice_priced_marginally(world: World) -> None:
    invoice = world.finalized(90, "storage")
    world.count("640.5", "storage")
    proposed = world.run()
    assert proposed.needs_a_person
    late = world.worth("storage", "640.5") - world.worth("storage", 90)
    assert world.rests() == [("invoice_item", late, "proposed")]
    assert world.billed() == world.worth("storage", 90)  # nothing is sent before somebody has approved it
    approve(world.connection, TENANT, rest_id(world), "Ada", world.clock)
    assert not world.run().needs_a_person
    assert world.rests("kind, state, done_by, invoice_id") == [("invoice_item", "done", "answer", invoice)]
    assert world.billed() == world.worth("storage", "640.5")
    world.at(NEXT_END + 2 * GRACE)
    world.run()
    world.run()
    following = world.api.v1.invoices.retrieve(world.rests("billed_on")[0][0])
    [line] = [line for line in following.lines.data if line.parent and line.parent.type == "invoice_item_details"]
    assert (line.amount, line.description) == (late, "Late usage: 550.5 storage, 2024-03-01 to 2024-04-01")
    assert (line.period.start, line.period.end) == (int((END - timedelta(days=31)).timestamp()), int(END.timestamp()))


def test_what_is_billed_too_much_is_credited_on_the_line_by_quantity(world: World) -> None:
    invoice = world.finalized(100)
    world.count(60)
    world.policy(closing_approval="policy")
    assert not world.run().needs_a_person
    assert world.rests() == [("credit_note", -400, "done")]
    [note] = world.api.v1.credit_notes.list({"invoice": invoice}).data
    [line] = note.lines.data
    assert ([line.invoice_line_item], line.quantity, line.amount) == (*world.rests("invoice_line_ids")[0], 40, 400)
    assert world.billed() == world.worth("api_calls", 60)


def test_tiers_are_credited_from_the_highest_on_and_grants_bear_what_lines_cannot(world: World) -> None:
    invoice = world.finalized(600, "storage")
    world.policy(closing_approval="policy")
    world.count(80, "storage")
    world.run()
    [note] = world.api.v1.credit_notes.list({"invoice": invoice}).data
    assert [line.amount for line in note.lines.data] == [200, 3200, 200]
    assert world.billed() == world.worth("storage", 80)
    world.count(700, "storage")
    world.run()
    assert world.billed() == world.worth("storage", 700)
    world.count(0, "storage")
    waits = world.run()  # an item bears it, not the invoice: that is for a person to look at
    assert waits.decide[0].kind == "credit_grant"
    approve(world.connection, TENANT, rest_id(world), "Ada", world.clock)
    world.run()
    assert world.billed() == world.worth("storage", 0) == 0


def test_a_paid_invoice_is_credited_to_the_customers_balance(world: World) -> None:
    invoice = world.finalized(100)
    world.policy(closing_approval="policy")
    world.api.v1.invoices.pay(invoice, {"paid_out_of_band": True})
    world.count(70)
    world.run()
    assert world.rests("kind, amount_minor, state") == [("credit_note", -300, "done")]
    assert world.api.v1.customers.retrieve(world.customers["globex"]).balance == -300
    assert world.billed() == 700


def test_a_write_off_waits_for_a_person_and_is_never_asked_for_again(world: World) -> None:
    world.finalized(100)
    world.policy(closing_approval="policy", late_usage="write_off")
    world.count(120)
    assert world.run().decide[0].state == "proposed"
    with pytest.raises(AdjustmentRefused):
        approve(world.connection, TENANT, rest_id(world), "tally", world.clock)
    approve(world.connection, TENANT, rest_id(world), "Ada", world.clock, note="goodwill")
    world.policy(late_usage="invoice_item")
    world.count(110)
    world.run()
    world.count(125)
    world.run()
    # Of 250 late cents 200 are waived: what is billed goes beyond them, whatever the counter did in between.
    assert world.rests("kind, amount_minor, state") == [
        ("write_off", 200, "done"), ("nothing", 0, "done"), ("invoice_item", 50, "done"),
    ]  # fmt: skip
    assert world.billed() == world.worth("api_calls", 125) - 200


def test_nobody_approves_an_amount_unseen_and_a_rejected_one_is_not_proposed_again(world: World) -> None:
    world.finalized(100)
    world.count(101)
    world.run()
    world.count(103)
    with pytest.raises(ClosingRefused, match="has changed since"):
        approve(world.connection, TENANT, rest_id(world), "Ada", world.clock)
    world.run()
    assert world.rests() == [("invoice_item", 30, "proposed")]
    reject(world.connection, TENANT, rest_id(world), "Ada", world.clock, note="our fault")
    assert not world.run().proposals
    with pytest.raises(ClosingRefused, match="rejected by Ada"):
        approve(world.connection, TENANT, rest_id(world), "Bob", world.clock)
    world.count(104)
    world.run()
    assert world.rests()[1:] == [("invoice_item", 10, "proposed")]
    world.count(103)
    world.run()
    assert world.rests("state")[1:] == [("withdrawn",)]
    assert world.billed() == 1000


def test_a_rest_waits_until_the_counter_takes_no_more_events(world: World) -> None:
    world.finalized(100)
    world.clock.at = CLOSED - timedelta(hours=2)
    world.count(130)
    result = world.run()
    assert [each.reason for each in result.waiting] == ["moving"]
    assert not result.needs_a_person
    assert world.rests() == []


def test_what_a_price_does_not_explain_is_settled_by_a_named_amount(world: World) -> None:
    invoice = world.finalized(100)
    world.count(130)
    world.connection.execute("update tally.stripe_totals set invoice_quantity = 99 where invoice_id = %s", (invoice,))
    [waiting] = world.run().waiting
    assert (waiting.reason, "tally close settle" in waiting.detail) == ("unpriceable", True)
    counter = "globex", "api_calls", START
    named = partial(settle_by_hand, world.connection, world.account, TENANT, counter, by="Ada", clock=world.clock)
    for amount, kind in (("1.005", None), ("1", "credit_note"), ("-1", "write_off"), ("-99", "credit_note")):
        with pytest.raises(ClosingRefused, match=r"amount:|as:"):
            named(Decimal(amount), kind=kind)
    named(Decimal("2.50"), note="agreed")
    with pytest.raises(ClosingRefused, match="nothing to name"):
        named(Decimal("2.50"))
    world.run()
    assert world.rests("kind, amount_minor, amount_by, state") == [("invoice_item", 250, "person", "done")]
    assert world.billed() == 1250
    world.count(120)
    named(Decimal("-0.50"))
    world.run()
    world.count(119)
    assert named(Decimal(0), note="settled by hand").kind == "nothing"
    world.run()
    assert world.billed() == 1200
    assert not world.run().waiting


def test_nothing_is_sent_where_it_would_bill_nowhere(world: World) -> None:
    world.finalized(100)
    world.count(130)
    world.run()
    approve(world.connection, TENANT, rest_id(world), "Ada", world.clock)
    [subscription] = world.api.v1.subscriptions.list({"customer": world.customers["globex"]}).data
    world.api.v1.subscriptions.cancel(subscription.id)
    refused = world.run()
    assert "has ended" in refused.sent.refusals[0]
    assert world.api.v1.invoice_items.list({"customer": world.customers["globex"]}).data == []
    with pytest.raises(ClosingRefused, match="does not fit"):
        approve(world.connection, TENANT, rest_id(world), "Ada", world.clock, kind="credit_grant")
    approve(world.connection, TENANT, rest_id(world), "Ada", world.clock, kind="write_off")
    assert world.rests() == [("write_off", 300, "done")]
    world.count(140)
    # Without a next invoice it is proposed as what it will be, unless somebody bills it by hand.
    assert world.run().decide[0].kind == "write_off"


def test_what_an_adjustment_books_is_no_late_usage(world: World) -> None:
    """A suggestion of the reconciliation that was booked elsewhere bills its part of the counter already."""
    world.finalized(100)
    world.count(130)
    insert = (
        "insert into tally.adjustments (tenant_id, customer_ref, metric, period_start, period_end, amount, reason,"
        " state, created_at, created_by, decided_at, decided_by, booked_start, booked_end)"
        " values ('acme', 'globex', 'api_calls', %s, %s, 20, 'billing_error', %s, now(), 'tally', %s, %s, %s, %s)"
    )
    period = (END - timedelta(days=31), END)
    world.connection.execute(insert, (*period, "pending", None, None, None, None))
    assert [each.reason for each in world.run().waiting] == ["suggested"]
    world.connection.execute("delete from tally.adjustments")
    world.connection.execute(insert, (*period, "approved", CLOSED, "Ada", END, NEXT_END))
    world.run()
    assert world.rests("from_quantity, to_quantity, amount_minor") == [(Decimal(100), Decimal(110), 100)]
    assert events_of(world.connection, TENANT, rest_id(world)) == []


def test_a_counter_that_no_invoice_bills_is_listed(world: World) -> None:
    world.finalized(100)
    world.connection.execute("delete from tally.stripe_totals")
    world.clock.at = END + timedelta(hours=73)
    [waiting] = overview(world.connection, TENANT, world.clock).waiting
    assert (waiting.reason, waiting.quantity, waiting.needs_a_person) == ("no_invoice", Decimal(100), True)
