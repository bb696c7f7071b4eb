"""Reports are kept: the same run gives the same bytes for ever, what changed is named, nothing kept can be altered."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from counter_rows import put_counter
from typer.testing import CliRunner

from tally.cli.app import app
from tally.clock import FixedClock
from tally.database import connect
from tally.reports import (
    Report,
    ReportNotKept,
    beside_the_past,
    list_runs,
    make_report,
    prune,
    read_kept,
    write_report,
)
from tally.reports.keeping import LONGEST_CHAIN
from tally.settings import load_settings

MARCH = (datetime(2024, 3, 1, tzinfo=UTC), datetime(2024, 4, 1, tzinfo=UTC))
APRIL = (MARCH[1], datetime(2024, 5, 1, tzinfo=UTC))


class Stage:
    """A tenant whose counters are put in as the ledger would have computed them, and the time, which goes on."""

    def __init__(self, connection: psycopg.Connection[Any], folder: Path) -> None:
        self.connection, self.clock, self.folder = connection, FixedClock(MARCH[0] + timedelta(days=3)), folder
        connection.execute("insert into tally.tenants (tenant_id, name) values ('acme', 'Acme')")
        connection.execute("insert into tally.meters (tenant_id, metric, aggregation) values ('acme', 'calls', 'sum')")
        connection.execute("insert into tally.customers values ('acme', 'globex', 'Globex')")

    def count(self, customer: str, value: str, period: tuple[datetime, datetime] = MARCH) -> None:
        put_counter(self.connection, "acme", customer, "calls", value, period)

    def forget(self, customer: str) -> None:
        self.connection.execute("delete from ledger.int_usage_counters where customer_ref = %s", (customer,))

    def read(self, customer: str, quantity: str | None, amount: str = "100") -> None:
        """What Stripe says of March."""
        self.connection.execute(
            "insert into tally.stripe_totals (tenant_id, account, livemode, customer_ref, metric, period_start,"
            " period_end, summary_quantity, invoice_id, invoice_line_id, invoice_status, invoice_quantity,"
            " invoice_amount, invoice_currency)"
            " values ('acme', 'self', false, %(customer)s, 'calls', %(start)s, %(end)s, %(quantity)s, 'in_1', 'il_1',"
            " 'draft', %(quantity)s, %(amount)s, 'usd')"
            " on conflict (tenant_id, account, livemode, customer_ref, metric, period_start) do update set"
            " summary_quantity = excluded.summary_quantity, invoice_quantity = excluded.invoice_quantity",
            {"customer": customer, "start": MARCH[0], "end": MARCH[1], "quantity": quantity, "amount": amount},
        )

    def make(self, span: tuple[datetime, datetime] = MARCH) -> Report:
        self.clock.at += timedelta(hours=1)
        return make_report(self.connection, "acme", self.clock, span)

    def bytes_of(self, report: Report, name: str) -> dict[str, bytes]:
        files = write_report(report, self.folder / name)
        return {path.suffix: path.read_bytes() for path in vars(files).values()}

    def bytes_again(self, run_id: int | None) -> dict[str, bytes]:
        kept = beside_the_past(self.connection, read_kept(self.connection, "acme", run_id))
        return self.bytes_of(kept, f"again-{run_id}")

    def rows_kept(self) -> int:
        row = self.connection.execute("select count(*) from tally.report_lines").fetchone()
        assert row is not None
        return int(row[0])


@pytest.fixture
def stage(built_database_url: str, tmp_path: Path) -> Iterator[Stage]:
    with connect(built_database_url, autocommit=True) as connection:
        yield Stage(connection, tmp_path)


def several_runs(stage: Stage) -> list[tuple[Report, dict[str, bytes]]]:
    """Runs between which lines appear, change, stay, are renamed and vanish; another month in between."""
    made = []

    def make(span: tuple[datetime, datetime] = MARCH) -> None:
        report = stage.make(span)
        made.append((report, stage.bytes_of(report, f"made-{report.run_id}")))

    stage.count("globex", "10.5")
    stage.read("initech", "7")
    make()
    make()
    stage.count("globex", "12")
    stage.count("globex", "3", APRIL)
    make()
    make(APRIL)
    stage.read("initech", None)
    stage.connection.execute("update tally.customers set name = 'Globex Corporation'")
    make()
    stage.forget("globex")
    stage.connection.execute("update tally.tenants set name = 'Acme & Söhne', epsilon = 0.01")
    make()
    return made


def test_a_run_gives_the_same_bytes_again_whatever_came_since(stage: Stage) -> None:
    made = several_runs(stage)
    assert [report.changes and [each.columns and each.line.customer_ref for each in report.changes.lines]
            for report, _ in made] == [None, [], ["globex"], None, ["initech"], ["globex", "initech"]]  # fmt: skip
    for report, files in made:
        assert sorted(files) == [".csv", ".html", ".json", ".parquet"]
        assert stage.bytes_again(report.run_id) == files, report.run_id
    pages = {files[".html"] for _, files in made}
    assert len(pages) == len(made)
    assert [run.run_id for run in list_runs(stage.connection, "acme", APRIL)] == [made[3][0].run_id]


def test_a_run_keeps_only_what_it_found_otherwise(stage: Stage) -> None:
    for customer in range(30):
        stage.count(f"customer-{customer:02}", "5")
    stage.make()
    assert stage.rows_kept() == 30
    stage.make()
    assert stage.rows_kept() == 30
    stage.count("customer-07", "6")
    report = stage.make()
    assert stage.rows_kept() == 31
    assert report.changes is not None
    assert (len(report.changes.lines), report.changes.unchanged) == (1, 29)
    for _ in range(LONGEST_CHAIN - 3):
        stage.make()
    assert stage.rows_kept() == 31
    stage.count("customer-07", "7")
    report, files = (made := stage.make()), stage.bytes_of(made, "made")
    assert stage.rows_kept() == 61  # all of them again, so that no history grows long
    assert stage.bytes_again(report.run_id) == files


def test_nothing_reconciled_is_not_kept_but_what_is_gone_is(stage: Stage) -> None:
    assert stage.make().run_id is None
    stage.count("globex", "1")
    stage.make()
    stage.forget("globex")
    report = stage.make()
    assert report.changes is not None
    assert (report.changes.vanished, report.summary.verdict) == (1, "empty")
    assert read_kept(stage.connection, "acme", report.run_id).lines == []


def test_pruning_leaves_the_newest_and_what_younger_runs_stand_on(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tally.reports.keeping.LONGEST_CHAIN", 2)
    made = several_runs(stage)
    since = made[4][0].generated_at
    before = stage.rows_kept()
    tried = prune(stage.connection, "acme", since, dry_run=True)
    assert stage.rows_kept() == before
    assert prune(stage.connection, "acme", since, dry_run=False) == tried
    assert stage.rows_kept() == before - tried.lines < before
    kept = [made[3], made[4], made[5]]  # April's newest, though older, and March's younger ones
    for report, files in kept:
        assert stage.bytes_again(report.run_id) == files
    assert tried.runs == len(made) - len(kept)
    with pytest.raises(ReportNotKept, match="were pruned"):
        read_kept(stage.connection, "acme", made[0][0].run_id)
    assert prune(stage.connection, "acme", since, dry_run=False).runs == 0


def test_what_is_kept_cannot_be_altered_unnoticed(stage: Stage) -> None:
    stage.count("globex", "10.5")
    report = stage.make()
    for statement in (
        'update tally.report_lines set line = line || \'{"local_quantity": "11"}\'',
        "update tally.report_runs set verdict = 'ok'",
        "update tally.report_runs set ok = 5, lines_kept = false",
    ):
        with pytest.raises(psycopg.errors.RaiseException, match="stays as it was made"):
            stage.connection.execute(statement)
    stage.connection.execute("alter table tally.report_lines disable trigger report_lines_stay")
    stage.connection.execute('update tally.report_lines set line = line || \'{"local_quantity": "11"}\'')
    with pytest.raises(ReportNotKept, match=f"run {report.run_id} was altered"):
        read_kept(stage.connection, "acme", report.run_id)


def test_runs_made_at_once_are_each_whole(stage: Stage, built_database_url: str) -> None:
    stage.count("globex", "0")
    stop = threading.Event()

    def make() -> None:
        with connect(built_database_url, autocommit=True) as connection:
            for _ in range(4):
                make_report(connection, "acme", stage.clock, MARCH)

    def change() -> None:
        with connect(built_database_url, autocommit=True) as connection:
            for value in range(1, 10_000):
                if stop.is_set():
                    return
                put_counter(connection, "acme", "globex", "calls", value, MARCH)

    makers = [threading.Thread(target=make) for _ in range(3)]
    changer = threading.Thread(target=change)
    for thread in (*makers, changer):
        thread.start()
    for thread in makers:
        thread.join()
    stop.set()
    changer.join()
    runs = list_runs(stage.connection, "acme")
    values = [read_kept(stage.connection, "acme", run.run_id).lines[0].local_quantity for run in reversed(runs)]
    assert len(values) == 12
    assert values == sorted(values, key=lambda value: value or 0)


@pytest.fixture
def tally(stage: Stage, built_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The command in this process, on the stage's database."""
    for name, value in {
        "DATABASE_URL": built_database_url, "TALLY_HOME": str(stage.folder / "home"), "COLUMNS": "200"
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    load_settings.cache_clear()

    def run(*arguments: str, code: int = 0) -> Any:
        done = CliRunner().invoke(app, list(map(str, arguments)))
        assert done.exit_code == code, (done.output, done.exception)
        return json.loads(done.output) if "--json" in arguments else done.output or str(done.exception)

    yield run
    load_settings.cache_clear()


def test_the_commands_show_compare_and_write_what_was_kept(stage: Stage, tally: Any) -> None:
    made = several_runs(stage)
    first, third = made[0][0].run_id, made[2][0].run_id
    listed = tally("reports", "list", "--month", "2024-03", "--json")
    assert [run["run_id"] for run in listed] == [made[number][0].run_id for number in (5, 4, 2, 1, 0)]
    assert "not billed" in tally("reports", "list")
    assert "Globex" not in tally("reports", "show", first, code=1)
    shown = tally("reports", "show", third, "--json", code=1)
    assert shown["changes"][0]["before"]["local_quantity"] == "10.5"
    compared = tally("reports", "diff", first, third, "--json")
    assert [(each["customer_ref"], each["after"]["local_quantity"]) for each in compared["changes"]] == [
        ("globex", "12")
    ]
    assert "3 lines" not in tally("reports", "diff", first, third)
    now = tally("reports", "diff", third, "--json")
    assert {each["customer_ref"]: each["after"] is None for each in now["changes"]} == {
        "globex": True,
        "initech": False,
    }
    assert "name two on the same" in tally("reports", "diff", first, made[3][0].run_id, code=1)
    assert "names those that are kept" in tally("reports", "show", 999, code=1)
    written = tally("reports", "write", first, "--json")
    assert {path.suffix: path.read_bytes() for path in map(Path, written.values())} == made[0][1]
    known = tally("reports", "write", first, "--as-known-now", "--to", stage.folder / "now", "--json")
    assert "as known now" in Path(known["html"]).read_text()
    assert "would go" in tally("reports", "prune", "--older-than", "1d", "--dry-run")
    assert "TALLY_REPORT_RETENTION_DAYS" in tally("reports", "prune", code=1)


def test_a_document_is_given_the_block_that_is_checked(stage: Stage, tally: Any) -> None:
    document = stage.folder / "page.md"
    document.write_text("# Page\n\n<!-- tally reports publish: what follows is printed, not written -->\n"
                        "<!-- tally reports publish: end -->\n\nMore.\n")  # fmt: skip
    assert "no report was kept yet" in tally("reports", "publish", document, code=1)
    several_runs(stage)
    assert "says otherwise" in tally("reports", "publish", document, "--check", code=1)
    tally("reports", "publish", document)
    text = document.read_text()
    assert "### Acme & Söhne, March 2024" in text
    assert "### Acme, April 2024" in text
    assert "| calls | 1 |" in text
    assert text.endswith("\n\nMore.\n")
    assert "says so already" in tally("reports", "publish", document, "--check")
    document.write_text(text.replace("| calls | 1 |", "| calls | 2 |"))
    assert "says otherwise" in tally("reports", "publish", document, "--check", code=1)
    document.write_text("no place")
    assert "needs one line" in tally("reports", "publish", document, code=1)
