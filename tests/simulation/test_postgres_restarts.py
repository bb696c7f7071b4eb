"""Postgres is restarted for real while a pusher is at work: at each kind of step, the same equality."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from tally.embedded_postgres import EmbeddedPostgres
from tests.simulation.crash_points import tick
from tests.simulation.postgres_side import PostgresSide
from tests.simulation.run import MID_MONTH, Product, conclude, staged
from tests.simulation.stage import Step
from tests.simulation.world import open_world


class RestartAt:
    """Restarts the server before the first step of this label."""

    def __init__(self, label: str, restart: Callable[[], None]) -> None:
        self.label: str | None = label
        self._restart = restart

    def __call__(self, step: Step) -> str | None:
        if step.label == self.label and step.actor.startswith(("pusher", "planner")):
            self.label = None
            self._restart()
        return None


@pytest.mark.parametrize("label", ["claim.sql", "/v1/billing/meter_events"])
def test_postgres_restarted_in_the_middle_of_a_push(
    postgres: EmbeddedPostgres, built_database_url: str, tmp_path: Path, label: str
) -> None:
    with open_world(built_database_url, tmp_path) as world:
        side = PostgresSide(world.terminate)

        def restart() -> None:
            url = postgres.url()
            postgres.stop()
            postgres.ensure_running()
            assert postgres.url() == url, "the server came back at another port"
            world.admin.close()
            world.admin = psycopg.connect(world.url, autocommit=True, options="-c timezone=UTC")

        faults = RestartAt(label, restart)
        with staged(world, side, label, MID_MONTH, Product(faults)) as cast:
            for value in ("8", "5"):
                counted = {("globex", "api_calls"): value, ("initech", "peak_load"): value}
                tick(cast, counted, timedelta(minutes=2))
                side.close()
            outcome = conclude(cast, Product(faults), "restart")
        assert faults.label is None
        ended = [line for line in outcome.trace if "AdminShutdown" in line or "OperationalError" in line]
        assert len(ended) == 1
        assert outcome.verdict.violations == []
        side.close()
        world.admin.close()
