"""The Stripe side: two meters, three prices, five subscriptions, and what their owners do to them. By the real SDK."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import psycopg
import stripe
from rich.console import Console
from stripe.params import PriceCreateParams, SubscriptionCreateParams

from demo.cycle.calendar import CANCELLED_AT, JANUARY, PAUSED_AT, RESUMED_AT, STARTS_AT, UPGRADED_AT
from demo.cycle.cast import BEN, CLEO, CUSTOMERS, DAN, EVE
from demo.cycle.usage import API_CALLS, METRICS, SEATS
from tally.period_segments import split_period

CURRENCY = "usd"


@dataclass(frozen=True)
class Subscription:
    """Ids in Stripe; `items` by metric."""

    subscription_id: str
    items: Mapping[str, str]


@dataclass(frozen=True)
class CycleSide:
    """What was created: subscriptions by customer, and the prices, by metric, that Cleo upgrades to."""

    clock_id: str
    subscriptions: Mapping[str, Subscription]
    upgraded: Mapping[str, str]


def create_cycle_side(client: stripe.StripeClient) -> CycleSide:
    """Create everything; the test clock stands at the first period's start."""
    clock = client.v1.test_helpers.test_clocks.create({"frozen_time": _unix(STARTS_AT), "name": "Three months"})
    product = client.v1.products.create({"name": "Cloud"}).id
    meters = {metric: _meter(client, metric) for metric in METRICS}
    prices = {
        API_CALLS: client.v1.prices.create(_calls_price(product, meters[API_CALLS])).id,
        SEATS: client.v1.prices.create(_metered(product, meters[SEATS], Decimal("1250"))).id,
    }
    upgraded = {
        API_CALLS: client.v1.prices.create(_metered(product, meters[API_CALLS], Decimal("0.0875"))).id,
        SEATS: client.v1.prices.create(_metered(product, meters[SEATS], Decimal("990"))).id,
    }
    made = {customer: _subscribe(client, clock.id, customer, prices) for customer in CUSTOMERS}
    return CycleSide(clock.id, made, upgraded)


def happenings(
    client: stripe.StripeClient, side: CycleSide, connection: psycopg.Connection, tenant: str
) -> dict[datetime, Callable[[Console], None]]:
    """What is done to the subscriptions, by moment."""

    def order(console: Console) -> None:
        split_period(connection, tenant, CLEO, UPGRADED_AT)
        console.print("  Cleo orders an upgrade for 15 February: the month's two parts are counted and priced apart")

    def upgrade(console: Console) -> None:
        for metric, item in side.subscriptions[CLEO].items.items():
            client.v1.subscription_items.update(item, {"price": side.upgraded[metric]})
        console.print("  Cleo is upgraded, in mid-period")

    def pause(console: Console) -> None:
        _update(client, side, DAN, {"pause_collection": {"behavior": "void"}})
        console.print("  Dan pauses: what is used goes on being counted, February's invoice will be void")

    def resume(console: Console) -> None:
        _update(client, side, DAN, {"pause_collection": ""})
        console.print("  Dan resumes")

    def cancel(console: Console) -> None:
        _update(client, side, EVE, {"cancel_at_period_end": True})
        console.print("  Eve cancels: her subscription ends with February")

    return {JANUARY.end: order, PAUSED_AT: pause, UPGRADED_AT: upgrade, CANCELLED_AT: cancel, RESUMED_AT: resume}


def _update(
    client: stripe.StripeClient, side: CycleSide, customer: str, changes: stripe.params.SubscriptionUpdateParams
) -> None:
    client.v1.subscriptions.update(side.subscriptions[customer].subscription_id, changes)


def _meter(client: stripe.StripeClient, metric: str) -> str:
    return client.v1.billing.meters.create(
        {"display_name": metric, "event_name": metric, "default_aggregation": {"formula": "sum"}}
    ).id


def _metered(product: str, meter: str, cents: Decimal) -> PriceCreateParams:
    return {
        "currency": CURRENCY,
        "product": product,
        "recurring": {"interval": "month", "usage_type": "metered", "meter": meter},
        "unit_amount_decimal": cents,
    }


def _calls_price(product: str, meter: str) -> PriceCreateParams:
    """Graduated, in fractions of a cent: rounded once, at the line."""
    price = _metered(product, meter, Decimal(0))
    del price["unit_amount_decimal"]
    price["billing_scheme"] = "tiered"
    price["tiers_mode"] = "graduated"
    price["tiers"] = [
        {"up_to": 100_000, "unit_amount_decimal": Decimal("0.125")},
        {"up_to": "inf", "unit_amount_decimal": Decimal("0.1")},
    ]
    return price


def _subscribe(client: stripe.StripeClient, clock: str, ref: str, prices: Mapping[str, str]) -> Subscription:
    customer = client.v1.customers.create(
        {"name": CUSTOMERS[ref], "test_clock": clock, "metadata": {"customer_ref": ref}}
    )
    asked: SubscriptionCreateParams = {
        "customer": customer.id,
        "items": [{"price": prices[metric]} for metric in METRICS],
        "billing_mode": {"type": "flexible"},
        "collection_method": "send_invoice",
        "days_until_due": 30,
    }
    if ref == BEN:
        asked["trial_end"] = _unix(JANUARY.end)
    made = client.v1.subscriptions.create(asked)
    metric_of = {price: metric for metric, price in prices.items()}
    return Subscription(made.id, {metric_of[item.price.id]: item.id for item in made["items"]["data"]})


def _unix(instant: datetime) -> int:
    return int(instant.timestamp())
