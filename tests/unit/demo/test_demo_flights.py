"""Flights become events: which, when, how many, and under what keys."""

import json
from collections import defaultdict
from datetime import UTC, datetime, timedelta

import polars as pl

from demo.billing_periods import FEBRUARY, JANUARY
from demo.flights import AIR_MINUTES, AIRCRAFT_IN_SERVICE, DEPARTURES, PEAK_DEPARTURE_DELAY


def _of(events: pl.DataFrame, metric: str) -> pl.DataFrame:
    return events.filter(pl.col("metric") == metric)


def test_the_data_set_is_two_months_of_real_flights(flights: pl.DataFrame) -> None:
    assert flights.height == 51_955
    assert flights["dep_time"].null_count() == 1_782  # cancelled
    assert flights["carrier"].n_unique() == 16


def test_every_departed_flight_makes_its_events_and_no_cancelled_one_does(events: pl.DataFrame) -> None:
    assert _of(events, DEPARTURES).height == 51_955 - 1_782
    assert _of(events, PEAK_DEPARTURE_DELAY).height == 50_173
    assert _of(events, AIRCRAFT_IN_SERVICE).height == 50_173
    assert _of(events, AIR_MINUTES).height == 50_173 - 164  # diverted flights have no air time
    assert events.height == 200_528


def test_keys_are_unique_and_readable(events: pl.DataFrame) -> None:
    assert events["idempotency_key"].n_unique() == events.height
    assert "2013-01-01.UA.1545.EWR.0515.departures" in events["idempotency_key"]


def test_an_event_happens_when_the_flight_really_left(flights: pl.DataFrame, events: pl.DataFrame) -> None:
    first = events.row(by_predicate=pl.col("idempotency_key") == "2013-01-01.UA.1545.EWR.0515.departures", named=True)
    assert first["event_time"] == datetime(2013, 1, 1, 10, 17, tzinfo=UTC)  # 05:17 in New York, two minutes late
    left = _of(events, DEPARTURES)["event_time"].dt.convert_time_zone("America/New_York")
    published = flights.drop_nulls("dep_time")["dep_time"] % 2400  # midnight is 2400 there
    assert sorted(left.dt.strftime("%-H%M").cast(pl.Int64)) == sorted(published)


def test_a_january_flight_that_leaves_in_february_counts_in_february(events: pl.DataFrame) -> None:
    scheduled = _of(events, DEPARTURES).filter(pl.col("idempotency_key").str.starts_with("2013-01-31"))
    left_later = scheduled.filter(pl.col("event_time") >= FEBRUARY.start)
    assert left_later.height == 8
    assert events["event_time"].min() >= JANUARY.start  # type: ignore[operator]
    assert events["event_time"].max() < FEBRUARY.end  # type: ignore[operator]


def test_the_gauge_counts_the_aircraft_of_the_day_before(events: pl.DataFrame) -> None:
    """Recounted flight by flight, without windows, for carriers of every size."""
    for carrier in ("OO", "HA", "YV", "F9", "VX", "WN"):
        gauge = _of(events, AIRCRAFT_IN_SERVICE).filter(pl.col("customer_ref") == carrier)
        flown = [
            (row["event_time"], json.loads(row["properties"])["tailnum"], row["quantity"])
            for row in gauge.iter_rows(named=True)
        ]
        for at, _, quantity in flown:
            day = {tail for other, tail, _ in flown if at - timedelta(hours=24) < other <= at}
            assert quantity == len(day)


def test_the_gauge_falls_and_is_the_same_for_departures_of_one_minute(events: pl.DataFrame) -> None:
    gauge = _of(events, AIRCRAFT_IN_SERVICE).sort("customer_ref", "event_time")
    falls = gauge.select((pl.col("quantity").diff().over("customer_ref") < 0).sum()).item()
    assert falls > 1_000
    at_once: dict[tuple[str, datetime], set[int]] = defaultdict(set)
    for carrier, at, quantity in gauge.select("customer_ref", "event_time", "quantity").iter_rows():
        at_once[carrier, at].add(quantity)
    assert len(at_once) < gauge.height  # there are such departures
    assert all(len(quantities) == 1 for quantities in at_once.values())


def test_properties_name_the_flight(events: pl.DataFrame) -> None:
    row = events.row(by_predicate=pl.col("idempotency_key") == "2013-01-01.UA.1545.EWR.0515.departures", named=True)
    assert json.loads(row["properties"]) == {"flight": "UA1545", "route": "EWR-IAH", "tailnum": "N14228"}
