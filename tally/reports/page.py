"""The report as one offline HTML page: what a finance lead asks first stands first."""

from decimal import Decimal
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from tally.reconciliation import notation
from tally.reconciliation.summary import worst_lines
from tally.reports.changes import ChangedLine, Changes, billed_between
from tally.reports.charts import Chart, billed_chart, drift_charts, verdict_chart
from tally.reports.figures import money_of, worst_drift
from tally.reports.report import Report

# A page that a browser opens at once; the tables beside it always have every line.
LINES_ON_PAGE = 1000
LINES_PER_FINDING = 20
CHANGES_ON_PAGE = 25


def render_html(report: Report) -> str:
    """The page; it loads nothing from anywhere."""
    runs, months = [*report.runs, report.as_run], [*report.months, report.as_run]
    return environment().get_template("report.html.j2").render(
        report=report,
        summary=report.summary,
        money=money_of(report.lines),
        worst_drift=worst_drift(report.lines),
        worst=worst_lines(report.lines),
        changes=report.changes,
        changed=report.changes.numbers[:CHANGES_ON_PAGE] if report.changes else (),
        changes_in_words=_in_words(report.changes) if report.changes else "",
        billed_since=billed_between(report.previous.amounts, report.as_run.amounts) if report.previous else [],
        verdicts=verdict_chart(runs) if len(runs) > 1 and report.lines else None,
        drifts=drift_charts(runs, report.epsilon) if len(runs) > 1 else [],
        billed=_billed(report) if len(months) > 1 else [],
        shown=list(report.lines[:LINES_ON_PAGE]),
        per_finding=LINES_PER_FINDING,
        stem=f"{report.starting_from:%Y-%m-%d}",
    )  # fmt: skip


@cache
def environment() -> Environment:
    """The templates and the filters they write numbers with; compare's page uses them too."""
    made = Environment(
        loader=PackageLoader("tally.reports"),
        autoescape=select_autoescape(default=True, default_for_string=True, enabled_extensions=("j2", "html")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "quantity": notation.quantity,
        "percent": notation.percent,
        "moment": notation.moment,
        "drift": _drift,
        "moved": _moved,
    }
    made.globals |= {"in_money": notation.money}
    return made


def _in_words(changes: Changes) -> str:
    numbers = len(changes.numbers)
    parts = [
        (changes.worse, "no longer agree"),
        (changes.better, "agree now"),
        (changes.appeared, "new"),
        (changes.vanished, "gone"),
    ]
    said = ", ".join(f"{count} {what}" for count, what in parts if count)
    stand = len(changes.lines) - numbers + changes.unchanged
    sentence = (
        f"Of {numbers + stand} lines, {numbers} changed in verdict, quantity or amount{f': {said}' if said else ''}."
    )
    details = ", ".join(name.replace("_", " ") for name in changes.details)
    return f"{sentence} Of {len(changes.lines) - numbers} only details did: {details}." if details else sentence


def _billed(report: Report) -> list[Chart]:
    months = [*report.months, report.as_run]
    currencies = sorted({currency for month in months for currency in month.amounts})
    return [billed_chart(months, currency) for currency in currencies]


def _drift(ratio: Decimal | None) -> str:
    return "none" if ratio == 0 else notation.percent(ratio)


def _moved(change: ChangedLine, column: str) -> tuple[str, str] | str:
    """A number as it was and is; once when it stayed."""
    before, after = (_written(each, column) for each in (change.before, change.after))
    return before if before == after else (before, after)


def _written(line: Any, column: str) -> str:
    value = getattr(line, column, None) if line is not None else None
    if column.endswith("_amount"):
        return notation.money(value, line.invoice_currency if line is not None else None)
    return notation.quantity(value)
