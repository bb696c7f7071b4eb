"""The landing plan: the same for the same seed, and as disorderly as it says."""

import polars as pl
import pytest

from demo.billing_periods import ENDS_AT, PERIODS, BillingPeriod
from demo.disorder import PLAN_COLUMNS, landing_plan

PAYLOAD = ("idempotency_key", "customer_ref", "metric", "quantity", "event_time", "properties")


def test_the_same_seed_gives_the_same_plan(events: pl.DataFrame, plan: pl.DataFrame) -> None:
    assert landing_plan(events).equals(plan)
    assert landing_plan(events.sample(fraction=1, shuffle=True, seed=1)).equals(plan)  # whatever order events come in


def test_another_seed_gives_another_plan_of_the_same_events(events: pl.DataFrame, plan: pl.DataFrame) -> None:
    other = landing_plan(events, seed=7)
    assert not other.equals(plan)
    assert set(other["idempotency_key"]) == set(plan["idempotency_key"])


def test_every_event_is_delivered_once_and_one_in_twenty_again(events: pl.DataFrame, plan: pl.DataFrame) -> None:
    assert plan.columns == list(PLAN_COLUMNS)
    first = plan.filter(~pl.col("is_repeat"))
    assert first.select(PAYLOAD).sort("idempotency_key").equals(events.select(PAYLOAD))
    assert plan["is_repeat"].sum() == round(0.05 * events.height) == 10_026
    repeats = plan.filter(pl.col("is_repeat"))
    assert repeats["idempotency_key"].n_unique() < repeats.height  # some are repeated twice


def test_a_repeat_carries_the_same_payload_and_lands_later(plan: pl.DataFrame) -> None:
    first = plan.filter(~pl.col("is_repeat"))
    repeats = plan.filter(pl.col("is_repeat")).join(first, on=PAYLOAD, how="inner", suffix="_first")
    assert repeats.height == plan["is_repeat"].sum()
    assert (repeats["landed_at"] > repeats["landed_at_first"]).all()
    after = (repeats["landed_at"] - repeats["landed_at_first"]).dt.total_seconds()
    assert after.min() < 60  # type: ignore[operator]
    assert after.max() > 14 * 86_400  # type: ignore[operator]


@pytest.mark.parametrize("period", PERIODS, ids=lambda period: period.name)
def test_some_land_inside_the_window_and_a_few_after_it(plan: pl.DataFrame, period: BillingPeriod) -> None:
    of_period = plan.filter(
        ~pl.col("is_repeat") & pl.col("event_time").is_between(period.start, period.end, closed="left")
    )
    inside = of_period["landed_at"].is_between(period.end, period.closes_at, closed="left").mean()
    after = (of_period["landed_at"] >= period.closes_at).mean()
    assert 0.008 < inside < 0.016  # type: ignore[operator]
    assert 0.001 < after < 0.003  # type: ignore[operator]


def test_landing_order_is_not_event_order(plan: pl.DataFrame) -> None:
    assert plan["landed_at"].is_sorted()
    overtaken = plan.filter(~pl.col("is_repeat")).select((pl.col("event_time").diff().dt.total_seconds() < 0).sum())
    assert overtaken.item() > 10_000


def test_nothing_lands_before_it_happened_nor_after_the_end(plan: pl.DataFrame) -> None:
    assert (plan["landed_at"] > plan["event_time"]).all()
    assert (plan["landed_at"] < ENDS_AT).all()
