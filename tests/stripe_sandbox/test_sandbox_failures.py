"""Scripted failures: what the SDK makes of each, and what the sandbox had done by then."""

import threading
from typing import Any

import pytest
import stripe
from sandbox_shop import Shop, eventually

EVENTS = "/v1/billing/meter_events"


@pytest.fixture
def customer(shop: Shop) -> stripe.Customer:
    shop.meter()
    return shop.customer()


def send(shop: Shop, customer: stripe.Customer, identifier: str = "i", **options: Any) -> Any:
    return shop.client(**options).v1.billing.meter_events.create(
        {
            "event_name": "api_calls",
            "payload": {"stripe_customer_id": customer.id, "value": "1"},
            "identifier": identifier,
        },
        {"idempotency_key": identifier},
    )


def applied(shop: Shop) -> int:
    return sum(entry["applied_count"] for entry in shop.ledger())


@pytest.mark.parametrize(
    ("kind", "status", "was_applied"),
    [
        ("fail_500", 500, 0),
        ("html_502", 502, 0),
        ("conflict", 409, 0),
        ("apply_then_500", 500, 1),
    ],
)
def test_server_errors(shop: Shop, customer: stripe.Customer, kind: str, status: int, was_applied: int) -> None:
    shop.fail(kind, path=EVENTS)
    with pytest.raises(stripe.APIError) as caught:
        send(shop, customer)
    assert caught.value.http_status == status
    assert applied(shop) == was_applied


@pytest.mark.parametrize("kind", ["no_answer", "drop", "truncated"])
def test_answers_that_never_arrive_whole(shop: Shop, customer: stripe.Customer, kind: str) -> None:
    """The event is applied; the sender cannot know, and the retry with the same key is told."""
    shop.fail(kind, path=EVENTS)
    client = stripe.RequestsClient(timeout=0.4)
    with pytest.raises(stripe.APIConnectionError):
        send(shop, customer, http_client=client)
    client.close()
    assert applied(shop) == 1
    assert send(shop, customer).last_response.headers["Idempotent-Replayed"] == "true"
    assert applied(shop) == 1


def test_the_sdks_own_retries_survive_a_drop(shop: Shop, customer: stripe.Customer) -> None:
    shop.fail("drop", path=EVENTS)
    assert send(shop, customer, max_network_retries=1).identifier == "i"
    assert applied(shop) == 1


def test_rate_limits_say_why(shop: Shop, customer: stripe.Customer) -> None:
    shop.fail("rate_limited", path=EVENTS, reason="endpoint-rate", retry_after="2")
    with pytest.raises(stripe.RateLimitError) as caught:
        send(shop, customer, max_network_retries=2)  # the SDK does not retry a 429 unless told to
    assert (caught.value.headers or {})["stripe-rate-limited-reason"] == "endpoint-rate"
    assert (caught.value.headers or {})["retry-after"] == "2"
    assert shop.ledger() == []


def test_a_lock_timeout_asks_to_be_retried(shop: Shop, customer: stripe.Customer) -> None:
    shop.fail("lock_timeout", path=EVENTS)
    assert send(shop, customer, max_network_retries=1).identifier == "i"


@pytest.mark.parametrize("kind", ["delay", "delay_answer"])
def test_slow_requests_succeed(shop: Shop, customer: stripe.Customer, kind: str) -> None:
    shop.fail(kind, path=EVENTS, delay_seconds=0.05)
    assert send(shop, customer).identifier == "i"


def test_a_script_chooses_its_requests(shop: Shop, customer: stripe.Customer) -> None:
    shop.fail("fail_500", method="POST", path="/v1/billing/*", nth=2, count=2)
    outcomes = []
    for number in range(5):
        try:
            send(shop, customer, f"i{number}")
            outcomes.append(True)
        except stripe.APIError:
            outcomes.append(False)
    assert outcomes == [True, False, False, True, True]
    shop.fail("fail_500", contains="identifier=special", count=None)
    send(shop, customer, "plain")
    for _ in range(2):
        with pytest.raises(stripe.APIError):
            send(shop, customer, "special")
    shop.control("DELETE", "failures")
    send(shop, customer, "special")


def test_two_scripts_for_the_same_request_fire_one_after_the_other(shop: Shop, customer: stripe.Customer) -> None:
    shop.fail("fail_500", path=EVENTS)
    shop.fail("html_502", path=EVENTS)
    statuses = []
    for _ in range(2):
        with pytest.raises(stripe.APIError) as caught:
            send(shop, customer)
        statuses.append(caught.value.http_status)
    assert statuses == [500, 502]


@pytest.mark.parametrize("body", [{"kind": "explode"}, {"kind": "drop", "nth": 0}, {"kind": "drop", "who": 1}, {}, []])
def test_a_script_that_makes_no_sense_is_refused(shop: Shop, body: Any) -> None:
    shop.control("POST", "failures", body, expected=400)
    assert shop.control("GET", "failures")["data"] == []


def test_the_rate_limit_is_a_setting(shop: Shop, customer: stripe.Customer) -> None:
    shop.settings(rate_limit_per_second=3)
    for _ in range(3):
        shop.v1.customers.list()
    with pytest.raises(stripe.RateLimitError) as caught:
        shop.v1.customers.list()
    assert (caught.value.headers or {})["stripe-rate-limited-reason"] == "global-rate"
    shop.client("sk_live_other").v1.customers.list()


def test_one_call_at_a_time_per_customer_and_meter_is_a_setting(shop: Shop, customer: stripe.Customer) -> None:
    shop.settings(meter_event_concurrency=1)
    shop.fail("delay", path=EVENTS, delay_seconds=0.4)

    def send_slowly() -> None:
        with Shop(shop.url) as elsewhere:
            send(elsewhere, customer, "slow")

    slow = threading.Thread(target=send_slowly)
    slow.start()
    eventually(lambda: shop.control("GET", "failures")["data"][0]["fired"])
    with pytest.raises(stripe.RateLimitError) as caught:
        send(shop, customer, "second")
    assert (caught.value.headers or {})["stripe-rate-limited-reason"] == "resource-specific"
    send(shop, shop.v1.customers.create(), "other customer")
    slow.join()
    send(shop, customer, "second")
    assert applied(shop) == 3


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("unauthorized", stripe.AuthenticationError),
        ("forbidden", stripe.PermissionError),
        ("refused", stripe.InvalidRequestError),
    ],
)
def test_refusals_apply_nothing(
    shop: Shop, customer: stripe.Customer, kind: str, error: type[stripe.StripeError]
) -> None:
    shop.fail(kind, path=EVENTS)
    with pytest.raises(error):
        send(shop, customer)
    assert shop.ledger() == []
