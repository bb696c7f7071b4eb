"""Killed at any instruction: what was decided happens, once; what was not sent is; nothing is sent twice."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from closing_world import TENANT, World
from mortal import deaths
from test_holding import NEAR, mended, unsettled

from tally.closing import approve
from tally.closing.hold import holds
from tally.closing.proposing import propose
from tally.closing.sending import KEY_FOR, SendResult, send_approved
from tally.closing.watching import watch_drafts
from tally.database import connect


def settle(world: World) -> SendResult:
    """A process that works rests out and sends them; what a dead one left is free at once."""
    propose(world.connection, world.account, TENANT, world.clock)
    return send_approved(world.connection, world.account, TENANT, world.clock, lease=timedelta(0))


def starting_over(world: World) -> Callable[[], None]:
    """Stripe as it is now, and no row of ours."""
    world.stripe.control.post("/_sandbox/savepoint").raise_for_status()

    def start_over() -> None:
        world.stripe.control.post("/_sandbox/restore").raise_for_status()
        for table in ("closing_rest_events", "closing_attempts", "closing_rests", "invoice_holds"):
            world.connection.execute(f"delete from tally.{table}")

    return start_over


def made(world: World) -> int:
    """How many items, credit notes and grants there are."""
    of = world.customers["globex"]
    api = world.api.v1
    return (
        len(api.invoice_items.list({"customer": of}).data)
        + len(api.credit_notes.list({"customer": of}).data)
        + len(api.billing.credit_grants.list({"customer": of}).data)
    )


@pytest.mark.parametrize(
    ("settings", "counted"),
    [
        pytest.param({}, 130, id="invoice_item"),
        pytest.param({}, 60, id="credit_note"),
        pytest.param({"overbilled_usage": "credit_grant"}, 60, id="credit_grant", marks=pytest.mark.thorough),
    ],
)
def test_a_rest_is_settled_once_wherever_its_sender_dies(world: World, settings: dict[str, str], counted: int) -> None:
    world.finalized(100)
    world.policy(closing_approval="policy", **settings)
    world.count(counted)
    for where in deaths(lambda: settle(world), starting_over(world)):
        settle(world)
        assert made(world) == 1, where
        assert world.rests("state") == [("done",)], where
        assert world.billed() == world.worth("api_calls", counted), where
        assert settle(world).outcomes == {}, where


def test_a_draft_is_held_once_wherever_the_process_dies(world: World) -> None:
    draft = unsettled(world)
    world.run()
    world.at(NEAR)

    def look() -> None:
        watch_drafts(world.connection, world.account, TENANT, world.clock)

    for where in deaths(look, starting_over(world)):
        look()
        [hold] = holds(world.connection, TENANT)
        assert hold.state == "held", where
        invoice = world.api.v1.invoices.retrieve(draft)
        assert not invoice.auto_advance, where
        assert invoice.metadata is not None
        assert invoice.metadata.to_dict() == {"tally_hold": hold.hold_id}, where


def test_a_draft_is_let_go_once_wherever_the_process_dies(world: World) -> None:
    draft = unsettled(world)
    world.at(NEAR)
    world.run()
    mended(world)
    row = world.one("select to_json(hold) from tally.invoice_holds as hold")
    over = starting_over(world)

    def start_over() -> None:
        over()
        world.connection.execute(
            "insert into tally.invoice_holds select * from json_populate_record(null::tally.invoice_holds, %s::json)",
            (json.dumps(row),),
        )

    def look() -> None:
        watch_drafts(world.connection, world.account, TENANT, world.clock)

    for where in deaths(look, start_over):
        look()
        [hold] = holds(world.connection, TENANT)
        assert (hold.state, hold.released_by) == ("released", "tally"), where
        assert world.api.v1.invoices.retrieve(draft).auto_advance, where


@pytest.mark.parametrize(
    "trouble",
    [
        "drop",
        "apply_then_500",
        "conflict",
        *(pytest.param(kind, marks=pytest.mark.thorough) for kind in ("truncated", "fail_500", "html_502")),
    ],
)
def test_an_answer_that_never_came_is_looked_for_before_anything_is_sent_again(world: World, trouble: str) -> None:
    world.finalized(100)
    world.policy(closing_approval="policy")
    world.count(130)
    world.stripe.fail(trouble, path="/v1/invoiceitems", method="POST")
    assert settle(world).outcomes == {"unknown": 1}
    world.connection.execute("update tally.closing_rests set lease_until = null")
    applied = trouble in ("drop", "truncated", "apply_then_500")
    assert settle(world).outcomes == {"found" if applied else "done": 1}
    assert made(world) == 1
    attempts = "select array_agg(idempotency_key order by attempt) from tally.closing_attempts"
    assert len(set(world.one(attempts))) == 1


@pytest.mark.parametrize(("trouble", "done_by"), [("drop", "evidence"), ("fail_500", "answer")])
def test_after_a_day_the_key_protects_no_more_and_the_mark_does(world: World, trouble: str, done_by: str) -> None:
    world.finalized(100)
    world.policy(closing_approval="policy")
    world.count(130)
    world.stripe.fail(trouble, path="/v1/invoiceitems", method="POST")
    settle(world)
    later = KEY_FOR + timedelta(hours=5)
    world.clock.at += later
    world.stripe.change(clock_offset_seconds=later.total_seconds())  # Stripe has forgotten the key by now
    world.connection.execute("update tally.closing_rests set lease_until = null")
    settle(world)
    assert made(world) == 1
    assert world.rests("state, done_by, key_number") == [("done", done_by, 2)]


def test_a_restored_database_finds_what_it_has_forgotten(world: World) -> None:
    world.finalized(100)
    world.policy(closing_approval="policy")
    world.count(130)
    settle(world)
    for counted, outcome in ((130, "found"), (131, "refused")):
        for table in ("closing_rest_events", "closing_attempts", "closing_rests"):
            world.connection.execute(f"delete from tally.{table}")
        world.count(counted)
        assert settle(world).outcomes == {outcome: 1}
    assert made(world) == 1


def test_senders_side_by_side_send_once(world: World, built_database_url: str) -> None:
    world.finalized(100)
    world.policy(closing_approval="policy")
    world.count(130)

    def close(_: int) -> None:
        with connect(built_database_url, autocommit=True) as connection:
            propose(connection, world.account, TENANT, world.clock)
            send_approved(connection, world.account, TENANT, world.clock, lease=timedelta(0))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(close, range(8)))
    settle(world)
    assert made(world) == 1
    assert world.rests() == [("invoice_item", 300, "done")]


def test_a_refusal_is_for_a_person_and_is_tried_again_under_a_key_of_its_own(world: World) -> None:
    world.finalized(100)
    world.policy(closing_approval="policy")
    world.count(130)
    world.stripe.fail("refused", path="/v1/invoiceitems")
    assert settle(world).refusals
    assert settle(world).outcomes == {}
    approve(world.connection, TENANT, world.one("select rest_id from tally.closing_rests"), "Ada", world.clock)
    assert settle(world).outcomes == {"done": 1}
    assert world.rests("state, key_number") == [("done", 2)]
    assert world.billed() == world.worth("api_calls", 130)
