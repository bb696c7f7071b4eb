"""docs/compare.md: its example is run, and says what it prints."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from counter_rows import put_counter
from tally_command import run_tally

from tally.cli.output import console
from tally.compare.columns import FIELDS
from tally.database import connect

DOCUMENT = Path(__file__).parents[3] / "docs" / "compare.md"
MARCH = (datetime(2024, 3, 1, tzinfo=UTC), datetime(2024, 4, 1, tzinfo=UTC))
COUNTED = {"globex": "150.5", "initech": "2", "hooli": "12"}


def block(language: str) -> str:
    [found] = re.findall(rf"```{language}\n(.+?)```", DOCUMENT.read_text(), re.DOTALL)
    return str(found)


def test_the_example_prints_what_the_page_says(
    built_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connect(built_database_url, autocommit=True) as connection:
        connection.execute("insert into tally.tenants (tenant_id, name) values ('acme', 'Acme')")
        connection.execute(
            "insert into tally.meters (tenant_id, metric, aggregation) values ('acme', 'api_calls', 'sum')"
        )
        for customer, value in COUNTED.items():
            put_counter(connection, "acme", customer, "api_calls", value, MARCH)
    (tmp_path / "warehouse.csv").write_text(block("csv"))
    command, _, printed = block("console").partition("\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(console, "width", 118)
    environment = {"DATABASE_URL": built_database_url, "TALLY_HOME": "home"}
    done = run_tally(environment, *command.removeprefix("$ tally ").split())
    assert (done.returncode, done.stderr) == (1, "")
    assert [line.rstrip() for line in done.stdout.splitlines()] == printed.splitlines()
    assert (tmp_path / "home" / "reports" / "compare" / "warehouse.csv.html").exists()


def test_the_page_names_every_field_and_cause() -> None:
    page = DOCUMENT.read_text()
    assert [field for field in FIELDS if f"`{field}`" not in page] == []
    sources = "".join(path.read_text() for path in (DOCUMENT.parents[1] / "tally" / "compare").glob("*.py"))
    codes = {*re.findall(r'Cause\("([^"]+)"', sources), *re.findall(r'Uncounted\("([^"]+)"', sources)}
    codes |= set(re.findall(r'judged\("\w+", f?"([^:"]+):', sources))
    assert len(codes) > 15
    assert [code for code in sorted(codes) if f"`{code}`" not in page] == []
