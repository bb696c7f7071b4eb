"""The reconciliation report: one offline HTML page for people, and a CSV with every line for programs."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, TextIO

import psycopg
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from tally.clock import Clock
from tally.reconciliation import notation
from tally.reconciliation.lines import COLUMNS, Line, read_lines
from tally.reconciliation.summary import Summary, summarize

# A page that a browser opens at once; the CSV always has every line.
LINES_ON_PAGE = 1000
LINES_PER_FINDING = 50

# A spreadsheet takes text that begins so for a formula.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Report:
    """What was reconciled: a tenant's lines of the periods that start in `[starting_from, starting_before)`."""

    tenant_id: str
    tenant_name: str
    epsilon: Decimal
    generated_at: datetime
    starting_from: datetime
    starting_before: datetime
    lines: Sequence[Line]
    customer_names: dict[str, str]
    summary: Summary

    @property
    def modes(self) -> list[str]:
        """In which Stripe modes the lines stand: live, test."""
        return sorted({"live" if line.livemode else "test" for line in self.lines if line.livemode is not None})

    @property
    def periods(self) -> list[tuple[datetime, datetime]]:
        """The billing periods that occur."""
        return sorted({(line.period_start, line.period_end) for line in self.lines})


@dataclass(frozen=True)
class ReportFiles:
    """Where a report was written."""

    html: Path
    csv: Path


def build_report(
    connection: psycopg.Connection[Any], tenant_id: str, clock: Clock, starting_in: tuple[datetime, datetime]
) -> Report:
    """Read the lines of one tenant as they stand now and sum them up.

    Raises:
        LookupError: there is no such tenant.
    """
    tenant = connection.execute("select name, epsilon from tally.tenants where tenant_id = %s", (tenant_id,)).fetchone()
    if tenant is None:
        raise LookupError(f"no tenant {tenant_id!r}")
    names = connection.execute("select customer_ref, name from tally.customers where tenant_id = %s", (tenant_id,))
    lines = read_lines(connection, tenant_id, starting_in=starting_in)
    return Report(
        tenant_id=tenant_id,
        tenant_name=tenant[0],
        epsilon=tenant[1],
        generated_at=clock.now(),
        starting_from=starting_in[0],
        starting_before=starting_in[1],
        lines=lines,
        customer_names=dict(names.fetchall()),
        summary=summarize(lines),
    )


def write_report(report: Report, folder: Path) -> ReportFiles:
    """Write `<folder>/<tenant>/<first day>.html` and `.csv`; one of the same name is replaced whole."""
    place = folder / report.tenant_id
    place.mkdir(parents=True, exist_ok=True)
    files = ReportFiles(*(place / f"{report.starting_from:%Y-%m-%d}{suffix}" for suffix in (".html", ".csv")))
    _replace(files.html, render_html(report))
    partial = files.csv.with_suffix(".csv.partial")
    with partial.open("w", newline="", encoding="utf-8") as handle:
        write_csv(report.lines, handle)
    partial.replace(files.csv)
    return files


def render_html(report: Report) -> str:
    """The page; it loads nothing from anywhere."""
    environment = Environment(
        loader=PackageLoader("tally.reconciliation"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "quantity": notation.quantity,
        "percent": notation.percent,
        "moment": notation.moment,
    }
    template = environment.get_template("report.html.j2")
    return template.render(
        report=report,
        summary=report.summary,
        shown=list(report.lines[:LINES_ON_PAGE]),
        per_finding=LINES_PER_FINDING,
        money=notation.money,
    )


def write_csv(lines: Sequence[Line], handle: TextIO) -> None:
    """Every line with exact numbers; an unknown one is an empty cell. Times are ISO 8601 in UTC."""
    writer = csv.writer(handle)
    writer.writerow(COLUMNS)
    for line in lines:
        writer.writerow(_cell(getattr(line, column)) for column in COLUMNS)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return f"{value:f}"
    text = str(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(_FORMULA_STARTS) else text


def _replace(path: Path, text: str) -> None:
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
