"""`tally conflicts replace` on an open counter: it is replayed, and the next tick counts what takes its place."""

import json
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from metered_month import JANUARY, Usage, land
from typer.testing import CliRunner

from tally.cli.app import app
from tally.clock import FixedClock
from tally.ledger import Ledger
from tally.settings import load_settings

_VALUE = "select value from marts.usage_counters where metric = 'sum' and customer_ref = 'globex'"
AT = JANUARY[0] + timedelta(days=3)


@pytest.fixture
def _environment(
    database: psycopg.Connection[Any],
    built_database_url: str,
    clock: FixedClock,
    dbt_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[None]:
    """The command finds the test's database and time, and what dbt has parsed."""
    (tmp_path / "dbt").symlink_to(dbt_folder)
    for name, value in {
        "DATABASE_URL": built_database_url,
        "TALLY_HOME": str(tmp_path),
        "TALLY_CLOCK": "simulated",
    }.items():
        monkeypatch.setenv(name, value)
    database.execute("update tally.simulated_clock set now = %s", (clock.at,))
    load_settings.cache_clear()
    yield
    load_settings.cache_clear()


@pytest.mark.usefixtures("_environment")
def test_the_other_delivery_is_counted_instead(database: psycopg.Connection[Any], ledger: Ledger) -> None:
    first = Usage("k", "sum", AT, AT, Decimal(4), seq=1)
    land(database, [first, Usage("other", "sum", AT, AT, Decimal("0.5"), seq=2)])
    land(database, [Usage("k", "sum", AT, AT + timedelta(hours=1), Decimal(9), seq=3)])
    ledger.tick()
    assert _replaced("--dry-run")["dry_run"]
    ledger.tick()
    assert database.execute(_VALUE).fetchone() == (Decimal("4.5"),)

    done = _replaced()
    assert (done["delivery"], done["needs_recount"], done["adjustment_id"]) == (2, True, None)
    replays = database.execute("select state, applied_by from tally.replays").fetchall()
    assert replays == [("applied", "Ada")]
    ledger.tick()
    assert database.execute(_VALUE).fetchone() == (Decimal("9.5"),)


def _replaced(*options: str) -> Any:
    arguments = ["conflicts", "replace", "k", "--by", "Ada", "--note", "9 is right", "--json", *options]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)
