"""`tally dbt` is dbt itself on this database; it may run beside ticks."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from cloned_database import Clone
from landing import Delivery, contents, land, value

from tally.ledger import Ledger


def tally_dbt(url: str, home: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = os.environ | {"DATABASE_URL": url, "TALLY_HOME": str(home)}
    command = [str(Path(sys.executable).with_name("tally")), "dbt", *arguments]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.fixture
def home(dbt_folder: Path) -> Path:
    return dbt_folder.parent


@pytest.fixture(scope="module")
def migrated_url(clone: Clone, template_database: str) -> str:
    """One database that only has migrations at first: dbt parses anew for each."""
    return clone(template_database, "command_line")


def test_build_on_a_database_that_only_has_migrations_passes_every_test(migrated_url: str, home: Path) -> None:
    build = tally_dbt(migrated_url, home, "build")
    output, _ = build.communicate(timeout=100)
    assert build.returncode == 0, output
    assert "unit tests" in output
    assert "WARN=0 ERROR=0 SKIP=0" in output


def test_what_dbt_refuses_exits_non_zero(migrated_url: str, home: Path) -> None:
    build = tally_dbt(migrated_url, home, "run-operation", "no_such_macro")
    output, _ = build.communicate(timeout=100)
    assert build.returncode != 0
    assert "no_such_macro" in output


def test_docs_describe_every_model_and_column(migrated_url: str, home: Path) -> None:
    docs = tally_dbt(migrated_url, home, "docs", "generate")
    output, _ = docs.communicate(timeout=100)
    assert docs.returncode == 0, output
    manifest = json.loads((home / "dbt" / "target" / "manifest.json").read_text())
    models = [node for node in manifest["nodes"].values() if node["resource_type"] == "model"]
    assert len(models) > 10
    undescribed = [node["name"] for node in models if not node["description"].startswith("One row per")]
    undescribed += [
        f"{node['name']}.{column['name']}"
        for node in models
        for column in node["columns"].values()
        if not column["description"]
    ]
    assert undescribed == []


@pytest.mark.thorough
def test_a_build_beside_ticks_and_landing_counts_everything_once(
    ledger: Ledger, database: psycopg.Connection, built_database_url: str, home: Path
) -> None:
    build = tally_dbt(built_database_url, home, "build")
    landed = 0
    while build.poll() is None:
        land(database, [Delivery(f"event-{landed + number}") for number in range(50)])
        landed += 50
        ledger.tick()
    output, _ = build.communicate(timeout=10)
    assert build.returncode == 0, output
    ledger.tick()
    assert value(database) == landed
    incremental = contents(database)
    ledger.refresh()
    assert contents(database) == incremental
