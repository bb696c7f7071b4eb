"""From flights to usage events: what the airport's own app would post for each departure."""

import polars as pl

from demo.billing_periods import TIME_ZONE

DEPARTURES = "departures"
AIR_MINUTES = "air_minutes"
PEAK_DEPARTURE_DELAY = "peak_departure_delay"
AIRCRAFT_IN_SERVICE = "aircraft_in_service"
METRICS = (DEPARTURES, AIR_MINUTES, PEAK_DEPARTURE_DELAY, AIRCRAFT_IN_SERVICE)

# Taxiing and paperwork between the wheels' touching ground and the flight's air time being known.
ARRIVAL_PROCESSING_MINUTES = 15


def usage_events(flights: pl.DataFrame) -> pl.DataFrame:
    """One row per event, up to four a flight that departed, sorted by key.

    Columns: idempotency_key, customer_ref (the carrier), metric, quantity (whole), event_time (the actual departure,
    UTC), properties (a JSON object as text), known_at (when the app can know the quantity, UTC). A cancelled flight has
    no event, a diverted one no `air_minutes`.
    """
    departures = _departures(flights)
    events = pl.concat(
        [
            _of(departures, DEPARTURES, pl.lit(1)),
            _of(departures, AIR_MINUTES, pl.col("air_time"), pl.col("air_time") + ARRIVAL_PROCESSING_MINUTES),
            _of(departures, PEAK_DEPARTURE_DELAY, pl.col("dep_delay")),
            _of(departures, AIRCRAFT_IN_SERVICE, pl.col("aircraft_in_service")),
        ]
    )
    return events.sort("idempotency_key")


def _departures(flights: pl.DataFrame) -> pl.DataFrame:
    """One row per flight that departed, with `key`, `departed_at` and `aircraft_in_service`."""
    scheduled = pl.datetime(2013, pl.col("month"), pl.col("day"), pl.col("hour"), pl.col("minute"), time_zone=TIME_ZONE)
    # Not from dep_time: its four digits do not say whether a late flight left after midnight.
    departed_at = (scheduled + pl.duration(minutes=pl.col("dep_delay"))).dt.convert_time_zone("UTC")
    departures = (
        flights.filter(pl.col("dep_time").is_not_null())
        .with_columns(key=_key(), properties=_properties(), departed_at=departed_at)
        .sort("carrier", "departed_at", "key")
    )
    return departures.with_columns(aircraft_in_service=_aircraft_in_service(departures))


def _key() -> pl.Expr:
    # A carrier uses a flight number once a day at an airport, so the first four parts are already unique.
    month, day, hour, minute = (
        pl.col(name).cast(pl.String).str.zfill(2) for name in ("month", "day", "hour", "minute")
    )
    return pl.format("2013-{}-{}.{}.{}.{}.{}{}", month, day, "carrier", "flight", "origin", hour, minute)


def _properties() -> pl.Expr:
    return pl.struct(
        flight=pl.format("{}{}", "carrier", "flight"), route=pl.format("{}-{}", "origin", "dest"), tailnum="tailnum"
    ).struct.json_encode()


def _aircraft_in_service(departures: pl.DataFrame) -> pl.Series:
    """Per departure, how many different aircraft its carrier flew in the 24 hours up to and including it.

    A gauge: it falls as well as rises, so its last value is neither its sum nor its peak. Departures of one carrier in
    the same minute see each other and get the same value, so the last value does not depend on how a tie is broken.
    """
    day = departures.rolling("departed_at", period="24h", closed="right", group_by="carrier")
    return day.agg(pl.col("tailnum").n_unique().cast(pl.Int64).alias("aircraft"))["aircraft"]


def _of(
    departures: pl.DataFrame, metric: str, quantity: pl.Expr, known_after_minutes: pl.Expr | None = None
) -> pl.DataFrame:
    known_after = pl.lit(0) if known_after_minutes is None else known_after_minutes
    return departures.select(
        idempotency_key=pl.format("{}.{}", "key", pl.lit(metric)),
        customer_ref="carrier",
        metric=pl.lit(metric),
        quantity=quantity.cast(pl.Int64),
        event_time="departed_at",
        properties="properties",
        known_at=pl.col("departed_at") + pl.duration(minutes=known_after),
    ).drop_nulls("quantity")
