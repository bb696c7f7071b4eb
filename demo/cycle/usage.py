"""Made-up usage, by a seed: API calls by the hour, seats by the day; a few arrive twice, a few days late."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import NamedTuple

import polars as pl

from demo.cycle.calendar import ENDS_AT, FEBRUARY, PERIODS, UPGRADED_AT, cuts
from demo.cycle.cast import CLEO, CUSTOMERS, EVE
from demo.steps import Step

SEED = 20130401
API_CALLS, SEATS = METRICS = ("api_calls", "seats")
_MICROSECOND = timedelta(microseconds=1)
_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "idempotency_key": pl.String,
    "customer_ref": pl.String,
    "metric": pl.String,
    "quantity": pl.Decimal(18, 3),
    "event_time": pl.Datetime("us", "UTC"),
    "properties": pl.String,
    "landed_at": pl.Datetime("us", "UTC"),
}


class Usage(NamedTuple):
    """One event, and when it reaches the door."""

    idempotency_key: str
    customer_ref: str
    metric: str
    quantity: Decimal
    event_time: datetime
    properties: str
    landed_at: datetime


def deliveries(seed: int = SEED) -> pl.DataFrame:
    """Every delivery in the order of landing; the same for the same seed. One in fifty is sent twice."""
    random = Random(seed)
    rows = list(_events(random))
    rows += [
        event._replace(landed_at=event.landed_at + timedelta(hours=random.randrange(1, 40)))
        for event in rows
        if random.random() < 0.02
    ]
    landing = sorted((row for row in rows if row.landed_at < ENDS_AT), key=lambda row: row.landed_at)
    return pl.DataFrame(landing, schema=_SCHEMA, orient="row")


def steps(landing: pl.DataFrame) -> list[Step]:
    """The deliveries cut at every moment at which something happens."""
    made, reached = [], PERIODS[0].start
    for ends_at, milestone, period in cuts():
        due = landing.filter(pl.col("landed_at").is_between(reached, ends_at, closed="left"))
        made.append(Step(reached, ends_at, milestone, period, due))
        reached = ends_at
    return made


def _events(random: Random) -> Iterator[Usage]:
    for customer in CUSTOMERS:
        last = FEBRUARY.end if customer == EVE else PERIODS[-1].end
        hour = PERIODS[0].start
        while hour < last:
            at = hour + timedelta(seconds=random.randrange(3600))
            calls = Decimal(random.randrange(0, 900_000)) / 1000
            yield _usage(random, customer, API_CALLS, calls, at)
            if hour.hour == 9:
                yield _usage(random, customer, SEATS, Decimal(random.randrange(3, 40)), at + _MICROSECOND)
            hour += timedelta(hours=1)


def _usage(random: Random, customer: str, metric: str, quantity: Decimal, at: datetime) -> Usage:
    late = timedelta(hours=random.randrange(2, 30)) if random.random() < 0.01 else timedelta(seconds=20)
    landed_at = at + late
    # Stripe bills nothing for the time before an in-place upgrade that it hears of afterwards: Cleo's app is on time.
    if customer == CLEO and at < UPGRADED_AT <= landed_at:
        landed_at = UPGRADED_AT - _MICROSECOND
    key = f"{customer}-{metric}-{at:%m%d%H%M%S%f}"
    return Usage(key, customer, metric, quantity, at, "{}", landed_at)
