"""Knobs that no other file turns: lags, live limits, copies of webhooks; and the adjustments of the newer API."""

import time
from typing import Any

import stripe
from sandbox_shop import JANUARY, Shop, eventually


def test_events_overtake_each_other_and_summaries_follow_later(shop: Shop) -> None:
    shop.settings(apply_out_of_order=True, apply_lag_spread_seconds=0.6, summary_lag_seconds=0.0)
    meter, customer = shop.meter(), shop.customer(shop.clock())
    for identifier, value in (("first", "1"), ("second", "10")):
        shop.use(customer, value, JANUARY, identifier=identifier)

    def applied() -> set[str]:
        return {row["identifier"] for row in shop.ledger() if row["applied_count"]}

    assert len(eventually(applied)) == 1, "one of a pair is counted well before the other"
    eventually(lambda: applied() == {"first", "second"})
    assert [row.aggregated_value for row in shop.summary(meter, customer)] == [11]
    shop.settings(summary_lag_seconds=60)
    assert shop.summary(meter, customer).data == []


def test_live_meter_events_have_a_limit_to_themselves(shop: Shop) -> None:
    live = shop.client("sk" + "_live_" + "shop")
    shop.settings(rate_limit_per_second=1, live_meter_events_per_second=100)
    meter: Any = {"display_name": "m", "event_name": "m", "default_aggregation": {"formula": "sum"}}
    live.v1.billing.meters.create(meter)
    payload = {"stripe_customer_id": "cus_1", "value": "1"}
    for _ in range(20):
        live.v1.billing.meter_events.create({"event_name": "m", "payload": payload})
    refused = 0
    for _ in range(3):
        try:
            live.v1.billing.meters.list()
        except stripe.RateLimitError:
            refused += 1
    assert refused >= 2
    shop.settings(rate_limit_per_second=0)
    assert shop.v1.billing.meters.list().data == []  # nothing of live mode shows in test mode


def test_webhooks_come_more_than_once(shop: Shop) -> None:
    shop.settings(webhook_copies=3, webhook_delay_spread_seconds=0.1, webhook_attempts=1)
    shop.v1.webhook_endpoints.create({"url": "http://127.0.0.1:9/", "enabled_events": ["customer.created"]})
    shop.customer()
    time.sleep(0.05)
    page = shop.page()
    assert page.count("customer.created") >= 4  # the endpoint's own line, and three deliveries


def test_the_newer_api_cancels_too(shop: Shop) -> None:
    meter, customer = shop.meter(), shop.customer(shop.clock())
    shop.use(customer, "5", JANUARY, identifier="wrong")
    cancelled = shop.stripe.v2.billing.meter_event_adjustments.create(
        {"event_name": meter.event_name, "type": "cancel", "cancel": {"identifier": "wrong"}}
    )
    assert (cancelled.status, cancelled.cancel.identifier) == ("pending", "wrong")
    assert shop.summary(meter, customer).data == []
