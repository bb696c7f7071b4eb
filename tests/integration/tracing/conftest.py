"""A receiver of spans, and a stack whose traces are on."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from otlp_receiver import Receiver, otlp_receiver
from stripe_side import StripeSide, local_stripe
from traced_stack import Stack, declare

from tally.database import connect


@pytest.fixture(scope="module")
def shared_stripe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StripeSide]:
    with local_stripe(tmp_path_factory.mktemp("stripe")) as side:
        yield side


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, dbt_folder: Path) -> Path:
    """One home for all, with the dbt project that this test process has parsed."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "dbt").symlink_to(dbt_folder)
    return folder


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """Where this process' spans go, soon after they end."""
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    with otlp_receiver() as running:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", running.url)
        yield running


@pytest.fixture
def stack(built_database_url: str, home: Path, shared_stripe: StripeSide) -> Iterator[Callable[..., Stack]]:
    """Makes the stack, with some settings changed by environment name."""
    with connect(built_database_url, autocommit=True) as connection:

        def make(**changed: Any) -> Stack:
            given = {"TALLY_CLOCK": "simulated", "TALLY_DOOR_PORT": 0, **changed}
            return declare(connection, shared_stripe, shared_stripe.settings(built_database_url, home, **given))

        yield make
    shared_stripe.control.post("/_sandbox/reset").raise_for_status()
