"""Event summaries: aligned windows, floats, pages of ten, and only what was applied."""

from typing import Any

import pytest
import stripe
from sandbox_shop import FEBRUARY, HOUR, JANUARY, Shop, eventually

MIDNIGHT = 1356998400  # 2013-01-01T00:00:00Z


def values(page: Any) -> list[float]:
    return [row.aggregated_value for row in page.data]


def test_sum_count_and_last(shop: Shop) -> None:
    customer = shop.customer(shop.clock(JANUARY + 3 * HOUR))
    meters = [shop.meter(formula, formula) for formula in ("sum", "count", "last")]
    for meter in meters:
        for value, at in (("5", JANUARY + 60), ("2.5", JANUARY + 120), ("-1", JANUARY + 30)):
            shop.use(customer, value, at, event_name=meter.event_name)
    assert [values(shop.summary(meter, customer)) for meter in meters] == [[6.5], [3.0], [2.5]]
    assert isinstance(shop.summary(meters[1], customer).data[0].aggregated_value, float)


def test_the_start_is_inside_the_end_outside_unless_set_otherwise(shop: Shop) -> None:
    customer, meter = shop.customer(shop.clock(JANUARY + HOUR)), shop.meter()
    shop.use(customer, "1", JANUARY)
    shop.use(customer, "10", JANUARY + 60)
    assert values(shop.summary(meter, customer, JANUARY, JANUARY + 60)) == [1]
    shop.settings(summary_end_inclusive=True)
    assert values(shop.summary(meter, customer, JANUARY, JANUARY + 60)) == [11]


@pytest.mark.parametrize(
    ("start", "end", "window", "param"),
    [
        (JANUARY + 1, FEBRUARY, None, "start_time"),
        (JANUARY, FEBRUARY + 59, None, "end_time"),
        (JANUARY + 60, FEBRUARY, "hour", "start_time"),
        (JANUARY, FEBRUARY, "day", "start_time"),
        (MIDNIGHT, MIDNIGHT + 5 * HOUR, "day", "end_time"),
        (JANUARY, JANUARY, None, "start_time"),
        (FEBRUARY, JANUARY, None, "start_time"),
    ],
)
def test_misaligned_windows_are_refused(shop: Shop, start: int, end: int, window: str | None, param: str) -> None:
    extra = {"value_grouping_window": window} if window else {}
    meter, customer = shop.meter(), shop.customer()
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.summary(meter, customer, start, end, **extra)
    assert (caught.value.http_status, caught.value.param) == (400, param)


def test_hourly_rows_come_in_pages_of_ten(shop: Shop) -> None:
    """The first page alone is a plausible and wrong total."""
    customer, meter = shop.customer(shop.clock(MIDNIGHT + 30 * HOUR)), shop.meter()
    for hour in range(25):
        shop.use(customer, "1", MIDNIGHT + hour * HOUR + 60)
    window: Any = {"start": MIDNIGHT, "end": MIDNIGHT + 30 * HOUR, "value_grouping_window": "hour"}
    page = shop.summary(meter, customer, **window)
    assert (sum(values(page)), page.has_more) == (10, True)
    assert sum(row.aggregated_value for row in page.auto_paging_iter()) == 25
    days = shop.summary(meter, customer, MIDNIGHT, MIDNIGHT + 48 * HOUR, value_grouping_window="day")
    assert values(days) == [1, 24]
    assert days.data[0].start_time == MIDNIGHT + 24 * HOUR


def test_a_window_without_events_has_no_row_unless_set_otherwise(shop: Shop) -> None:
    customer, meter = shop.customer(shop.clock()), shop.meter()
    assert values(shop.summary(meter, customer)) == []
    shop.settings(summary_rows_when_empty=True)
    assert values(shop.summary(meter, customer)) == [0]


@pytest.mark.parametrize("missing", ["customer", "start_time", "end_time"])
def test_the_window_and_the_customer_are_required(shop: Shop, missing: str) -> None:
    meter = shop.meter()
    params: Any = {"customer": shop.customer().id, "start_time": JANUARY, "end_time": FEBRUARY}
    del params[missing]
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.v1.billing.meters.event_summaries.list(meter.id, params)
    assert (caught.value.code, caught.value.param) == ("parameter_missing", missing)


def test_customers_and_meters_do_not_mix(shop: Shop) -> None:
    clock = shop.clock()
    one, two = shop.customer(clock), shop.customer(clock)
    calls, bytes_ = shop.meter("calls"), shop.meter("bytes")
    shop.use(one, "1", event_name="calls")
    shop.use(two, "2", event_name="calls")
    shop.use(one, "4", event_name="bytes")
    assert values(shop.summary(calls, one)) == [1]
    assert values(shop.summary(calls, two)) == [2]
    assert values(shop.summary(bytes_, one)) == [4]


def test_preaggregated_usage_overwrites_within_its_hour_by_order_of_receipt(shop: Shop) -> None:
    customer, meter = shop.customer(shop.clock(MIDNIGHT + 3 * HOUR)), shop.meter(event_time_window="hour")
    shop.use(customer, "10", MIDNIGHT + 50)
    shop.use(customer, "7", MIDNIGHT + 10)
    shop.use(customer, "100", MIDNIGHT + HOUR)
    assert values(shop.summary(meter, customer, MIDNIGHT, MIDNIGHT + 3 * HOUR)) == [107]


def test_payload_keys_of_ones_own(shop: Shop) -> None:
    meter = shop.meter(
        customer_mapping={"event_payload_key": "who", "type": "by_id"}, value_settings={"event_payload_key": "bytes"}
    )
    customer = shop.customer(shop.clock())
    payload = {"who": customer.id, "bytes": "12", "region": "eu"}
    shop.v1.billing.meter_events.create({"event_name": "api_calls", "payload": payload})
    assert values(shop.summary(meter, customer)) == [12]
    shop.v1.billing.meter_events.create({"event_name": "api_calls", "payload": {**payload, "who": "cus_x"}})
    assert eventually(lambda: shop.stripe.v2.core.events.list().data)


def test_a_summary_goes_backwards_once(shop: Shop) -> None:
    meter, customer = shop.meter(), shop.customer(shop.clock())
    for value in ("1", "10", "100"):
        shop.use(customer, value, JANUARY)
    shop.fail("stale_summary", path="*/event_summaries", events=2)
    assert [values(shop.summary(meter, customer)) for _ in range(2)] == [[1], [111]]


def test_with_a_spread_events_overtake_each_other(shop: Shop) -> None:
    """Of forty events, one applied at least after a later one: in order by chance, once in forty factorial."""
    shop.meter()
    customer = shop.customer(shop.clock())
    shop.settings(apply_lag_seconds=10, apply_lag_spread_seconds=3600)
    for number in range(40):
        shop.use(customer, "1", JANUARY, identifier=str(number))
    shop.settings(clock_offset_seconds=10 + 1800)
    counted = [entry["applied_count"] for entry in shop.ledger()]
    assert 0 < sum(counted) < 40
    assert counted != sorted(counted, reverse=True)
