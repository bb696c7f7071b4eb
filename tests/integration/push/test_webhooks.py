"""Webhooks from the local Stripe through a real door: the mirror follows, in any order, again, killed or not."""

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from push_billing import END, METRICS, NOW, START, TENANT, Billing
from stripe_side import TEST_KEY, StripeSide
from typer.testing import CliRunner
from webhook_side import WebhookSide, receiving_door, until

from tally.cli.webhooks import app
from tally.clock import FixedClock
from tally.errors import TallyError
from tally.settings import load_settings
from tally.stripe.invoice_mirror import mirror_invoice, read_invoice
from tally.stripe.sync import sync_subscriptions
from tally.stripe.totals import read_totals

_ITEMS = """
select item_id, customer_ref, metric, subscription_status, started_at, ended_at, current_period_start,
    current_period_end
from tally.stripe_subscription_items order by item_id
"""
_PERIODS = "select customer_ref, period_start, period_end, origin from tally.customer_periods order by 1, 2"
_INVOICES = """
select customer_ref, metric, period_start, invoice_id, invoice_status, invoice_quantity, invoice_amount
from tally.stripe_totals where invoice_status <> 'preview' order by 1, 2, 3
"""


@pytest.fixture
def webhooks(
    ledger_connection: psycopg.Connection[Any],
    stripe_side: StripeSide,
    built_database_url: str,
    tmp_path: Path,
    free_port: int,
) -> Iterator[WebhookSide]:
    """A door that is told everything from the first subscription on; no sync has ever run."""
    clock = FixedClock(NOW)
    test_clock = stripe_side.test_clock(START)
    stripe_side.change(webhook_copies=2, webhook_delay_spread_seconds=0.1)  # each is sent twice, out of order
    with receiving_door(stripe_side, built_database_url, tmp_path, free_port, "*"):
        for metric in METRICS:
            stripe_side.meter(metric)
        customers = {ref: stripe_side.customer(ref, test_clock) for ref in ("globex", "initech")}
        for customer in customers.values():
            stripe_side.subscribe(customer, *METRICS)
        settings = stripe_side.settings(built_database_url, tmp_path)
        yield WebhookSide(
            Billing(ledger_connection, settings, stripe_side, stripe_side.account, clock, customers, test_clock)
        )


def mirror(side: WebhookSide) -> dict[str, Any]:
    return {name: side.rows(query) for name, query in (("items", _ITEMS), ("periods", _PERIODS), ("i", _INVOICES))}


def test_a_month_is_mirrored_by_webhooks_alone_in_any_order_and_again(webhooks: WebhookSide) -> None:
    billing = webhooks.billing
    until(lambda: webhooks.received("customer.subscription.created") == 2)
    assert webhooks.handle().ended["handled"] == 2
    billing.stripe.advance(billing.test_clock, NOW)
    billing.count("globex", "api_calls", "7")
    assert billing.push().confirmed == 1  # its period is Stripe's, and its customer is known
    billing.stripe.until_applied()
    billing.clock.at = END + timedelta(minutes=30)
    billing.stripe.advance(billing.test_clock, billing.clock.at)
    until(lambda: webhooks.received("invoice.created") == 2)
    assert webhooks.handle().failures == ()
    [(status, quantity)] = webhooks.rows(
        "select invoice_status, invoice_quantity from tally.stripe_totals where invoice_amount > 0"
    )
    assert (status, quantity) == ("draft", 7)
    billing.clock.at = END + timedelta(hours=2)
    billing.stripe.advance(billing.test_clock, billing.clock.at)
    until(lambda: webhooks.received("invoice.finalized") == 2 and webhooks.received("invoice.paid") == 1)
    assert webhooks.handle().waiting == 0
    told = mirror(webhooks)
    assert [row[4:] for row in told["i"] if row[5]] == [("open", Decimal(7), Decimal(70))]

    order = random.Random(3)
    events = [event_id for (event_id,) in webhooks.rows("select event_id from tally.stripe_webhooks")]
    for _ in range(2):
        order.shuffle(events)
        for event_id in events:
            webhooks.connection.execute(
                "update tally.stripe_webhooks set state = 'received', received_at = clock_timestamp()"
                " where event_id = %s",
                (event_id,),
            )
        webhooks.handle()
        assert mirror(webhooks) == told
    # The poll reads the same from Stripe, all at once.
    sync_subscriptions(billing.connection, billing.account, TENANT, billing.clock)
    read_totals(billing.connection, billing.account, TENANT, billing.clock)
    assert mirror(webhooks) == told


def test_a_cancellation_ends_the_items_of_that_subscription_alone(webhooks: WebhookSide) -> None:
    billing = webhooks.billing
    until(lambda: webhooks.received("customer.subscription.created") == 2)
    webhooks.handle()
    [subscription] = {row[0] for row in webhooks.rows(
        "select subscription_id from tally.stripe_subscription_items where customer_ref = 'globex'"
    )}  # fmt: skip
    billing.stripe.client.v1.subscriptions.update(subscription, {"cancel_at": int(END.timestamp())})
    billing.clock.at = END + timedelta(hours=2)
    billing.stripe.advance(billing.test_clock, billing.clock.at)
    until(lambda: webhooks.received("customer.subscription.deleted") == 1)
    until(lambda: webhooks.received("customer.subscription.updated") == 2)
    webhooks.handle()
    ended = "select distinct customer_ref, ended_at from tally.stripe_subscription_items order by 1"
    assert webhooks.rows(ended) == [("globex", END), ("initech", None)]
    told = mirror(webhooks)
    sync_subscriptions(billing.connection, billing.account, TENANT, billing.clock)
    assert mirror(webhooks) == told


def test_a_handler_that_dies_leaves_its_webhook_to_the_next_one(
    webhooks: WebhookSide, built_database_url: str, tmp_path: Path
) -> None:
    billing, stripe = webhooks.billing, webhooks.billing.stripe
    until(lambda: webhooks.received("customer.subscription.created") == 2)
    stripe.fail("no_answer", method="GET", path="/v1/subscriptions/*")
    environment = {
        **os.environ,
        "DATABASE_URL": built_database_url,
        "TALLY_HOME": str(tmp_path),
        "STRIPE_API_KEY": TEST_KEY,
        "STRIPE_API_BASE": stripe.url,
        "TALLY_STRIPE_TIMEOUT_SECONDS": "60",
    }
    command = [str(Path(sys.executable).with_name("tally")), "webhooks", "handle", "--json"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as handler:
        leased = "select from tally.stripe_webhooks where state = 'received' and lease_until is not null"
        until(lambda: bool(webhooks.rows(leased)))
        until(lambda: any(failure["fired"] for failure in stripe.control.get("/_sandbox/failures").json()["data"]))
        handler.send_signal(signal.SIGKILL)
    webhooks.handle()
    assert len(webhooks.rows(leased)) == 1  # nobody else touches it until the lease is over
    billing.connection.execute("update tally.stripe_webhooks set lease_until = now() where state = 'received'")
    assert webhooks.handle().waiting == 0
    told = mirror(webhooks)
    sync_subscriptions(billing.connection, billing.account, TENANT, billing.clock)
    assert mirror(webhooks) == told
    assert len(told["items"]) == 4


def test_what_stripe_does_not_answer_for_is_tried_again_and_then_waits_for_a_person(webhooks: WebhookSide) -> None:
    billing = webhooks.billing
    until(lambda: webhooks.received("customer.subscription.created") == 2)
    webhooks.handle()
    billing.connection.execute(
        "update tally.stripe_webhooks set state = 'received', attempts = 6 where type like 'cust%sub%'"
    )
    billing.stripe.fail("refused", method="GET", path="/v1/subscriptions/*", count=None)
    first = webhooks.handle()
    assert (first.ended, first.waiting) == ({}, 2)
    billing.connection.execute("update tally.stripe_webhooks set lease_until = now() where state = 'received'")
    second = webhooks.handle()
    assert (second.ended, second.waiting, len(second.failures)) == ({"failed": 2}, 0, 2)


def test_a_reading_that_began_earlier_undoes_nothing_that_a_webhook_brought_since(webhooks: WebhookSide) -> None:
    billing = webhooks.billing
    until(lambda: webhooks.received("customer.subscription.created") == 2)
    webhooks.handle()
    billing.stripe.client.v1.test_helpers.test_clocks.delete(billing.test_clock)  # Stripe lists nothing any more
    ended = "select count(*) from tally.stripe_subscription_items where ended_at is not null"
    for began, number in ((NOW - timedelta(minutes=1), 0), (NOW, 4)):
        sync_subscriptions(billing.connection, billing.account, TENANT, FixedClock(began))
        assert webhooks.rows(ended) == [(number,)]


def test_an_invoice_as_it_was_earlier_does_not_replace_what_is_known_since(webhooks: WebhookSide) -> None:
    billing = webhooks.billing
    until(lambda: webhooks.received("customer.subscription.created") == 2)
    webhooks.handle()
    billing.clock.at = END + timedelta(hours=2)
    billing.stripe.advance(billing.test_clock, billing.clock.at)
    until(lambda: webhooks.received("invoice.paid") == 2)
    webhooks.handle()
    known = "select distinct invoice_status from tally.stripe_totals where invoice_id is not null"
    assert webhooks.rows(known) == [("paid",)]
    webhooks.connection.execute("update tally.stripe_totals set invoice_status = 'void'")  # as if it had been since
    for seconds, status in ((-60, "void"), (0, "paid")):
        for (invoice_id,) in webhooks.rows("select object_id from tally.stripe_webhooks where type = 'invoice.paid'"):
            invoice = read_invoice(billing.account, invoice_id)
            assert invoice is not None
            clock = FixedClock(billing.clock.at + timedelta(seconds=seconds))
            mirror_invoice(billing.connection, billing.account, TENANT, clock, invoice)
        assert webhooks.rows(known) == [(status,)]


def test_the_commands_list_show_handle_and_retry(
    webhooks: WebhookSide, built_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leads_here = {
        "DATABASE_URL": built_database_url,
        "TALLY_HOME": str(tmp_path),
        "STRIPE_API_KEY": TEST_KEY,
        "STRIPE_API_BASE": webhooks.billing.stripe.url,
    }
    for name, value in leads_here.items():
        monkeypatch.setenv(name, value)
    load_settings.cache_clear()
    try:
        until(lambda: webhooks.received("customer.subscription.created") == 2)
        handled = json.loads(tally("handle", "--json"))
        assert [(each["account"], each["mode"], each["failure"]) for each in handled] == [("self", "test", None)]
        assert handled[0]["result"]["ended"]["handled"] == 2
        listed = json.loads(tally("list", "--type", "customer.subscription", "--json"))
        assert {(row["state"], row["payload"]) for row in listed} == {("handled", "snapshot")}
        event = listed[0]["event_id"]
        assert "acme: 2 metered items, 0 ended" in json.loads(tally("show", event, "--json"))["outcome"]
        webhooks.connection.execute("update tally.stripe_webhooks set state = 'failed' where event_id = %s", (event,))
        assert [row["event_id"] for row in json.loads(tally("list", "--state", "failed", "--json"))] == [event]
        assert tally("retry", "--all-failed").startswith("1 webhooks are received again")
        assert "self, test mode: 1 handled" in tally("handle")
        assert "evt_none" in tally("show", "evt_none", code=1)
        assert tally("retry", code=2) == ""
    finally:
        load_settings.cache_clear()


def tally(*arguments: str, code: int = 0) -> str:
    """What `tally webhooks` says, or the message that it ends with."""
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == code, result.output
    return str(result.exception) if isinstance(result.exception, TallyError) else result.stdout
