"""The Stripe side, made by the real SDK in the local Stripe: read back, and its clock advanced to a final invoice."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import stripe

from demo.billing_periods import FEBRUARY, JANUARY
from demo.dataset import read_airlines
from demo.flights import METRICS
from demo.stripe_side import StripeSide, advance, create_stripe_side


@pytest.fixture
def client(stripe_url: str) -> Iterator[stripe.StripeClient]:
    response = httpx.post(f"{stripe_url}/_sandbox/settings", json={"finalization_grace_hours": 72})
    assert response.is_success, response.text
    http = stripe.RequestsClient(timeout=10)
    yield stripe.StripeClient("sk_test_demo", base_addresses={"api": stripe_url}, http_client=http)
    http.close()  # type: ignore[no-untyped-call]


@pytest.fixture
def side(client: stripe.StripeClient) -> StripeSide:
    return create_stripe_side(client, read_airlines())


def _at(unix: int) -> datetime:
    return datetime.fromtimestamp(unix, UTC)


def test_sixteen_carriers_are_subscribed_to_four_metered_prices(client: stripe.StripeClient, side: StripeSide) -> None:
    customers = client.v1.customers.list({"test_clock": side.clock_id, "limit": 100}).data
    assert {customer.metadata["customer_ref"]: customer.id for customer in customers if customer.metadata} == {
        code: subscribed.customer_id for code, subscribed in side.customers.items()
    }
    assert side.customers.keys() == read_airlines().keys()
    for subscribed in side.customers.values():
        subscription = client.v1.subscriptions.retrieve(subscribed.subscription_id)
        items = subscription["items"]["data"]
        assert subscription.status == "active"
        assert {item.price.id: item.id for item in items} == {
            side.prices[metric]: subscribed.items[metric] for metric in METRICS
        }
        periods = {(_at(item.current_period_start), _at(item.current_period_end)) for item in items}
        assert periods == {(JANUARY.start, JANUARY.end)}


def test_meters_sum_what_is_sent_under_the_configured_names(client: stripe.StripeClient, side: StripeSide) -> None:
    meters = {meter.id: meter for meter in client.v1.billing.meters.list({"limit": 100}).data}
    assert {meters[meter_id].event_name for meter_id in side.meters.values()} == set(METRICS)
    assert {meter.default_aggregation.formula for meter in meters.values()} == {"sum"}
    prices = {
        metric: client.v1.prices.retrieve(price_id, {"expand": ["tiers"]}) for metric, price_id in side.prices.items()
    }
    for metric, price in prices.items():
        assert price.recurring is not None
        assert price.recurring.meter == side.meters[metric]
    assert len(prices["air_minutes"].tiers or []) == 2
    assert str(prices["peak_departure_delay"].unit_amount_decimal) == "249.95"


def test_the_clock_advances_through_periods_to_final_invoices(client: stripe.StripeClient, side: StripeSide) -> None:
    united = side.customers["UA"]
    advance(client, side.clock_id, JANUARY.end)
    item = client.v1.subscriptions.retrieve(united.subscription_id)["items"]["data"][0]
    assert (_at(item.current_period_start), _at(item.current_period_end)) == (FEBRUARY.start, FEBRUARY.end)
    assert _january_status(client, united.subscription_id) == "draft"
    advance(client, side.clock_id, JANUARY.finalizes_at)
    assert _january_status(client, united.subscription_id) in {"open", "paid"}


def test_a_long_advance_goes_in_hops(client: stripe.StripeClient, side: StripeSide) -> None:
    later = FEBRUARY.end + timedelta(days=100)
    advance(client, side.clock_id, later)
    assert _at(client.v1.test_helpers.test_clocks.retrieve(side.clock_id).frozen_time) == later
    advance(client, side.clock_id, later)  # already there
    with pytest.raises(stripe.InvalidRequestError):
        advance(client, side.clock_id, JANUARY.start)


def _january_status(client: stripe.StripeClient, subscription_id: str) -> str | None:
    invoices = client.v1.invoices.list({"subscription": subscription_id, "limit": 100}).data
    return next(invoice.status for invoice in invoices if _at(invoice.period_end) == JANUARY.end)
