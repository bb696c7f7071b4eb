"""`make demo`, whole: interrupted once in the middle, then run again; every cell must equal the independent truth."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from demo.dataset import read_flights
from demo.flights import usage_events
from tally.demo_environment import demo_environment
from tally.embedded_postgres import EmbeddedPostgres
from tally.settings import Settings

ROOT = Path(__file__).parents[2]
COMMAND = [str(Path(sys.executable).parent / "tally"), "demo"]


@pytest.mark.timeout(600)
def test_interrupted_and_run_again_it_ends_with_the_truth(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "STRIPE_API_KEY")}
    environment |= {"TALLY_HOME": str(tmp_path / "home"), "TALLY_DOOR_PORT": "0", "TALLY_SANDBOX_PORT": "0"}
    try:
        with subprocess.Popen(
            COMMAND, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, process_group=0
        ) as interrupted:
            assert interrupted.stdout is not None
            for line in interrupted.stdout:
                if "January 2013 has ended" in line:
                    break
            time.sleep(1)  # into the ticks that follow
            os.killpg(interrupted.pid, signal.SIGKILL)
        done = subprocess.run(COMMAND, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "All 1,152 cells of 128 rows equal the independent truth" in done.stdout
        assert "128 of 128 invoice lines proven" in done.stdout
        assert "0 applied other than once" in done.stdout
        reports = [ROOT / path for path in re.findall(r"report: (\S+)", done.stdout)]
        assert [path.exists() and path.with_suffix(".csv").exists() for path in reports] == [True, True]
        _check_published(environment)
        _compare_with_an_export(environment, tmp_path)
    finally:
        EmbeddedPostgres(tmp_path / "home" / "postgres").stop()


def _check_published(environment: dict[str, str]) -> None:
    """What stands in RECONCILIATION.md is what the command prints of this run."""
    publish = [COMMAND[0], "reports", "publish", "RECONCILIATION.md", "--demo", "--check"]
    done = subprocess.run(publish, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _compare_with_an_export(environment: dict[str, str], folder: Path) -> None:
    """The data set's own days differ from what was counted by exactly the events that landed too late."""
    flights = usage_events(read_flights()).filter(pl.col("metric").is_in(["departures", "air_minutes"]))
    day = pl.col("event_time").dt.convert_time_zone("America/New_York").dt.date().alias("day")
    days = flights.group_by("customer_ref", "metric", day).agg(pl.col("quantity").sum())
    days.write_csv(folder / "warehouse.csv")
    home = Settings.model_validate({"TALLY_HOME": environment["TALLY_HOME"]})
    compare = [COMMAND[0], "compare", str(folder / "warehouse.csv"), "--epsilon", "0", "--json"]
    done = subprocess.run(
        compare, env=environment | demo_environment(home), capture_output=True, text=True, check=False
    )
    found = json.loads(done.stdout)
    assert (done.returncode, set(found["causes"])) == (1, {"late events"})
    assert found["verdicts"]["ok"] > 10
    assert found["rows"] == days.height
