"""Comparing: anybody's usage export held against the counters, as `tally compare` does."""

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from dagster_project.defs.resources import TallyResource
from dagster_project.lib.tables import markdown_table
from tally.compare import CompareRefused, Comparison, Reading, compare, write_comparison
from tally.page_addresses import address_of, reports_folder

COMPARE_EXPORT = "compare_export"

_COLUMNS = ("customer", "metric", "period", "here", "export", "difference", "verdict", "why", "what mends it")


class ComparedExport(dg.Config):
    """`file` is a .csv, .jsonl or .parquet that this code location can read; `columns` says FIELD: COLUMN where the
    guess is wrong, `values` FIELD: VALUE for every row. `epsilon`: a ratio as text, else the meter's or the tenant's.
    """

    file: str
    tenant: str
    epsilon: str | None = None
    customer: str | None = None
    columns: dict[str, str] = Field({})
    values: dict[str, str] = Field({})
    utc: bool = False


@dg.op(description="Add an export up to our billing periods and compare it with the counters. Fails unless all agree.")
def compared_export(context: dg.OpExecutionContext, config: ComparedExport, tally: TallyResource) -> str:
    path = Path(config.file)
    if not path.is_file():
        raise CompareRefused(f"file: there is no {path} where this code location runs")
    with tally.connect() as connection:
        found = compare(
            connection, config.tenant, path, Reading(config.columns, config.values, config.utc, False),
            tally.clock(connection).now(), customer_ref=config.customer, epsilon=_ratio(config.epsilon),
        )  # fmt: skip
    files = write_comparison(found, reports_folder(tally.settings) / "compare")
    facts = _facts(found) | {
        "report": dg.MetadataValue.url(address_of(tally.settings, files.html)),
        "file": dg.MetadataValue.path(str(files.html)),
    }
    if not found.agrees:
        raise dg.Failure("the export and the counters do not agree; the lines are in the metadata", facts)
    context.add_output_metadata(facts)
    return str(files.html)


@dg.job(
    name=COMPARE_EXPORT,
    description="Hold an export of another meter, a warehouse or Stripe against the counters. Started by hand.",
)
def compare_export() -> None:
    compared_export()


def _ratio(text: str | None) -> Decimal | None:
    try:
        ratio = None if text is None else Decimal(text)
    except InvalidOperation:
        ratio = Decimal(-1)
    if ratio is not None and not 0 <= ratio < 1:
        raise CompareRefused(f"epsilon: {text!r} is no ratio from 0 to below 1, such as 0.005")
    return ratio


def _facts(found: Comparison) -> dict[str, Any]:
    rows = [
        (line.customer_ref, line.metric, line.period_start, line.here, line.there, line.difference, line.verdict,
         line.cause, line.command)
        for line in found.lines
        if line.verdict != "ok"
    ]  # fmt: skip
    verdicts = found.verdicts
    return {
        "rows of the export": found.rows,
        "lines": len(found.lines),
        "agree": verdicts["ok"],
        "break": verdicts["break"],
        "cannot be judged": verdicts["missing"],
        "what differs": dg.MetadataValue.md(markdown_table(_COLUMNS, rows)),
    }
