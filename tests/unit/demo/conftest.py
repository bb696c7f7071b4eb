"""The demo's data, prepared once for all tests that only read it."""

import polars as pl
import pytest

from demo.dataset import read_flights
from demo.disorder import landing_plan
from demo.flights import usage_events
from demo.truth import TrueCell, truth


@pytest.fixture(scope="session")
def flights() -> pl.DataFrame:
    return read_flights()


@pytest.fixture(scope="session")
def events(flights: pl.DataFrame) -> pl.DataFrame:
    return usage_events(flights)


@pytest.fixture(scope="session")
def plan(events: pl.DataFrame) -> pl.DataFrame:
    return landing_plan(events)


@pytest.fixture(scope="session")
def cells(flights: pl.DataFrame, plan: pl.DataFrame) -> list[TrueCell]:
    return truth(flights, plan)
