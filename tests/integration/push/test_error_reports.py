"""What Stripe accepted and dropped later comes back by thin events, and is told again once its cause is gone."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from push_billing import END, START, TENANT, Billing
from webhook_side import WebhookSide, receiving_door

from tally.pipeline_status import pipeline_status
from tally.push import preview, release_refused
from tally.stripe.sync import sync_subscriptions
from tally.webhooks import handle_all, show

HELD = "select state, rejected_code from tally.push_intents order by customer_ref, metric, seq"


@pytest.fixture
def webhooks(billing: Billing, built_database_url: str, tmp_path: Path, free_port: int) -> Iterator[WebhookSide]:
    """Three subscribed customers, synced; from now on a door is told what Stripe drops, at once."""
    billing.stripe.change(error_report_window_seconds=0.0)
    with receiving_door(billing.stripe, built_database_url, tmp_path, free_port):
        yield WebhookSide(billing)


def held(billing: Billing) -> dict[tuple[str, str], str]:
    found = preview(billing.connection, billing.account, TENANT, billing.clock).held
    return {(row.counter.customer_ref, row.reason): row.detail for row in found}


def wrong(billing: Billing) -> str:
    return " | ".join(pipeline_status(billing.connection, TENANT, billing.clock.now()).wrong)


def told(billing: Billing, customer_ref: str) -> Decimal:
    query = f"select coalesce(sum(told_quantity), 0) from tally.push_ledger where customer_ref = '{customer_ref}'"
    return Decimal(billing.one(query))


def test_a_dropped_intent_is_void_and_its_counter_waits_for_a_person(webhooks: WebhookSide) -> None:
    billing = webhooks.billing
    billing.count("globex", "api_calls", "7")
    billing.count("initech", "api_calls", "9")
    billing.stripe.fail("fail_500")  # the next attempt has another Idempotency-Key: identifier~2 is what a report names
    billing.stripe.client.v1.customers.delete(billing.customers["globex"])
    assert billing.push().confirmed == 2
    assert webhooks.handle_report().ended["handled"] >= 1
    assert webhooks.rows(HELD) == [("rejected", "meter_event_customer_not_found"), ("confirmed", None)]
    assert (told(billing, "globex"), told(billing, "initech")) == (Decimal(0), Decimal(9))
    assert "does not exist" in held(billing)["globex", "rejected"]
    assert "dropped them later (meter_event_customer_not_found)" in wrong(billing)
    [(event_id,)] = webhooks.rows("select event_id from tally.meter_error_reports")
    webhook, [report] = show(billing.connection, event_id)
    assert (webhook.state, report["error_count"], report["rejected"]) == ("handled", 1, 1)

    assert billing.push().attempts == {}  # no endless loop
    billing.connection.execute("update tally.stripe_webhooks set state = 'received'")  # the same report once more
    webhooks.handle()
    assert webhooks.rows(HELD)[0][0] == "rejected"
    assert release_refused(billing.connection, billing.account, TENANT) == 1
    [planned] = billing.plan().planned
    assert (planned.seq, planned.value) == (2, Decimal(7))
    webhooks.handle()  # an old report again: what it names is released, and stays so
    billing.connection.execute("update tally.stripe_webhooks set state = 'received'")
    webhooks.handle()
    assert [state for state, _ in webhooks.rows(HELD)] == ["cancelled", "planned", "confirmed"]


def test_a_customer_who_is_paid_for_by_another_one_is_released_without_a_person(webhooks: WebhookSide) -> None:
    billing = webhooks.billing
    billing.count("globex", "api_calls", "7")
    billing.stripe.client.v1.customers.delete(billing.customers["globex"])
    billing.push()
    webhooks.handle_report()
    assert ("globex", "rejected") in held(billing)
    successor = billing.stripe.customer("globex", billing.test_clock)
    period = {"backdate_start_date": int(START.timestamp()), "billing_cycle_anchor": int(END.timestamp())}
    billing.stripe.subscribe(successor, "api_calls", "peak_load", **period)
    sync_subscriptions(billing.connection, billing.account, TENANT, billing.clock)
    billing.customers["globex"] = successor
    assert [state for state, _ in webhooks.rows(HELD)] == ["cancelled"]


def test_an_archived_meter_pauses_its_mapping_until_it_is_back(webhooks: WebhookSide) -> None:
    billing = webhooks.billing
    meters = billing.stripe.client.v1.billing.meters
    for customer, value in (("globex", "7"), ("initech", "9"), ("umbrella", "11")):
        billing.count(customer, "api_calls", value)
    billing.count("globex", "peak_load", "3")
    meters.deactivate(billing.stripe.meters["api_calls"])
    billing.push()
    webhooks.handle_report()
    dropped = "select count(*) from tally.push_intents where state = 'rejected' and rejected_code = 'archived_meter'"
    assert billing.one(dropped) == 3
    billing.count("umbrella", "api_calls", "12")
    waiting = held(billing)
    assert {reason for _, reason in waiting} == {"paused"}
    assert "no active meter api_calls (archived_meter)" in waiting["umbrella", "paused"]
    assert "nothing goes to api_calls (self, test) since" in wrong(billing)
    assert billing.push().attempts == {}
    assert billing.applied("globex", "peak_load") == 3  # the other meter was not held up

    sync_subscriptions(billing.connection, billing.account, TENANT, billing.clock)
    assert billing.push().attempts == {}
    meters.reactivate(billing.stripe.meters["api_calls"])
    sync_subscriptions(billing.connection, billing.account, TENANT, billing.clock)
    assert billing.push().confirmed == 3
    assert [billing.applied(each, "api_calls") for each in ("globex", "initech", "umbrella")] == [7, 9, 12]
    assert billing.plan().held == []
    assert "api_calls" not in wrong(billing)


def test_a_report_that_no_webhook_brought_is_found_by_asking(billing: Billing) -> None:
    billing.stripe.change(error_report_window_seconds=0.0, error_report_names_idempotency_key=False)
    billing.count("globex", "api_calls", "7")
    billing.stripe.client.v1.customers.delete(billing.customers["globex"])
    billing.push()
    billing.stripe.until_applied()
    billing.stripe.control.post("/_sandbox/catch_up").raise_for_status()
    for handled in (1, 0):
        [account] = handle_all(billing.settings, billing.connection, billing.clock)
        assert account.wrong == ()
        assert account.result is not None
        assert account.result.ended.get("handled", 0) == handled
    assert billing.states() == ["rejected"]


def test_errors_that_a_report_does_not_name_are_found_by_the_meters_totals(webhooks: WebhookSide) -> None:
    billing = webhooks.billing
    meters, meter = billing.stripe.client.v1.billing.meters, billing.stripe.meters["api_calls"]
    billing.stripe.change(error_report_samples=1, error_report_window_seconds=60.0)
    billing.count("umbrella", "api_calls", "11")
    billing.push()
    billing.stripe.until_applied()
    meters.deactivate(meter)
    billing.count("globex", "api_calls", "7")
    billing.count("initech", "api_calls", "9")
    billing.push()
    billing.stripe.until_applied()
    billing.stripe.change(error_report_window_seconds=0.0)  # the window ends: one report of both
    webhooks.handle_report()
    states = dict(webhooks.rows("select customer_ref, state from tally.push_intents"))
    assert sorted((states["globex"], states["initech"])) == ["rejected", "resolving"]
    assert states["umbrella"] == "confirmed"  # its total shows it
    assert "that its report does not name, 1 intents are in doubt" in wrong(billing)
    meters.reactivate(meter)
    sync_subscriptions(billing.connection, billing.account, TENANT, billing.clock)
    billing.push()  # what was named is sent again; of the other one, this is a first reading that it is absent
    billing.clock.at += timedelta(hours=25)
    billing.deliver()
    assert sorted(state for state, _ in webhooks.rows(HELD)) == ["cancelled", "confirmed", "confirmed", "missing"]
    assert billing.push().confirmed == 1
    assert [billing.applied(each, "api_calls") for each in ("globex", "initech", "umbrella")] == [7, 9, 11]


def test_an_intent_whose_answer_is_open_is_settled_before_a_report_of_it_counts(webhooks: WebhookSide) -> None:
    billing = webhooks.billing
    billing.count("globex", "api_calls", "7")
    billing.stripe.client.v1.customers.delete(billing.customers["globex"])
    billing.stripe.fail("drop")  # Stripe took it, and we do not know
    billing.push(patience=timedelta(seconds=0.2))
    assert webhooks.rows(HELD) == [("unknown", None)]
    result = webhooks.handle_report()
    assert result.waiting == 1
    assert webhooks.rows(HELD) == [("unknown", None)]
    billing.deliver()
    assert webhooks.rows(HELD) == [("confirmed", None)]
    billing.connection.execute("update tally.stripe_webhooks set lease_until = now() where state = 'received'")
    assert webhooks.handle().waiting == 0
    assert webhooks.rows(HELD) == [("rejected", "meter_event_customer_not_found")]


def test_what_looks_mended_and_is_not_is_released_three_times_a_day_at_most(webhooks: WebhookSide) -> None:
    billing = webhooks.billing
    billing.count("globex", "api_calls", "7")
    # Stripe says that the meter is archived, and shows it active whenever it is asked.
    for round_ in range(1, 5):
        billing.stripe.client.v1.billing.meters.deactivate(billing.stripe.meters["api_calls"])
        billing.push()
        billing.stripe.until_applied()
        billing.stripe.client.v1.billing.meters.reactivate(billing.stripe.meters["api_calls"])
        webhooks.handle_report()
        states = [state for state, _ in webhooks.rows(HELD)]
        assert states == ["cancelled"] * round_ if round_ < 4 else ["cancelled"] * 3 + ["rejected"]
    assert ("globex", "rejected") in held(billing)
    billing.clock.at += timedelta(days=1, minutes=1)
    sync_subscriptions(billing.connection, billing.account, TENANT, billing.clock)
    assert billing.plan().planned != []
