"""The Dagster job of `tally compare`: green when an export agrees, red with the lines when it does not."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from exported_month import Exports, worth

from dagster_project.definitions import defs
from tally.embedded_postgres import EmbeddedPostgres
from tally.settings import load_settings


@pytest.fixture
def _environment(
    exports: Exports, postgres: EmbeddedPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """The job finds the comparisons' database."""
    given = {"DATABASE_URL": postgres.url("compared"), "TALLY_HOME": str(tmp_path), "TALLY_CLOCK": "simulated"}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    load_settings.cache_clear()
    yield
    load_settings.cache_clear()


def run(file: Path, **config: Any) -> dg.ExecuteInProcessResult:
    return (
        defs()
        .resolve_job_def("compare_export")
        .execute_in_process(
            run_config={
                "ops": {"compared_export": {"config": {"file": str(file), "tenant": "acme", **config}}},
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
            },
            raise_on_error=False,
        )
    )


@pytest.mark.usefixtures("_environment")
def test_an_export_that_differs_fails_the_run_and_shows_the_line(tmp_path: Path) -> None:
    here = worth("globex", "calls")
    file = tmp_path / "export.csv"
    file.write_text(f"customer,metric,month,quantity\nglobex,calls,2024-03,{here}\n")
    agrees = run(file, customer="globex", epsilon="0.001")
    assert agrees.success
    assert Path(agrees.output_for_node("compared_export")).read_text().startswith("<!doctype html>")
    file.write_text(f"customer,metric,month,quantity\nglobex,calls,2024-03,{here + 1}\n")
    differs = run(file, customer="globex", epsilon="0.001")
    assert not differs.success
    [failed] = [event for event in differs.all_events if event.is_step_failure]
    failure = failed.step_failure_data.user_failure_data
    assert failure is not None
    assert failure.metadata["break"].value == 1
    assert "globex" in str(failure.metadata["what differs"].value)
    assert run(file, epsilon="one percent").success is False
