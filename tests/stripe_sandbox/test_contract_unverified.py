"""What nobody has verified against Stripe: a test a point, and where Stripe may differ, a knob of the local Stripe.

They run against the local Stripe always, and against a Stripe sandbox when STRIPE_CONTRACT_KEY is set. One that fails
there says that Stripe differs: the knob's default is wrong then, or the code that relies on it.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import stripe
from contract_key import contract_key
from contract_target import DAY, HOUR, MINUTE, PacedRequests, Target, now_minute
from sandbox_shop import Shop


@pytest.fixture(params=["local", *(["stripe"] if contract_key() else [])])
def target(request: pytest.FixtureRequest) -> Iterator[Target]:
    """The local Stripe, emptied; or a Stripe sandbox, tidied up afterwards."""
    if request.param == "local":
        shop: Shop = request.getfixturevalue("shop")
        yield Target(shop.stripe, shop)
        return
    key = contract_key()
    assert key is not None
    real = Target(stripe.StripeClient(key, max_network_retries=2, http_client=PacedRequests()), patience=300)
    yield real
    real.clean_up()


def test_point_1_an_identifier_is_taken_once_per_account_whatever_comes_with_it(target: Target) -> None:
    meter, other, customer = target.meter(), target.meter("other"), target.customer()
    identifier = f"{target.run}-1"
    target.send(meter.event_name, customer, "1", identifier=identifier)
    v2: Any = {"event_name": meter.event_name, "identifier": identifier, "payload": {"stripe_customer_id": customer}}
    repeats = {
        "the same": lambda: target.send(meter.event_name, customer, "1", identifier=identifier),
        "another value": lambda: target.send(meter.event_name, customer, "2", identifier=identifier),
        "another event name": lambda: target.send(other.event_name, customer, "1", identifier=identifier),
        "over v2": lambda: target.client.v2.billing.meter_events.create(
            {**v2, "payload": {"stripe_customer_id": customer, "value": "1"}}
        ),
    }
    for what, repeat in repeats.items():
        refusal = target.refusal(repeat)
        assert refusal is not None, f"{what} was taken"
        assert refusal.http_status == 400, what
        assert "already exists with identifier" in str(refusal.user_message), what
    if target.shop:
        target.shop.settings(identifier_per_event_name=True)
        assert target.refusal(repeats["another event name"]) is None
        target.shop.settings(clock_offset_seconds=DAY + 1)
        assert target.refusal(repeats["the same"]) is None  # the danger that the 20-hour rule is there for


def test_point_2_unknown_names_are_accepted_and_bad_values_refused(target: Target) -> None:
    meter, customer = target.meter(), target.customer()
    assert target.refusal(lambda: target.send(meter.event_name, "cus_nobody0000000")) is None
    assert target.refusal(lambda: target.send(f"{target.run}_nothing", customer)) is None
    for value in ("a lot", "1234567890123456"):
        refusal = target.refusal(lambda value=value: target.send(meter.event_name, customer, value))
        assert refusal is not None, f"{value!r} was taken"
        assert refusal.http_status == 400
    if target.shop:
        target.shop.settings(refuse_unknown_references_at_once=True, refuse_bad_values_at_once=False)
        assert target.refusal(lambda: target.send(meter.event_name, "cus_nobody0000000")) is not None
        assert target.refusal(lambda: target.send(meter.event_name, customer, "a lot")) is None


def test_point_3_a_summary_ends_before_its_end_and_only_grows(target: Target) -> None:
    meter, customer, end = target.meter(), target.customer(), now_minute() - MINUTE
    for at, value in ((end - 1, "1"), (end, "10")):
        target.send(meter.event_name, customer, value, at=at)
    whole = (end - HOUR, end + MINUTE)
    seen: list[float] = []

    def is_all_there() -> bool:
        seen.extend(target.totals(meter, customer, *whole))
        return bool(seen) and seen[-1] == 11

    target.eventually(is_all_there)
    assert seen == sorted(seen), "a summary went backwards"
    assert target.totals(meter, customer, end - HOUR, end) == [1.0]
    if target.shop:
        target.shop.settings(summary_end_inclusive=True)
        assert target.totals(meter, customer, end - HOUR, end) == [11.0]
        target.shop.fail("stale_summary", path="/v1/billing/meters/*", method="GET")
        assert [target.totals(meter, customer, *whole) for _ in range(2)] == [[1.0], [11.0]]


def test_point_4_one_call_at_a_time_for_a_customer_and_a_meter(target: Target) -> None:
    meter, customer = target.meter(), target.customer()
    if target.shop:
        target.shop.fail("delay", path="/v1/billing/meter_events", delay_seconds=0.3, count=2)

    def send(_: int) -> stripe.StripeError | None:
        if target.shop:
            with Shop(target.shop.url) as own:
                return Target(own.stripe, own).refusal(lambda: own.use(customer, "1", event_name=meter.event_name))
        return target.refusal(lambda: target.send(meter.event_name, customer))

    with ThreadPoolExecutor(10) as pool:
        refusals = [refusal for refusal in pool.map(send, range(10)) if refusal is not None]
    assert refusals, "ten calls at once were all taken"
    for refusal in refusals:
        assert refusal.http_status == 429
        assert "stripe-rate-limited-reason" in {name.lower() for name in refusal.headers or {}}
    if target.shop:
        target.shop.settings(meter_event_concurrency=0)
        with ThreadPoolExecutor(10) as pool:
            assert set(pool.map(send, range(10))) == {None}


def test_point_5_a_test_clock_says_what_is_too_old_and_too_early(target: Target) -> None:
    frozen = now_minute() - 60 * DAY
    meter, customer = target.meter(), target.customer(target.clock(frozen))
    assert target.refusal(lambda: target.send(meter.event_name, customer, at=frozen - 34 * DAY)) is None
    too_early = target.refusal(lambda: target.send(meter.event_name, customer, at=int(time.time())))
    assert too_early is not None
    assert too_early.http_status == 400
    if target.shop:
        target.shop.settings(test_clock_is_reference_now=False)
        assert target.refusal(lambda: target.send(meter.event_name, customer, at=int(time.time()))) is None
        assert target.refusal(lambda: target.send(meter.event_name, customer, at=frozen)) is not None


def test_point_6_previews_have_a_line_per_tier_and_raw_quantities(target: Target) -> None:
    graduated, packaged = target.meter("graduated"), target.meter("packaged")
    tiers: Any = [{"up_to": 10, "unit_amount": 5}, {"up_to": "inf", "unit_amount_decimal": "2.5"}]
    prices = [
        target.price(graduated, billing_scheme="tiered", tiers_mode="graduated", tiers=tiers),
        target.price(packaged, unit_amount=100, transform_quantity={"divide_by": 4, "round": "up"}),
    ]
    customer = target.customer()
    items: Any = [{"price": price.id} for price in prices]
    subscription = target.client.v1.subscriptions.create({"customer": customer, "items": items})
    for meter in (graduated, packaged):
        target.send(meter.event_name, customer, "13.5")
        target.eventually(lambda meter=meter: target.totals(meter, customer, now_minute() - HOUR, now_minute() + HOUR))

    def lines(price: stripe.Price) -> list[tuple[str, int]]:
        preview = target.client.v1.invoices.create_preview({"subscription": subscription.id})
        found = [line for line in preview.lines.auto_paging_iter() if _price_of(line) == price.id]
        return [(f"{line.quantity_decimal:f}", line.amount) for line in found]

    assert lines(prices[0]) == [("10", 50), ("3.5", 9)]
    assert lines(prices[1]) == [("13.5", 400)]
    if target.shop:
        target.shop.settings(line_per_graduated_tier=False, packaged_line_shows_packages=True)
        assert lines(prices[0]) == [("13.5", 59)]
        assert lines(prices[1]) == [("4", 400)]


def _price_of(line: stripe.InvoiceLineItem) -> str | None:
    details = line.pricing.price_details if line.pricing else None
    return str(details.price) if details else None


def test_point_7_an_error_report_names_the_idempotency_key(target: Target) -> None:
    meter = target.meter()

    def reported(key: str, identifier: str) -> str:
        target.send(meter.event_name, "cus_nobody0000000", identifier=identifier, key=key)
        return str(target.eventually(lambda: _reported(target, meter.id, {key, identifier})))

    assert reported(f"{target.run}-key", f"{target.run}-identifier") == f"{target.run}-key"
    if target.shop:
        target.shop.settings(error_report_names_idempotency_key=False)
        assert reported("another-key", "another-identifier") == "another-identifier"


def _reported(target: Target, meter: str, names: set[str]) -> str | None:
    """Which of two names the newest report on the meter gives."""
    for event in target.client.v2.core.events.list({"object_id": meter}).data:
        fetched: Any = target.client.v2.core.events.retrieve(event.id)
        for error_type in fetched.data.reason.error_types:
            for sample in error_type.sample_errors:
                if sample.request.identifier in names:
                    return str(sample.request.identifier)
    return None


def test_point_8_last_goes_by_timestamp_and_an_hours_overwriting_by_receipt(target: Target) -> None:
    last, hourly = target.meter("last", "last"), target.meter("hourly", event_time_window="hour")
    customer, hour = target.customer(), now_minute() // HOUR * HOUR - HOUR
    window = (hour, hour + HOUR)
    for meter in (last, hourly):
        for at, value in ((hour + 100, "7"), (hour + 50, "3")):  # the later timestamp is received first
            target.send(meter.event_name, customer, value, at=at)
    target.eventually(lambda: target.totals(last, customer, *window) == [7.0])
    target.eventually(lambda: target.totals(hourly, customer, *window) == [3.0])
    if target.shop:
        target.shop.settings(last_by_receipt=True)
        assert target.totals(last, customer, *window) == [3.0]


def test_point_9_a_repeated_key_says_that_its_answer_is_repeated(target: Target) -> None:
    meter, customer = target.meter(), target.customer()

    def send(key: str) -> stripe.billing.MeterEvent:
        return target.send(meter.event_name, customer, identifier=f"{target.run}-{key}", key=f"{target.run}-{key}")

    first, second = send("one"), send("one")
    assert second.identifier == first.identifier  # the stored answer, not a refused duplicate
    assert _headers(second).get("idempotent-replayed") == "true"
    if target.shop:
        target.shop.settings(replayed_answers_say_so=False)
        assert "idempotent-replayed" not in _headers(send("one"))
        target.shop.fail("apply_then_500", path="/v1/billing/meter_events")
        stored = [target.refusal(lambda: send("two")) for _ in range(2)]
        # Taken, and under this key nobody will ever be told.
        assert [error and error.http_status for error in stored] == [500, 500]


def _headers(event: stripe.billing.MeterEvent) -> dict[str, str]:
    assert event.last_response is not None
    return {name.lower(): value for name, value in event.last_response.headers.items()}


def test_point_10_a_cancelled_identifier_stays_used(target: Target) -> None:
    meter, customer, identifier = target.meter(), target.customer(), f"{target.run}-10"

    def send() -> stripe.billing.MeterEvent:
        return target.send(meter.event_name, customer, identifier=identifier)

    send()
    target.client.v1.billing.meter_event_adjustments.create(
        {"event_name": meter.event_name, "type": "cancel", "cancel": {"identifier": identifier}}
    )
    refusal = target.refusal(send)
    assert refusal is not None
    assert "already exists with identifier" in str(refusal.user_message)
    if target.shop:
        target.shop.settings(cancelled_identifier_is_free=True)
        assert target.refusal(send) is None


def test_the_key_of_a_sandbox_must_be_a_test_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIPE_CONTRACT_KEY", "sk" + "_live_" + "x")
    with pytest.raises(pytest.UsageError, match="test key"):
        contract_key()


def test_what_was_made_is_put_out_of_use(shop: Shop) -> None:
    made = Target(shop.stripe, shop)
    meter, clock = made.meter(), made.clock(now_minute())
    customers = [made.customer(), made.customer(clock)]
    price = made.price(meter, unit_amount=1)
    made.clean_up()
    assert shop.v1.billing.meters.retrieve(meter.id).status == "inactive"
    assert not shop.v1.prices.retrieve(price.id).active
    assert shop.v1.customers.retrieve(customers[0]).deleted
    assert shop.v1.test_helpers.test_clocks.list().data == []
