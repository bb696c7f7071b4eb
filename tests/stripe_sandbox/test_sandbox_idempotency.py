"""Idempotency keys, as the SDK sends them."""

import json
import threading
from typing import Any

import pytest
import stripe
from sandbox_shop import JANUARY, Shop, eventually

DAY = 86400


def headers_of(answer: Any) -> Any:
    return answer.last_response.headers


def test_the_same_key_gives_the_first_answer_again(shop: Shop) -> None:
    first, second = (shop.v1.customers.create({"name": "a"}, {"idempotency_key": "k"}) for _ in range(2))
    assert first.id == second.id
    assert "Idempotent-Replayed" not in headers_of(first)
    assert headers_of(second)["Idempotent-Replayed"] == "true"
    assert headers_of(second)["Original-Request"] == headers_of(first)["Request-Id"]
    assert len(shop.v1.customers.list().data) == 1


def test_the_same_key_with_other_parameters_is_refused(shop: Shop) -> None:
    shop.v1.customers.create({"name": "a"}, {"idempotency_key": "k"})
    with pytest.raises(stripe.IdempotencyError) as caught:
        shop.v1.customers.create({"name": "b"}, {"idempotency_key": "k"})
    assert caught.value.http_status == 400
    with pytest.raises(stripe.IdempotencyError):
        shop.v1.products.create({"name": "a"}, {"idempotency_key": "k"})


def test_keys_of_other_accounts_are_other_keys(shop: Shop) -> None:
    first = shop.v1.customers.create({"name": "a"}, {"idempotency_key": "k"})
    other = shop.client("sk_live_b").v1.customers.create({"name": "b"}, {"idempotency_key": "k"})
    assert first.id != other.id


def test_a_request_in_progress_conflicts(shop: Shop) -> None:
    shop.fail("delay", path="/v1/customers", delay_seconds=0.4)

    def create_slowly() -> None:
        with Shop(shop.url) as elsewhere:
            elsewhere.v1.customers.create({}, {"idempotency_key": "k"})

    slow = threading.Thread(target=create_slowly)
    slow.start()
    eventually(lambda: shop.control("GET", "failures")["data"][0]["fired"])
    with pytest.raises(stripe.APIError) as caught:
        shop.v1.customers.create({}, {"idempotency_key": "k"})
    assert caught.value.http_status == 409
    slow.join()
    assert len(shop.v1.customers.list().data) == 1


def test_a_stored_500_is_replayed_although_the_event_was_applied(shop: Shop) -> None:
    """The trap: only a new key, with the same identifier, tells that it was applied."""
    shop.meter()
    customer = shop.customer(shop.clock())
    shop.fail("apply_then_500", path="/v1/billing/meter_events", stored=True)
    params: Any = {
        "event_name": "api_calls",
        "payload": {"stripe_customer_id": customer.id, "value": "1"},
        "identifier": "i",
        "timestamp": JANUARY,
    }
    for replayed in (None, "true"):
        with pytest.raises(stripe.APIError) as caught:
            shop.v1.billing.meter_events.create(params, {"idempotency_key": "k"})
        assert caught.value.http_status == 500
        assert (caught.value.headers or {}).get("Idempotent-Replayed") == replayed
    with pytest.raises(stripe.InvalidRequestError, match="already exists with identifier i"):
        shop.v1.billing.meter_events.create(params, {"idempotency_key": "k~2"})
    assert shop.ledger()[0]["applied_count"] == 1


def test_an_unstored_500_lets_the_retry_through_to_the_identifier(shop: Shop) -> None:
    shop.meter()
    customer = shop.customer()
    shop.fail("apply_then_500", path="/v1/billing/meter_events", stored=False)
    with pytest.raises(stripe.InvalidRequestError, match="already exists"):
        shop.client(max_network_retries=1).v1.billing.meter_events.create(
            {"event_name": "api_calls", "payload": {"stripe_customer_id": customer.id, "value": "1"}, "identifier": "i"}
        )
    assert shop.ledger()[0]["applied_count"] == 1


def test_refused_parameters_leave_the_key_unused(shop: Shop) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        shop.v1.products.create({}, {"idempotency_key": "k"})
    assert shop.v1.products.create({"name": "a"}, {"idempotency_key": "k"}).name == "a"


def test_keys_are_forgotten_after_a_day(shop: Shop) -> None:
    first = shop.v1.customers.create({"name": "a"}, {"idempotency_key": "k"})
    shop.settings(clock_offset_seconds=DAY + 1)
    second = shop.v1.customers.create({"name": "b"}, {"idempotency_key": "k"})
    assert first.id != second.id


def test_keys_have_at_most_255_characters(shop: Shop) -> None:
    shop.v1.customers.create({}, {"idempotency_key": "k" * 255})
    with pytest.raises(stripe.IdempotencyError) as caught:
        shop.v1.customers.create({}, {"idempotency_key": "k" * 256})
    assert "255" in json.loads(str(caught.value.http_body))["error"]["message"]
