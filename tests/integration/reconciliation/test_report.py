"""The report: readable offline, exact in CSV, and safe whatever a customer is called."""

import csv
import io
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from counter_rows import put_counter
from reconciled import END, START, broken, line, unread

from tally.clock import FixedClock
from tally.database import connect
from tally.reconciliation import Line, read_lines, summarize
from tally.reconciliation.notation import moment, money, percent, quantity
from tally.reports import Report, build_report, render_html, write_csv, write_report

NOW = datetime(2024, 4, 2, 9, 30, tzinfo=UTC)


def report(lines: Sequence[Line], **names: str) -> Report:
    return Report("acme", "Acme & Söhne", Decimal("0.005"), NOW, START, END, lines, names, summarize(lines))


def text_of(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html[html.index("<body>") :]).split())


def test_a_clean_report_says_so() -> None:
    page = text_of(
        render_html(report([line(), line(metric="minutes", aggregation="sum")], globex="Globex Corporation"))
    )
    for words in (
        "Everything agrees.",
        "2 lines:",
        "Acme &amp; Söhne",
        "Globex Corporation",
        "Billed for usage 2.00 USD",
    ):
        assert words in page
    assert "What to do" not in page
    assert "2024-03-01 05:00:00 UTC – 2024-04-01 05:00:00 UTC" in page


def test_a_broken_report_leads_with_the_break_its_cause_and_the_command() -> None:
    lines = [line(), broken(), unread(metric="minutes"), broken(cause="unsent delta: counted 9, told 1", metric="x")]
    page = text_of(render_html(report(lines)))
    assert "2 of 4 lines do not agree." in page
    assert "Foreign writer" in page
    assert "Stripe has 11, confirmed 10" in page
    assert "tally push --tenant acme" in page
    assert "—" in page


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([], "There is nothing to compare."),
        ([line(verdict="unmapped", cause="unmapped: x", account=None, livemode=None)], "There is nothing to compare."),
        ([unread()], "1 of 1 lines cannot be judged yet."),
        ([broken()], "1 of 1 lines does not agree."),
    ],
)
def test_other_endings(lines: list[Line], words: str) -> None:
    assert words in text_of(render_html(report(lines)))


def test_the_page_loads_nothing_and_runs_nothing() -> None:
    page = render_html(report([broken(customer_ref="<script>alert(1)</script>", cause="unsent delta: <b>1</b>")]))
    assert not re.search(r"https?://|<script|<link|<img|@import|url\(", page)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_a_long_list_is_cut_on_the_page_and_whole_in_the_csv(tmp_path: Path) -> None:
    lines = [broken(customer_ref=f"customer-{number:04}") for number in range(1200)]
    files = write_report(report(lines), tmp_path)
    page = files.html.read_text()
    assert "The first 1000 of 1200 lines" in page
    assert "and 1180 more in the CSV" in page
    assert len(files.csv.read_text().splitlines()) == 1201
    assert sorted(path.name for path in files.html.parent.iterdir()) == [
        f"2024-03-01.{kind}" for kind in ("csv", "html", "json", "parquet")
    ]


def test_the_csv_is_exact_and_unknown_is_empty() -> None:
    handle = io.StringIO()
    write_csv([unread(local_quantity=Decimal("1E+3"), sent_quantity=Decimal("-0.000000000001"))], handle)
    [row] = csv.DictReader(io.StringIO(handle.getvalue()))
    assert (row["local_quantity"], row["sent_quantity"], row["stripe_quantity"]) == ("1000", "-0.000000000001", "")
    assert (row["livemode"], row["period_start"]) == ("false", "2024-03-01T05:00:00+00:00")


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", '=cmd|"/C calc"!A0'])
def test_text_that_a_spreadsheet_would_run_is_defused(name: str) -> None:
    handle = io.StringIO(newline="")
    write_csv([line(customer_ref=name, local_quantity=Decimal(-5))], handle)
    [row] = csv.DictReader(io.StringIO(handle.getvalue(), newline=""))
    assert row["customer_ref"] == f"'{name}"
    assert row["local_quantity"] == "-5"


def test_a_report_is_read_from_the_view_for_its_span_only(built_database_url: str) -> None:
    with connect(built_database_url, autocommit=True) as connection:
        connection.execute("insert into tally.tenants (tenant_id, name) values ('acme', 'Acme'), ('other', 'Other')")
        connection.execute("insert into tally.meters (tenant_id, metric, aggregation) values ('acme', 'calls', 'sum')")
        connection.execute("insert into tally.customers values ('acme', 'globex', 'Globex Corporation')")
        for start in (START, END):
            _count(connection, start)
        made = build_report(connection, "acme", FixedClock(NOW), (START, END))
        assert [(each.period_start, each.local_quantity) for each in made.lines] == [(START, Decimal("1.5"))]
        assert (made.tenant_name, made.customer_names) == ("Acme", {"globex": "Globex Corporation"})
        assert made.summary.verdict == "unmapped"
        assert len(read_lines(connection, "acme")) == 2
        assert read_lines(connection, "acme", customer_ref="nobody") == read_lines(connection, "other") == []
        with pytest.raises(LookupError, match="nobody"):
            build_report(connection, "nobody", FixedClock(NOW), (START, END))


def _count(connection: psycopg.Connection[Any], start: datetime) -> None:
    put_counter(connection, "acme", "globex", "calls", "1.5", (start, start + timedelta(days=31)))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (quantity(Decimal("1234567.500")), "1,234,567.5"),
        (quantity(Decimal("-0.000000000001")), "-0.000000000001"),
        (quantity(Decimal("1E+6")), "1,000,000"),
        (quantity(0), "0"),
        (quantity(None), "—"),
        (money(Decimal(123450), "usd"), "1,234.50 USD"),
        (money(Decimal(500), "jpy"), "500 JPY"),
        (money(Decimal(1234), "kwd"), "1.234 KWD"),
        (money(Decimal(-5), "eur"), "-0.05 EUR"),
        (money(None, "usd"), "—"),
        (percent(Decimal("0.005")), "0.5 %"),
        (percent(Decimal("0.000000001")), "< 0.001 %"),
        (percent(Decimal(0)), "0 %"),
        (percent(None), "—"),
        (moment(START), "2024-03-01 05:00:00 UTC"),
        (moment(START.replace(hour=0)), "2024-03-01"),
    ],
)
def test_numbers_are_written_exactly(written: str, expected: str) -> None:
    assert written == expected
