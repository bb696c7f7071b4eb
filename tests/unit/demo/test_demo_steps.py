"""Steps of simulated time: cut so that one clock value a step judges every event as its own landing time would."""

from datetime import timedelta
from itertools import pairwise

import polars as pl
import pytest

from demo.billing_periods import ENDS_AT, FEBRUARY, JANUARY, STARTS_AT
from demo.steps import steps


def test_steps_cover_the_plan_without_gap_or_overlap(plan: pl.DataFrame) -> None:
    made = steps(plan)
    assert made[0].starts_at == STARTS_AT
    assert made[-1].ends_at == ENDS_AT
    assert all(earlier.ends_at == later.starts_at for earlier, later in pairwise(made))
    assert pl.concat([step.deliveries for step in made]).equals(plan)


@pytest.mark.parametrize("days", [1, 4, 8])
def test_every_milestone_is_a_cut_and_no_step_is_longer_than_asked(plan: pl.DataFrame, days: int) -> None:
    made = steps(plan, days)
    milestones = {step.ends_at: (step.milestone, step.period) for step in made if step.milestone}
    assert milestones == {
        at: (name, period)
        for period in (JANUARY, FEBRUARY)
        for at, name in (
            (period.end, "period_ends"),
            (period.closes_at, "window_closes"),
            (period.finalizes_at, "invoice_finalizes"),
        )
    }
    assert all(timedelta(0) < step.ends_at - step.starts_at <= timedelta(days=days) for step in made)


@pytest.mark.parametrize("days", [1, 4, 8])
def test_the_clock_of_a_step_judges_lateness_as_the_plan_does(plan: pl.DataFrame, days: int) -> None:
    for step in steps(plan, days):
        for period in (JANUARY, FEBRUARY):
            events = step.deliveries.filter(pl.col("event_time").is_between(period.start, period.end, closed="left"))
            assert (events["landed_at"] >= period.closes_at).sum() == events.height * (step.clock >= period.closes_at)


@pytest.mark.parametrize("days", [1, 4, 8])
def test_the_door_would_take_every_delivery(plan: pl.DataFrame, days: int) -> None:
    for step in steps(plan, days):
        assert (step.deliveries["event_time"] <= step.clock).all()
        assert (step.deliveries["event_time"] >= step.clock - timedelta(days=35)).all()


@pytest.mark.parametrize("days", [0, 9])
def test_steps_of_another_length_are_refused(plan: pl.DataFrame, days: int) -> None:
    with pytest.raises(ValueError, match="1 to 8 days"):
        steps(plan, days)


def test_a_delivery_that_the_door_would_refuse_stops_the_cut(plan: pl.DataFrame) -> None:
    old = plan.head(1).with_columns(landed_at=pl.lit(JANUARY.start + timedelta(days=40)))
    with pytest.raises(ValueError, match="would refuse 1 deliveries"):
        steps(pl.concat([plan, old]))


def test_a_delivery_outside_the_demo_stops_the_cut(plan: pl.DataFrame) -> None:
    with pytest.raises(ValueError, match="outside"):
        steps(pl.concat([plan, plan.head(1).with_columns(landed_at=pl.lit(ENDS_AT))]))
