"""Meter events: accepted at the door, counted later, exactly once within the identifier's window."""

import json
import time
from typing import Any

import pytest
import stripe
from sandbox_shop import FEBRUARY, JANUARY, Shop, eventually

DAY = 86400


def error_of(call: Any) -> stripe.InvalidRequestError:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        call()
    return caught.value


def test_a_repeated_identifier_gets_exactly_the_documented_refusal(shop: Shop) -> None:
    meter, customer = shop.meter(), shop.customer()
    shop.use(customer, "1", identifier="um1.x")
    error = error_of(lambda: shop.client(max_network_retries=2).v1.billing.meter_events.create(
        {"event_name": "api_calls", "payload": {"stripe_customer_id": customer.id, "value": "9"}, "identifier": "um1.x"}
    ))  # fmt: skip
    body = json.loads(str(error.http_body))
    assert body == {
        "error": {"message": "An event already exists with identifier um1.x.", "type": "invalid_request_error"}
    }
    assert error.http_status == 400
    assert (error.headers or {})["stripe-should-retry"] == "false"
    [entry] = shop.ledger()
    assert entry["applied_count"] == 1
    assert [arrival["outcome"] for arrival in entry["arrivals"]] == ["applied", "duplicate"]  # so the SDK sent it once
    now = int(time.time()) // 60 * 60
    assert shop.summary(meter, customer, now - 600, now + 600).data[0].aggregated_value == 1


def test_after_the_window_the_same_identifier_counts_again(shop: Shop) -> None:
    customer = shop.customer()
    shop.meter()
    shop.use(customer, "1", identifier="a")
    shop.settings(clock_offset_seconds=DAY - 60)
    error_of(lambda: shop.use(customer, "1", identifier="a"))
    shop.settings(clock_offset_seconds=DAY + 60)
    shop.use(customer, "1", identifier="a")
    assert shop.ledger(identifier="a")[0]["applied_count"] == 2


def test_an_identifier_is_generated_when_none_is_given(shop: Shop) -> None:
    shop.meter()
    event = shop.use(shop.customer(), "1")
    assert 0 < len(event.identifier) <= 100
    assert shop.ledger(identifier=event.identifier)[0]["applied_count"] == 1


def test_identifiers_have_at_most_100_characters(shop: Shop) -> None:
    shop.meter()
    customer = shop.customer()
    shop.use(customer, "1", identifier="x" * 100)
    assert error_of(lambda: shop.use(customer, "1", identifier="x" * 101)).param == "identifier"


def test_the_timestamp_window_follows_real_time(shop: Shop) -> None:
    shop.meter()
    customer, now = shop.customer(), int(time.time())
    for good in (now - 35 * DAY + 60, now + 240, now):
        shop.use(customer, "1", good)
    for bad in (now - 35 * DAY - 60, now + 360):
        assert error_of(lambda bad=bad: shop.use(customer, "1", bad)).param == "timestamp"


def test_the_timestamp_window_follows_the_test_clock_of_its_customers(shop: Shop) -> None:
    shop.meter()
    customer = shop.customer(shop.clock(JANUARY))
    assert shop.use(customer, "1").timestamp == JANUARY
    shop.use(customer, "1", JANUARY - 35 * DAY)
    shop.use(customer, "1", JANUARY + 300)
    for bad in (JANUARY - 35 * DAY - 1, JANUARY + 301, int(time.time())):
        assert error_of(lambda bad=bad: shop.use(customer, "1", bad)).param == "timestamp"


@pytest.mark.parametrize("value", ["1", "-7.25", "0", "999999999999999", "0.000000000001", "-0.5", "1.", ".5", "+3"])
def test_decimal_values_of_up_to_15_digits_are_taken(shop: Shop, value: str) -> None:
    shop.meter()
    shop.use(shop.customer(), value)
    assert shop.ledger()[0]["applied_count"] == 1


@pytest.mark.parametrize("value", ["", "1e3", "NaN", "inf", "1_000", " 1", "1,5", "0x10", "٣"])
def test_other_values_are_refused(shop: Shop, value: str) -> None:
    shop.meter()
    assert error_of(lambda: shop.use(shop.customer(), value)).param == "payload[value]"


def test_a_sixteenth_digit_is_refused_in_stripes_words(shop: Shop) -> None:
    shop.meter()
    error = error_of(lambda: shop.use(shop.customer(), "1234567890.123456"))
    assert "can have at most 15 digits. Received 1234567890.123456." in str(error)


def test_events_count_only_after_the_lag(shop: Shop) -> None:
    meter, customer = shop.meter(), shop.customer(shop.clock())
    shop.settings(apply_lag_seconds=0.3)
    shop.use(customer, "5", JANUARY)
    assert shop.summary(meter, customer).data == []
    assert shop.ledger()[0]["arrivals"][0]["outcome"] == "pending"
    rows = eventually(lambda: shop.summary(meter, customer).data)
    assert rows[0].aggregated_value == 5


def reports(shop: Shop, **filters: Any) -> list[Any]:
    return shop.stripe.v2.core.events.list(filters).data


def test_what_cannot_be_counted_is_accepted_then_only_reported(shop: Shop) -> None:
    """The report is sampled: counts are whole, examples are few, and each names its request's idempotency key."""
    meter, customer = shop.meter(), shop.customer()
    shop.settings(error_report_window_seconds=0.3)
    for number in range(5):
        shop.v1.billing.meter_events.create(
            {"event_name": "api_calls", "payload": {"stripe_customer_id": "cus_none", "value": "1"}},
            {"idempotency_key": f"key-{number}"},
        )
    shop.v1.billing.meter_events.create({"event_name": "api_calls", "payload": {"value": "1"}})
    shop.v1.customers.delete(customer.id)
    shop.use(customer, "1")
    [event] = eventually(lambda: reports(shop))
    assert event.type == "v1.billing.meter.error_report_triggered"
    assert event.related_object.id == meter.id
    assert event.data.reason.error_count == 7
    by_code = {each.code: each for each in event.data.reason.error_types}
    assert {code: each.error_count for code, each in by_code.items()} == {
        "meter_event_customer_not_found": 6,
        "meter_event_no_customer_defined": 1,
    }
    samples = by_code["meter_event_customer_not_found"].sample_errors
    assert [sample.request.identifier for sample in samples] == ["key-0", "key-1", "key-2"]
    assert event.fetch_related_object().id == meter.id
    assert {entry["applied_count"] for entry in shop.ledger()} == {0}


def test_an_unknown_event_name_is_reported_without_a_meter(shop: Shop) -> None:
    shop.use("cus_any", "1", event_name="nobody")
    [event] = eventually(lambda: reports(shop, types=["v1.billing.meter.no_meter_found"]))
    assert event.data.reason.error_types[0].code == "no_meter"
    fetched = shop.stripe.v2.core.events.retrieve(event.id)
    assert fetched.id == event.id


def test_an_archived_meter_loses_its_events(shop: Shop) -> None:
    meter = shop.meter()
    customer = shop.customer()
    shop.v1.billing.meters.deactivate(meter.id)
    shop.use(customer, "1")
    [event] = eventually(lambda: reports(shop, object_id=meter.id))
    assert event.data.reason.error_types[0].code == "archived_meter"


def test_settings_turn_the_late_checks_into_refusals_and_back(shop: Shop) -> None:
    shop.meter()
    customer = shop.customer()
    shop.settings(refuse_unknown_references_at_once=True)
    assert error_of(lambda: shop.use("cus_none", "1")).http_status == 404
    assert error_of(lambda: shop.use(customer, "1", event_name="nobody")).param == "event_name"
    shop.use(customer, "1")
    shop.settings(refuse_bad_values_at_once=False)
    shop.use(customer, "1e9")
    [event] = eventually(lambda: reports(shop))
    assert event.data.reason.error_types[0].code == "meter_event_invalid_value"


def test_a_cancelled_event_no_longer_counts_and_its_identifier_stays_used(shop: Shop) -> None:
    meter, customer = shop.meter(), shop.customer(shop.clock())
    shop.use(customer, "5", JANUARY, identifier="wrong")
    shop.use(customer, "2", JANUARY, identifier="right")
    adjustment: Any = {"event_name": "api_calls", "type": "cancel", "cancel": {"identifier": "wrong"}}
    assert shop.v1.billing.meter_event_adjustments.create(adjustment).status == "pending"
    assert shop.summary(meter, customer).data[0].aggregated_value == 2
    error_of(lambda: shop.use(customer, "5", JANUARY, identifier="wrong"))
    adjustment["cancel"]["identifier"] = "never seen"
    assert error_of(lambda: shop.v1.billing.meter_event_adjustments.create(adjustment)).param == "cancel[identifier]"
    shop.settings(clock_offset_seconds=DAY + 1)
    adjustment["cancel"]["identifier"] = "right"
    error_of(lambda: shop.v1.billing.meter_event_adjustments.create(adjustment))


def test_the_newer_api_takes_the_same_events(shop: Shop) -> None:
    meter, customer = shop.meter(), shop.customer(shop.clock())
    params: Any = {
        "event_name": "api_calls",
        "payload": {"stripe_customer_id": customer.id, "value": "4"},
        "timestamp": "2013-01-01T05:00:00Z",
        "identifier": "v2",
    }
    event = shop.stripe.v2.billing.meter_events.create(params)
    assert str(event.timestamp).startswith("2013-01-01")
    assert shop.summary(meter, customer, JANUARY, FEBRUARY).data[0].aggregated_value == 4
    error_of(lambda: shop.use(customer, "4", JANUARY, identifier="v2"))
    params.update(timestamp="yesterday", identifier="v2b")
    assert error_of(lambda: shop.stripe.v2.billing.meter_events.create(params)).param == "timestamp"
