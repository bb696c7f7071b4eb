"""The landing plan: when each event reaches the door, how often, and how much later than it happened.

Event time is the flights' own. Landing starts from it too: a departure is reported minutes after it, a flight's air
time once it has landed. The disorder on top is drawn from a seed, with `random()` alone, which Python keeps stable.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random

import polars as pl

from demo.billing_periods import ENDS_AT, PERIODS, BillingPeriod

SEED = 20130101
REPEATS = 0.05
AFTER_WINDOW = 0.002
AFTER_PERIOD_END = 0.01
HELD = 0.03

PLAN_COLUMNS = (
    "idempotency_key", "customer_ref", "metric", "quantity", "event_time", "properties",
    "landed_at", "is_repeat", "kind",
)  # fmt: skip

# The door refuses events older than 35 days; steps of up to 8 days may pass before a delivery is posted.
_OLDEST_REPEAT = timedelta(days=26)
_MINUTE = 60 * 1_000_000
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR


def landing_plan(events: pl.DataFrame, seed: int = SEED) -> pl.DataFrame:
    """Every delivery of `events` (from `usage_events`), in landing order: PLAN_COLUMNS, the same for the same seed.

    `kind` of a first delivery: `prompt`, `held` (2 to 36 hours late, overtaken by others), `after_period_end` (inside
    the lateness window) or `after_window`; of a repeat: `repeat_after_seconds`, `repeat_after_days` or
    `repeat_after_weeks`. A repeat carries the first delivery's payload and lands after it.
    """
    random = Random(seed)
    first = _first_deliveries(events.sort("idempotency_key"), random)
    return pl.concat([first, _repeats(first, random)]).sort("landed_at", "idempotency_key", "is_repeat")


def _first_deliveries(events: pl.DataFrame, random: Random) -> pl.DataFrame:
    drawn = events.with_columns(_draws("draw", events.height, random), _draws("spread", events.height, random))
    draw, spread = pl.col("draw"), pl.col("spread")
    kind = (
        pl.when(draw < AFTER_WINDOW).then(pl.lit("after_window"))
        .when(draw < AFTER_WINDOW + AFTER_PERIOD_END).then(pl.lit("after_period_end"))
        .when(draw < AFTER_WINDOW + AFTER_PERIOD_END + HELD).then(pl.lit("held"))
        .otherwise(pl.lit("prompt"))
    )  # fmt: skip
    prompt = pl.col("known_at") + _between(_MINUTE, 10 * _MINUTE, spread)
    held = pl.col("known_at") + _between(2 * _HOUR, 36 * _HOUR, spread)
    after_period_end = pl.max_horizontal(
        prompt, _of_period(lambda period: period.end) + _between(0, 48 * _HOUR - 1, spread)
    )
    landed_at = (
        pl.when(kind == "after_window").then(_after_window(spread))
        .when(kind == "after_period_end").then(after_period_end)
        .when(kind == "held").then(held)
        .otherwise(prompt)
    )  # fmt: skip
    return drawn.with_columns(kind=kind, landed_at=landed_at, is_repeat=pl.lit(False)).select(PLAN_COLUMNS)


def _after_window(spread: pl.Expr) -> pl.Expr:
    """Up to five days after the window closed; within one day what happened so early that the door soon refuses it."""
    closes_at = _of_period(lambda period: period.closes_at)
    latest = pl.min_horizontal(closes_at + timedelta(days=5), pl.col("event_time") + _OLDEST_REPEAT)
    latest = pl.min_horizontal(pl.max_horizontal(latest, closes_at + timedelta(days=1)), _end_of_plan())
    return closes_at + ((latest - closes_at).dt.total_microseconds() * spread).cast(pl.Int64).cast(pl.Duration("us"))


def _repeats(first: pl.DataFrame, random: Random) -> pl.DataFrame:
    """5 % as many repeats as events; an event drawn twice is repeated twice."""
    count = round(REPEATS * first.height)
    picked = first[[int(random.random() * first.height) for _ in range(count)]]
    drawn = picked.with_columns(_draws("draw", count, random), _draws("spread", count, random))
    draw, spread = pl.col("draw"), pl.col("spread")
    wanted = (
        pl.when(draw < 0.5).then(pl.lit("repeat_after_seconds"))
        .when(draw < 0.8).then(pl.lit("repeat_after_days"))
        .otherwise(pl.lit("repeat_after_weeks"))
    )  # fmt: skip
    seconds = pl.col("landed_at") + _between(1_000_000, 30 * 1_000_000, spread)
    days, weeks = _between(_DAY, 6 * _DAY, spread), _between(14 * _DAY, 25 * _DAY, spread)
    later = pl.col("landed_at") + pl.when(wanted == "repeat_after_days").then(days).otherwise(weeks)
    # A client gives up on an old event, and the demo ends one day: what would come after that comes at once instead.
    too_late = (later > pl.col("event_time") + _OLDEST_REPEAT) | (later > _end_of_plan())
    at_once = (wanted == "repeat_after_seconds") | too_late
    return drawn.with_columns(
        landed_at=pl.when(at_once).then(seconds).otherwise(later),
        kind=pl.when(at_once).then(pl.lit("repeat_after_seconds")).otherwise(wanted),
        is_repeat=pl.lit(True),
    ).select(PLAN_COLUMNS)


def _draws(name: str, count: int, random: Random) -> pl.Series:
    return pl.Series(name, [random.random() for _ in range(count)], pl.Float64)


def _between(least: int, most: int, spread: pl.Expr) -> pl.Expr:
    """A duration from `least` up to `most` microseconds, `spread` in [0, 1)."""
    return (least + (most - least) * spread).cast(pl.Int64).cast(pl.Duration("us"))


def _of_period(instant: Callable[[BillingPeriod], datetime]) -> pl.Expr:
    """`instant` of the period that the event's time falls in."""
    january, february = (pl.lit(instant(period)) for period in PERIODS)
    return pl.when(pl.col("event_time") < PERIODS[0].end).then(january).otherwise(february)


def _end_of_plan() -> pl.Expr:
    return pl.lit(ENDS_AT - timedelta(minutes=1))
