"""The control endpoints: settings, oracle, reset, health."""

import re
from pathlib import Path
from typing import Any

import pytest
from sandbox_shop import FEBRUARY, JANUARY, Shop

import stripe_sandbox
from stripe_sandbox.failures import AFTER, BEFORE
from stripe_sandbox.sandbox import Sandbox
from stripe_sandbox.settings import Settings

README = (Path(stripe_sandbox.__file__).parent / "README.md").read_text()


def test_settings_are_read_and_changed(shop: Shop) -> None:
    shop.settings(finalization_grace_hours=24.5, summary_end_inclusive=True)
    now = shop.control("GET", "settings")
    assert (now["finalization_grace_hours"], now["summary_end_inclusive"]) == (24.5, True)


@pytest.mark.parametrize(
    "change",
    [
        {"nonsense": 1},
        {"apply_lag_seconds": "1"},
        {"apply_lag_seconds": -1},
        {"summary_end_inclusive": 1},
        {"webhook_attempts": 1.5},
        {"finalization_grace_hours": 73},
        {"apply_lag_seconds": 5, "nonsense": 1},
    ],
)
def test_a_wrong_setting_changes_nothing(shop: Shop, change: dict[str, Any]) -> None:
    before = shop.control("GET", "settings")
    assert shop.control("POST", "settings", change, expected=400)["error"]
    assert shop.control("GET", "settings") == before


def test_the_oracle_sums_exactly_where_a_float_cannot(shop: Shop) -> None:
    clock = shop.clock()
    shop.meter()
    one, two = shop.customer(clock), shop.customer(clock)
    for value in ("0.1", "0.2", "999999999999999", "-0.000000000001"):
        shop.use(one, value, JANUARY)
    shop.use(one, "5", JANUARY - 60)
    shop.use(two, "7", JANUARY)
    shop.use(two, "7", JANUARY, event_name="unknown")

    def totals(**filters: Any) -> dict[str, tuple[str, int]]:
        rows = shop.control("GET", "oracle/totals", **filters)["data"]
        assert {row["event_name"] for row in rows} <= {"api_calls"}
        return {row["customer"]: (row["sum"], row["count"]) for row in rows}

    assert totals(start=JANUARY, end=FEBRUARY) == {one.id: ("999999999999999.299999999999", 4), two.id: ("7", 1)}
    assert totals(customer=one.id, end=JANUARY) == {one.id: ("5", 1)}
    assert totals(namespace="live") == {}


def test_the_ledger_tells_what_became_of_each_arrival(shop: Shop) -> None:
    shop.meter()
    customer = shop.customer(shop.clock())
    event = shop.use(customer, "1.50", JANUARY, identifier="a")
    shop.use("cus_none", "1", identifier="b")
    first, second = shop.ledger()
    assert (first["identifier"], first["applied_count"]) == ("a", 1)
    arrival = first["arrivals"][0]
    assert (arrival["value"], arrival["timestamp"], arrival["customer"]) == ("1.5", event.timestamp, customer.id)
    assert arrival["payload"] == {"stripe_customer_id": customer.id, "value": "1.50"}
    assert (second["applied_count"], second["arrivals"][0]["drop_code"]) == (0, "meter_event_customer_not_found")
    assert [row["identifier"] for row in shop.ledger(customer=customer.id)] == ["a"]


@pytest.mark.parametrize("query", [{"costumer": "x"}, {"start": "noon"}])
def test_a_filter_that_makes_no_sense_is_refused(shop: Shop, query: dict[str, str]) -> None:
    assert shop.control("GET", "oracle/totals", expected=400, **query)["error"]


def test_reset_empties_everything_but_the_settings(shop: Shop) -> None:
    shop.settings(apply_lag_seconds=1.5)
    shop.meter()
    shop.use(shop.customer(), "1")
    shop.fail("fail_500", count=None)
    shop.control("POST", "reset")
    assert shop.v1.customers.list().data == []
    assert shop.v1.events.list().data == []
    assert shop.ledger() == []
    assert shop.control("GET", "settings")["apply_lag_seconds"] == 1.5


def test_health_is_ok(shop: Shop) -> None:
    assert shop.control("GET", "health") == {"status": "ok", "error": None}


def test_the_readme_names_every_failure_and_only_real_knobs() -> None:
    assert [kind for kind in BEFORE + AFTER if f"`{kind}`" not in README] == []
    unverified = README.partition("## Not verified")[2]
    knobs = {name for line in unverified.splitlines() for name in re.findall(r"`(\w+)`", line.split("|")[-2:][0])}
    assert len(knobs) > 5
    assert knobs <= Settings().as_json().keys()


def test_a_savepoint_can_be_returned_to_again_and_again(shop: Shop) -> None:
    shop.meter()
    customer = shop.customer()
    shop.use(customer, "1", identifier="before")
    shop.control("POST", "savepoint")
    for _ in range(2):
        shop.use(customer, "2", identifier="after")
        shop.fail("fail_500", count=None)
        shop.control("POST", "restore")
        assert [entry["identifier"] for entry in shop.ledger()] == ["before"]
        assert [found.id for found in shop.v1.customers.list().data] == [customer.id]


def test_catching_up_counts_what_fell_due_when_time_was_moved(shop: Shop) -> None:
    shop.meter()
    customer = shop.customer()
    shop.use(customer, "1")
    shop.settings(apply_lag_seconds=3600)
    shop.use(customer, "2", identifier="lags")
    shop.settings(clock_offset_seconds=3601)
    shop.control("POST", "catch_up")
    assert [entry["applied_count"] for entry in shop.ledger()] == [1, 1]


def test_without_a_savepoint_there_is_no_way_back() -> None:
    sandbox = Sandbox()
    with pytest.raises(LookupError, match="nothing was saved"):
        sandbox.back_to_savepoint()
    sandbox.state.close()
