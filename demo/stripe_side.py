"""The Stripe side of the demo, made with the real SDK: meters, prices, sixteen subscribed customers on a test clock."""

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import stripe

from demo.billing_periods import STARTS_AT
from demo.flights import METRICS
from demo.prices import price_of

WORKERS = 4
# Stripe advances a clock by at most two intervals of its shortest subscription; two months have 59 days or more.
LONGEST_ADVANCE = timedelta(days=59)
_POLL_SECONDS = (0.02, 1.0)


class TestClockFailed(Exception):
    """Stripe did not finish advancing the test clock."""

    __test__ = False  # pytest: the name is Stripe's, this is no test


@dataclass(frozen=True)
class Subscribed:
    """A carrier's Stripe customer and subscription; `items` maps a metric to its subscription item."""

    customer_id: str
    subscription_id: str
    items: Mapping[str, str]


@dataclass(frozen=True)
class StripeSide:
    """Ids of what was created. `meters` and `prices` by metric, `customers` by carrier code."""

    clock_id: str
    product_id: str
    meters: Mapping[str, str]
    prices: Mapping[str, str]
    customers: Mapping[str, Subscribed]


def create_stripe_side(client: stripe.StripeClient, carriers: Mapping[str, str]) -> StripeSide:
    """Create everything in a Stripe account that has none of it; the clock stands at the first period's start.

    `carriers` maps codes to names; the code becomes the customer's metadata `customer_ref`.

    Raises:
        stripe.StripeError: a call failed; what was created before it stays.
    """
    clock = client.v1.test_helpers.test_clocks.create({"frozen_time": _unix(STARTS_AT), "name": "Tallyledger demo"})
    product = client.v1.products.create({"name": "Airport services"})
    with ThreadPoolExecutor(WORKERS) as pool:
        meters = dict(zip(METRICS, pool.map(lambda metric: _meter(client, metric), METRICS), strict=True))
        prices = dict(
            zip(
                METRICS,
                pool.map(lambda metric: _price(client, metric, product.id, meters[metric]), METRICS),
                strict=True,
            )
        )
        codes = sorted(carriers)
        subscribed = pool.map(lambda code: _subscribed(client, clock.id, code, carriers[code], prices), codes)
        return StripeSide(clock.id, product.id, meters, prices, dict(zip(codes, subscribed, strict=True)))


def advance(client: stripe.StripeClient, clock_id: str, to: datetime, timeout_seconds: float = 60) -> None:
    """Advance the test clock to `to`, in as many hops as Stripe's limit asks for, and wait until it is ready.

    Raises:
        TestClockFailed: Stripe says so, or the clock was not ready within `timeout_seconds`.
        stripe.InvalidRequestError: `to` is not after the clock's time.
    """
    deadline = time.monotonic() + timeout_seconds
    while True:
        reached = _ready(client, clock_id, deadline)
        if reached == to:
            return
        hop = min(to, reached + LONGEST_ADVANCE) if to > reached else to
        client.v1.test_helpers.test_clocks.advance(clock_id, {"frozen_time": _unix(hop)})


def _ready(client: stripe.StripeClient, clock_id: str, deadline: float) -> datetime:
    """The clock's time, once it is not advancing."""
    wait, longest = _POLL_SECONDS
    while (clock := client.v1.test_helpers.test_clocks.retrieve(clock_id)).status != "ready":
        if clock.status != "advancing":
            raise TestClockFailed(f"test clock {clock_id} is {clock.status}")
        if time.monotonic() > deadline:
            raise TestClockFailed(f"test clock {clock_id} is still advancing")
        time.sleep(wait)
        wait = min(2 * wait, longest)
    return datetime.fromtimestamp(clock.frozen_time, UTC)


def _meter(client: stripe.StripeClient, metric: str) -> str:
    # Always "sum": Tallyledger sends signed differences, from which a sum makes every aggregation.
    return client.v1.billing.meters.create(
        {
            "display_name": metric.replace("_", " ").capitalize(),
            "event_name": metric,
            "default_aggregation": {"formula": "sum"},
        }
    ).id


def _price(client: stripe.StripeClient, metric: str, product_id: str, meter_id: str) -> str:
    return client.v1.prices.create(price_of(metric, product_id, meter_id)).id


def _subscribed(
    client: stripe.StripeClient, clock_id: str, code: str, name: str, prices: Mapping[str, str]
) -> Subscribed:
    customer = client.v1.customers.create({"name": name, "test_clock": clock_id, "metadata": {"customer_ref": code}})
    subscription = client.v1.subscriptions.create(
        {
            "customer": customer.id,
            "items": [{"price": prices[metric]} for metric in METRICS],
            # Airlines pay on invoice; nothing is charged, so no payment method is needed.
            "collection_method": "send_invoice",
            "days_until_due": 30,
        }
    )
    metric_of = {price_id: metric for metric, price_id in prices.items()}
    items = {metric_of[item.price.id]: item.id for item in subscription["items"]["data"]}
    return Subscribed(customer.id, subscription.id, items)


def _unix(instant: datetime) -> int:
    return int(instant.timestamp())
