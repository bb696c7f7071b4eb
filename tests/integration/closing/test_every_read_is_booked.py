"""Of a month from its subscriptions to its settled invoice: what Stripe was asked is what is booked, GET by GET."""

from datetime import timedelta

import pytest
from closing_commands import at, close, set_clock, tally
from closing_world import CLOSED, END, GRACE, NOW, TENANT, World
from request_log import RequestLog

from tally.push import deliver, plan
from tally.stripe.account import open_account

HOUR = timedelta(hours=1)


@pytest.mark.usefixtures("environment")
def test_every_get_of_a_settled_month_is_booked(world: World, request_log: RequestLog) -> None:
    world.connection.execute("delete from tally.stripe_reads")  # the fixture's sync went through the test's account
    request_log.seen.clear()
    set_clock(world, NOW)
    world.count(50)
    with request_log.listening():
        tally("sync")
        _push_without_an_answer(world)
    at(world, NOW + 21 * HOUR)
    with request_log.listening():
        tally("push")  # too late to send it again: the summary settles it
        tally("push", "adopt")
        tally("webhooks", "handle")
    at(world, END + GRACE / 2)
    draft = world.api.v1.invoices.list({"customer": world.customers["globex"], "status": "draft"}).data[0].id
    with request_log.listening():
        close("run")
        close("hold", draft, "--by", "Ada", "--reason", "to be looked at")
        close("release", draft, "--by", "Ada", "--reason", "looked at", "--finalize")
    at(world, CLOSED)
    world.count(80)
    with request_log.listening():
        [rest] = close("run", code=1)[0]["decide"]
        close("approve", rest["rest_id"], "--by", "Ada")
        close("run")
    booked = dict(
        world.connection.execute("select purpose, sum(reads)::int from tally.stripe_reads group by purpose").fetchall()
    )
    assert set(booked) == {"adoption", "closing", "settlement", "sync", "totals", "webhooks"}
    assert sum(booked.values()) == request_log.seen["GET"], booked


def _push_without_an_answer(world: World) -> None:
    """As `tally push` does, with less patience."""
    account = open_account(world.settings)
    world.stripe.fail("apply_then_500", count=None)
    plan(world.connection, account, TENANT, world.clock)
    deliver(world.settings, account, TENANT, world.clock, patience=timedelta(seconds=0.3))
    world.stripe.heal()
    account.close()
