"""Requests: everything is in one, in order per customer, and never the same event twice in one."""

import json
from typing import Any

import polars as pl
import pytest

from demo.batches import lanes


def _requests(deliveries: pl.DataFrame, **options: int) -> list[list[list[dict[str, Any]]]]:
    return [[json.loads(batch.body)["events"] for batch in lane] for lane in lanes(deliveries, **options)]


@pytest.fixture(scope="module")
def week(plan: pl.DataFrame) -> pl.DataFrame:
    return plan[100_000:125_000]


def test_every_delivery_is_in_one_request(week: pl.DataFrame) -> None:
    sent = sorted(event["idempotency_key"] for lane in _requests(week) for batch in lane for event in batch)
    assert sent == sorted(week["idempotency_key"])


def test_requests_are_full_but_no_fuller_than_the_door_takes(week: pl.DataFrame) -> None:
    made = lanes(week)
    assert len(made) == 4
    assert max(batch.events for lane in made for batch in lane) == 1000
    assert all(len(lane) <= sum(batch.events for batch in lane) // 1000 + 3 for lane in made)
    loads = [sum(batch.events for batch in lane) for lane in made]
    assert max(loads) < 1.2 * min(loads)


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_no_request_holds_an_event_twice(plan: pl.DataFrame, size: int) -> None:
    often = pl.concat([plan.head(300)] * 3)  # each event three times, far apart
    in_a_row = pl.concat([often, plan.head(1), plan.head(1), plan.head(1)])
    requests = [batch for lane in _requests(in_a_row, size=size) for batch in lane]
    assert sum(len(batch) for batch in requests) == in_a_row.height
    assert all(len({event["idempotency_key"] for event in batch}) == len(batch) <= size for batch in requests)


def test_a_customer_has_one_lane_and_keeps_the_order_of_first_deliveries(week: pl.DataFrame) -> None:
    seen: dict[str, int] = {}
    for number, lane in enumerate(_requests(week)):
        keys: dict[str, list[str]] = {}
        for event in (event for batch in lane for event in batch):
            assert seen.setdefault(event["customer_ref"], number) == number
            keys.setdefault(event["customer_ref"], []).append(event["idempotency_key"])
        for customer, posted in keys.items():
            planned = week.filter(pl.col("customer_ref") == customer)["idempotency_key"].unique(maintain_order=True)
            assert list(dict.fromkeys(posted)) == list(planned)


def test_an_event_is_written_exactly(plan: pl.DataFrame) -> None:
    row = plan.filter(pl.col("idempotency_key") == "2013-01-01.UA.1545.EWR.0515.departures").head(1)
    assert _requests(row) == [
        [
            [
                {
                    "idempotency_key": "2013-01-01.UA.1545.EWR.0515.departures",
                    "customer_ref": "UA",
                    "metric": "departures",
                    "quantity": "1",
                    "event_time": "2013-01-01T10:17:00Z",
                    "properties": {"flight": "UA1545", "route": "EWR-IAH", "tailnum": "N14228"},
                }
            ]
        ]
    ]


def test_nothing_to_post_makes_no_lane(plan: pl.DataFrame) -> None:
    assert lanes(plan.head(0)) == []
