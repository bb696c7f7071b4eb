"""What every cell must say, computed straight from the flights: by another route than the events' and the ledger's.

Of the landing plan only keys and landing times are used. Departure times come from the data set's own UTC hour, not
from the local schedule; quantities come from the flights, not from the posted events.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import polars as pl

from demo.billing_periods import PERIODS, BillingPeriod

METRICS = ("air_minutes", "aircraft_in_service", "departures", "peak_departure_delay")
WINDOW = timedelta(hours=48)


@dataclass(frozen=True)
class TrueCell:
    """One carrier, metric and period. `quantity` is None when nothing counts: no event, or only late ones."""

    customer_ref: str
    metric: str
    period_start: datetime
    delivered: int
    duplicates: int
    late: int
    counted: int
    quantity: Decimal | None


def truth(flights: pl.DataFrame, plan: pl.DataFrame) -> list[TrueCell]:
    """A cell for each of 16 carriers, 4 metrics and 2 periods, sorted by period, carrier and metric.

    `flights` as from `read_flights`, `plan` as from `landing_plan` (its idempotency_key and landed_at only).

    Raises:
        ValueError: the plan lacks an event of the flights, or has one that no flight explains.
    """
    departed = _departed(flights)
    delivered = _delivered(departed, plan)
    carriers = sorted(flights["carrier"].unique())
    return [cell for period in PERIODS for cell in _period_cells(period, carriers, delivered, departed)]


def _departed(flights: pl.DataFrame) -> pl.DataFrame:
    hour = pl.col("time_hour").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us", time_zone="UTC")
    padded = pl.col("month", "day", "hour", "minute").cast(pl.String).str.zfill(2)
    departed = flights.drop_nulls("dep_time").with_columns(
        left_at=hour + pl.duration(minutes=pl.col("minute") + pl.col("dep_delay"))
    )
    return departed.with_columns(padded).select(
        "carrier",
        "tailnum",
        "left_at",
        "dep_delay",
        "air_time",
        flight_key=pl.format(
            "2013-{}-{}.{}.{}.{}.{}{}", "month", "day", "carrier", "flight", "origin", "hour", "minute"
        ),
    )


def _delivered(departed: pl.DataFrame, plan: pl.DataFrame) -> pl.DataFrame:
    """The flights, once per event of theirs: metric, first landing, number of deliveries."""
    named = plan.select(
        "landed_at",
        pl.col("idempotency_key").str.extract_groups(r"^(?<flight_key>.+)\.(?<metric>\w+)$").struct.unnest(),
    )
    landings = named.group_by("flight_key", "metric").agg(landed_first=pl.col("landed_at").min(), deliveries=pl.len())
    explained = landings.join(departed, on="flight_key", how="inner")
    expected = 4 * departed.height - departed["air_time"].null_count()
    if not landings.height == explained.height == expected:
        raise ValueError(
            f"the flights make {expected} events, the plan lands {landings.height}; they share {explained.height}"
        )
    return explained


def _period_cells(
    period: BillingPeriod, carriers: list[str], delivered: pl.DataFrame, departed: pl.DataFrame
) -> Iterator[TrueCell]:
    of_period = delivered.filter((pl.col("left_at") >= period.start) & (pl.col("left_at") < period.end))
    for carrier in carriers:
        flown = departed.filter(pl.col("carrier") == carrier)
        for metric in METRICS:
            events = of_period.filter((pl.col("carrier") == carrier) & (pl.col("metric") == metric))
            counted = events.filter(pl.col("landed_first") < period.end + WINDOW)
            deliveries = int(events["deliveries"].sum())
            yield TrueCell(
                carrier,
                metric,
                period.start,
                delivered=deliveries,
                duplicates=deliveries - events.height,
                late=events.height - counted.height,
                counted=counted.height,
                quantity=_quantity(metric, counted, flown),
            )


def _quantity(metric: str, counted: pl.DataFrame, flown: pl.DataFrame) -> Decimal | None:
    if counted.is_empty():
        return None
    if metric == "departures":
        return Decimal(counted.height)
    if metric == "air_minutes":
        return Decimal(sum(counted["air_time"].to_list()))
    if metric == "peak_departure_delay":
        return Decimal(max(counted["dep_delay"].to_list()))
    return Decimal(_aircraft_of_the_day_before(max(counted["left_at"].to_list()), flown))


def _aircraft_of_the_day_before(last: datetime, flown: pl.DataFrame) -> int:
    """Different aircraft that left in the 24 hours up to `last`, whether or not their own events landed in time."""
    day = flown.filter((pl.col("left_at") > last - timedelta(hours=24)) & (pl.col("left_at") <= last))
    return len(set(day["tailnum"].to_list()))
