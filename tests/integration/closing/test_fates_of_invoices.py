"""Final invoices that are voided, given up as uncollectible, or paid after all: what is still billed, and once."""

from typing import Literal

import pytest
from closing_world import TENANT, World
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from mortal import deaths
from test_closing_crashes import made, settle, starting_over

from tally.closing import ClosingRefused, approve, list_rests, reject
from tally.closing.moved import moved_counters

Fate = Literal["void", "uncollectible", "pay"]


def meet(world: World, invoice: str, fate: Fate | None) -> None:
    """The invoice's fate at Stripe, where it can still have it; and what the next reading says."""
    api = world.api.v1.invoices
    status = api.retrieve(invoice).status
    if fate == "void" and status in ("open", "uncollectible"):
        api.void_invoice(invoice)
    elif fate == "uncollectible" and status == "open":
        api.mark_uncollectible(invoice)
    elif fate == "pay" and status in ("open", "uncollectible"):
        api.pay(invoice, {"paid_out_of_band": True})
    world.read_again()


def test_a_voided_invoice_is_billed_anew_only_when_a_person_says_so(world: World) -> None:
    invoice = world.finalized(100)
    world.policy(closing_approval="policy")
    world.count(130)
    world.run()
    world.api.v1.invoices.void_invoice(invoice)
    world.count(131)
    [waiting] = world.run().waiting  # read as open, found void: nothing is worked out from what is no more
    assert (waiting.reason, waiting.needs_a_person) == ("outdated", False)
    world.read_again()
    [rest] = world.run().decide
    # The item of 3.00 was billed elsewhere and stays.
    assert (rest.kind, rest.amount_minor, rest.from_quantity, rest.basis) == ("invoice_item", 1010, 0, "void")
    assert "was voided" in rest.note
    assert world.billed() == 300
    assert not world.run().proposals  # asked once
    approve(world.connection, TENANT, rest.rest_id, "Ada", world.clock)
    world.run()
    assert world.billed() == world.worth("api_calls", 131)
    items = world.api.v1.invoice_items.list({"customer": world.customers["globex"]}).data
    assert {item.description for item in items} == {
        "Late usage: 30 api_calls, 2024-03-01 to 2024-04-01",
        "Usage of a voided invoice: 131 api_calls, 2024-03-01 to 2024-04-01",
    }
    line = "where customer_ref = 'globex' and metric = 'api_calls'"
    assert (
        world.one(f"select (settled_quantity, settled_amount)::text from marts.reconciliation_totals {line}")
        == "(31,310)"
    )
    verdicts = f"select (integrity_verdict, business_verdict)::text from marts.reconciliation_lines {line}"
    assert world.one(verdicts) == "(ok,ok)"
    world.count(140)
    [late] = world.run().decide
    assert late.amount_minor == 90
    reject(world.connection, TENANT, late.rest_id, "Ada", world.clock)
    # Another invoice that bills the same usage, as far as Stripe's lines tell: what was billed anew is too much.
    world.connection.execute("update tally.stripe_totals set invoice_status = 'open' where metric = 'api_calls'")
    [counter], _ = moved_counters(world.connection, TENANT, world.account.account, False, world.clock)
    assert (counter.is_replaced, counter.settled_to, counter.target) == (True, 240, 140)


def test_nothing_is_given_back_of_what_a_voided_invoice_never_billed(world: World) -> None:
    invoice = world.finalized(100)
    world.count(60)
    world.run()
    world.approve_all()
    world.api.v1.invoices.void_invoice(invoice)
    assert "is void" in world.run().sent.refusals[0]
    world.read_again()
    [refused] = list_rests(world.connection, TENANT, ["refused"])
    with pytest.raises(ClosingRefused, match="bills nothing now: `tally close reject"):
        approve(world.connection, TENANT, refused.rest_id, "Ada", world.clock, kind="credit_grant")
    reject(world.connection, TENANT, refused.rest_id, "Ada", world.clock)
    world.run()
    world.approve_all()
    world.run()
    assert made(world) == 1
    assert world.billed() == world.worth("api_calls", 60)


def test_an_approved_credit_grant_is_not_sent_for_an_invoice_that_was_voided(world: World) -> None:
    invoice = world.finalized(100)
    world.policy(overbilled_usage="credit_grant")
    world.count(60)
    world.run()
    world.approve_all()
    world.api.v1.invoices.void_invoice(invoice)
    assert "was voided since" in world.run().sent.refusals[0]
    assert made(world) == 0


def test_an_uncollectible_invoice_bills_late_usage_and_gives_back_only_what_was_paid(world: World) -> None:
    invoice = world.finalized(100)
    world.policy(closing_approval="policy")
    world.api.v1.invoices.mark_uncollectible(invoice)
    world.read_again()
    world.count(130)
    assert not world.run().needs_a_person
    assert world.rests("kind, amount_minor, state, basis") == [("invoice_item", 300, "done", "uncollectible")]
    world.count(60)
    [rest] = world.run().decide
    assert (rest.kind, rest.amount_minor, "nobody paid it" in rest.note) == ("credit_grant", -700, True)
    world.api.v1.invoices.pay(invoice, {"paid_out_of_band": True})
    world.read_again()
    assert not world.run().needs_a_person  # it was paid after all: the policy gives back what it says
    assert world.rests("kind, amount_minor, state")[1:] == [("credit_note", -700, "done")]
    assert world.billed() == world.worth("api_calls", 60)


@pytest.mark.thorough
def test_a_voided_invoice_is_billed_anew_once_wherever_the_sender_dies(world: World) -> None:
    invoice = world.finalized(100)
    meet(world, invoice, "void")

    def close() -> None:
        settle(world)
        world.approve_all()
        settle(world)

    for where in deaths(close, starting_over(world)):
        close()
        assert made(world) == 1, where
        assert world.billed() == world.worth("api_calls", 100), where
        assert settle(world).outcomes == {}, where


@settings(max_examples=6, deadline=None, phases=[Phase.explicit, Phase.generate],
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(
    steps=st.lists(
        st.tuples(
            st.integers(0, 900),
            st.sampled_from([None, "void", "uncollectible", "pay"]),
            st.sampled_from([None, None, "drop", "apply_then_500"]),
            st.booleans(),
        ),
        min_size=2,
        max_size=4,
    )
)
def test_whatever_becomes_of_the_invoice_the_customer_owes_the_price_of_the_counter(
    world: World, steps: list[tuple[int, Fate | None, str | None, bool]]
) -> None:
    if not world.one("select count(*) from tally.stripe_totals"):
        world.finalized(300, "storage")
        starting_over(world)
    world.stripe.control.post("/_sandbox/restore").raise_for_status()
    world.read_again()
    for table in ("closing_rest_events", "closing_attempts", "closing_rests"):
        world.connection.execute(f"delete from tally.{table}")
    invoice = world.one(
        "select min(invoice_id) from tally.stripe_totals where metric = 'storage' and customer_ref = 'globex'"
    )
    for value, fate, trouble, is_read_late in steps:
        world.count(value, "storage")
        if is_read_late:
            settle(world)  # proposed while the invoice stood otherwise
        meet(world, invoice, fate)
        settle(world)
        world.approve_all()
        if trouble is not None:
            world.stripe.fail(trouble, path="/v1/*", method="POST")
        settle(world)
        world.stripe.heal()
        world.connection.execute("update tally.closing_rests set lease_until = null")
        settle(world)
        assert world.billed() == world.worth("storage", value), steps
    assert not list_rests(world.connection, TENANT, ["proposed", "approved", "sending", "refused"])
