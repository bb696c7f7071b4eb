"""The landing plan cut into steps of simulated time.

The door writes the simulated clock as `landed_at`. Cut like this, that makes an event late exactly where the plan does.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import polars as pl

from demo.billing_periods import ENDS_AT, PERIODS, STARTS_AT, BillingPeriod

LONGEST_STEP_DAYS = 8
OLDEST_EVENT = timedelta(days=35)
_MICROSECOND = timedelta(microseconds=1)

Milestone = Literal["period_ends", "window_closes", "invoice_finalizes"]


@dataclass(frozen=True)
class Step:
    """What lands in `[starts_at, ends_at)`; all of it is posted while the simulated clock stands at `clock`.

    `milestone` names what happens to `period` at `ends_at`; both are None at a cut that is only there to tick and push.
    """

    starts_at: datetime
    ends_at: datetime
    milestone: Milestone | None
    period: BillingPeriod | None
    deliveries: pl.DataFrame

    @property
    def clock(self) -> datetime:
        """The step's last microsecond: no event lies ahead of it, no window closes between a planned landing and it."""
        return self.ends_at - _MICROSECOND


def steps(plan: pl.DataFrame, days: int = 4) -> list[Step]:
    """Cut `plan` (from `landing_plan`) at every milestone, and evenly between them into steps of at most `days`.

    Raises:
        ValueError: `days` is not 1..8, or a delivery lies outside the steps, ahead of its step's clock or too old.
    """
    if not 1 <= days <= LONGEST_STEP_DAYS:
        raise ValueError(
            f"a step takes 1 to {LONGEST_STEP_DAYS} days, not {days}: the door refuses events older than 35 days"
        )
    cuts = list(_cuts(timedelta(days=days)))
    starts = [STARTS_AT, *(ends_at for ends_at, _, _ in cuts)]
    made = [
        Step(
            starts_at,
            ends_at,
            milestone,
            period,
            plan.filter(pl.col("landed_at").is_between(starts_at, ends_at, closed="left")),
        )
        for starts_at, (ends_at, milestone, period) in zip(starts, cuts, strict=False)
    ]
    _require_postable(plan, made)
    return made


def _cuts(longest: timedelta) -> Iterator[tuple[datetime, Milestone | None, BillingPeriod | None]]:
    reached = STARTS_AT
    for period in PERIODS:
        milestones: list[tuple[datetime, Milestone]] = [
            (period.end, "period_ends"),
            (period.closes_at, "window_closes"),
            (period.finalizes_at, "invoice_finalizes"),
        ]
        for at, milestone in milestones:
            pieces = -((reached - at) // longest)
            for piece in range(1, pieces):
                yield reached + (at - reached) * piece / pieces, None, None
            yield at, milestone, period
            reached = at


def _require_postable(plan: pl.DataFrame, made: list[Step]) -> None:
    if sum(step.deliveries.height for step in made) != plan.height:
        raise ValueError(f"the plan lands outside {STARTS_AT:%Y-%m-%d} to {ENDS_AT:%Y-%m-%d}")
    for step in made:
        times = step.deliveries["event_time"]
        refused = ((times > step.clock) | (times < step.clock - OLDEST_EVENT)).sum()
        if refused:
            raise ValueError(
                f"the door would refuse {refused} deliveries of the step that ends at {step.ends_at}: use shorter steps"
            )
