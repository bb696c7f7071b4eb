"""The real door and the real local Stripe, as processes of their own, the way the demo meets them."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import psycopg
import pytest

import demo
from demo.dataset import read_flights
from demo.disorder import landing_plan
from demo.flights import usage_events
from demo.steps import Step, steps
from demo.truth import TrueCell, truth
from tally.api_keys import create_key
from tally.clock import SimulatedClock
from tally.configuration import apply, load_configuration

ANNOUNCEMENT = "listening on "


@pytest.fixture(scope="session")
def flights() -> pl.DataFrame:
    return read_flights()


@pytest.fixture(scope="session")
def plan(flights: pl.DataFrame) -> pl.DataFrame:
    return landing_plan(usage_events(flights))


@pytest.fixture(scope="session")
def cells(flights: pl.DataFrame, plan: pl.DataFrame) -> list[TrueCell]:
    return truth(flights, plan)


@pytest.fixture(scope="session")
def made_steps(plan: pl.DataFrame) -> list[Step]:
    return steps(plan)


@pytest.fixture
def clock(connection: psycopg.Connection) -> SimulatedClock:
    """The simulated time of this test's database, at the first period's start."""
    return SimulatedClock(connection)


@pytest.fixture
def api_key(connection: psycopg.Connection) -> str:
    """A key of the demo's tenant, once the demo's configuration is applied."""
    apply(connection, load_configuration(Path(demo.__file__).parent / "tally.yaml"))
    return create_key(connection, "newark", "demo")


@pytest.fixture
def start_door(database_url: str, tmp_path: Path) -> Iterator[Callable[[], tuple[str, subprocess.Popen[str]]]]:
    """Starts the door, always on the same port; returns its address and its process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        "DATABASE_URL": database_url, "TALLY_HOME": str(tmp_path),
        "TALLY_CLOCK": "simulated", "TALLY_DOOR_PORT": str(port),
    }  # fmt: skip
    started: list[subprocess.Popen[str]] = []

    def start() -> tuple[str, subprocess.Popen[str]]:
        process, url = _started("ingest", environment=environment)
        started.append(process)
        return url, process

    yield start
    for process in started:
        _stop(process)


@pytest.fixture
def stripe_url() -> Iterator[str]:
    """A local Stripe with nothing in it."""
    process, url = _started("stripe_sandbox", "--port", "0", environment={})
    yield url
    _stop(process)


def _started(module: str, *arguments: str, environment: dict[str, str]) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if ANNOUNCEMENT in line:
            return process, line.partition(ANNOUNCEMENT)[2].strip()
    raise RuntimeError(f"python -m {module} ended with {process.wait()} before it listened")


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
