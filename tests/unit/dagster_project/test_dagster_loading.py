"""Loading the definitions is what every Dagster process does first: what it must not cost, and must not need."""

import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

LOAD = """
import sys
import dagster as dg
from dagster_project.definitions import defs
dg.Definitions.validate_loadable(defs())
heavy = {"great_expectations", "dbt.cli.main"} & set(sys.modules)
sys.exit(f"imported while loading: {heavy}" if heavy else 0)
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, dbt_folder: Path, definitions: dg.Definitions) -> Path:
    """A home in which the dbt project was parsed before, for the definitions that this process loaded."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "dbt").symlink_to(dbt_folder)
    return folder


def load(home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    # No database answers there: loading must neither need one nor start an embedded one.
    nowhere = {"TALLY_HOME": str(home), "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nowhere", "PATH": ""}
    return subprocess.run(
        [sys.executable, "-c", LOAD], env=nowhere | environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_loading_imports_neither_dbt_nor_great_expectations_once_the_project_is_parsed(home: Path) -> None:
    again = load(home)
    assert again.returncode == 0, again.stderr
    assert not (home / "postgres").exists()


def test_a_malformed_setting_stops_the_load_by_name(home: Path) -> None:
    refused = load(home, TALLY_DAGSTER_AUTOMATION="maybe")
    assert refused.returncode != 0
    assert "TALLY_DAGSTER_AUTOMATION" in refused.stderr


def test_the_settings_decide_what_is_switched_on_and_which_months_there_are(home: Path) -> None:
    code = """
from dagster_project.definitions import defs
from dagster_project.defs.partitions import months
loaded = defs()
print({each.default_status.value for each in [*loaded.sensors, *loaded.schedules]}, months.get_partition_keys())
"""
    environment = {
        "TALLY_HOME": str(home),
        "TALLY_DAGSTER_AUTOMATION": "off",
        "TALLY_MONTHS": "2012-12..2013-01",
        "PATH": "",
    }
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.strip() == "{'STOPPED'} ['2012-12', '2013-01']", done.stderr
