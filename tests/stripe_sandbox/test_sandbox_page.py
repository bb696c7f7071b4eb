"""The page: all that an account knows, one account at a time, and no secret."""

import re
from typing import Any

import pytest
from sandbox_shop import FEBRUARY, HOUR, JANUARY, Shop


@pytest.fixture
def billed(shop: Shop) -> Shop:
    """Two customers with a final invoice each; one event dropped, one repeated, one on its way."""
    meter = shop.meter()
    price, clock = shop.metered_price(meter), shop.clock()
    for name, ref in (("Endeavor <Air>", "9E"), ("Delta Air Lines", "DL")):
        customer = shop.v1.customers.create({"name": name, "metadata": {"customer_ref": ref}, "test_clock": clock.id})
        shop.subscribe(customer, price)
        shop.use(customer, "100.25", JANUARY, identifier=f"first of {ref}")
    endpoint: Any = {"url": "http://127.0.0.1:9/hook", "enabled_events": ["invoice.finalized"]}
    shop.v1.webhook_endpoints.create(endpoint)
    shop.use("cus_nobody", "1")
    shop.advance(clock, FEBRUARY + 2 * HOUR)
    shop.settings(apply_lag_seconds=100)
    shop.use(customer, "7", FEBRUARY + HOUR)
    return shop


def test_the_page_shows_everything_and_fetches_nothing(billed: Shop) -> None:
    page = billed.page()
    for text in (
        "Endeavor &lt;Air&gt;", "Delta Air Lines", "api_calls", "100.25", "0.50 USD", "first of 9E", "pending",
        "meter_event_customer_not_found", "invoice.finalized", "http://127.0.0.1:9/hook", "2013-02-01 07:00",
        "apply lag seconds 100",
    ):  # fmt: skip
        assert text in page, text
    assert "whsec_" not in page
    assert re.findall(r'(?:src|href)="(?:https?:)?//', page) == []


def test_the_page_is_filtered_by_customer_and_by_account(billed: Shop) -> None:
    delta = billed.page(customer="dl")
    assert "Delta Air Lines" in delta
    assert "Endeavor" not in delta
    live = billed.page(namespace="live")
    assert "No meter yet." in live
    assert "Delta" not in live
    assert "<script>alert" not in billed.page(namespace="<script>alert(1)</script>")
