"""`tally compare`: anybody's usage export held against our counters."""

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.markup import escape

from tally.cli.output import JsonFlag, TenantOption, console, print_json, print_table
from tally.cli.session import opened, tenant_meant
from tally.clock import clock_for
from tally.compare import FIELDS, CompareRefused, Comparison, Reading, write_comparison
from tally.compare import compare as compared
from tally.compare.files import document_of
from tally.settings import load_settings

_MAP = f"FIELD=COLUMN, where the guess is wrong. Fields: {', '.join(FIELDS)}. May be given several times."
_LINES_SHOWN = 40


def compare(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help=".csv, .jsonl, .ndjson or .parquet")],
    tenant: TenantOption = None,
    maps: Annotated[list[str] | None, typer.Option("--map", help=_MAP)] = None,
    values: Annotated[
        list[str] | None, typer.Option("--set", help="FIELD=VALUE for every row: metric=api_calls.")
    ] = None,
    customer: Annotated[str | None, typer.Option("--customer", help="Only this customer's.")] = None,
    utc: Annotated[
        bool, typer.Option("--utc", help="Times and days without a zone are UTC, not the tenant's.")
    ] = False,
    last_day_included: Annotated[
        bool, typer.Option("--last-day-included", help="An end that is a day is the last one, not the first behind it.")
    ] = False,
    epsilon: Annotated[
        str | None, typer.Option(help="Relative difference that still agrees; default: the meter's, else the tenant's")
    ] = None,
    amounts: Annotated[
        Literal["major", "minor"] | None,
        typer.Option(help="Compare amounts too: 12.34 is major, 1234 minor. Needs amount and currency."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the report [TALLY_HOME/reports/compare]")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Add an export up to our billing periods and compare it with the counters. Exits 1 unless every line agrees."""
    reading = Reading(_pairs("--map", maps), _pairs("--set", values), utc, last_day_included)
    allowed = _ratio(epsilon)
    settings = load_settings()
    with opened() as connection:
        now = clock_for(settings, connection).now()
        found = compared(
            connection, tenant_meant(connection, tenant), file, reading, now,
            customer_ref=customer, epsilon=allowed, amounts=amounts,
        )  # fmt: skip
    files = write_comparison(found, out or settings.home / "reports" / "compare")
    if as_json:
        print_json({"agrees": found.agrees, **document_of(found), "html": files.html, "csv": files.csv})
    else:
        _print(found)
        console.print(f"report: {files.html} (.csv and .json beside it)", soft_wrap=True, markup=False)
    raise typer.Exit(0 if found.agrees else 1)


def _print(found: Comparison) -> None:
    read_as = ", ".join(f"{field} = {column}" for field, column in found.columns.columns.items())
    console.print(f"read as: {escape(read_as)}", soft_wrap=True)
    differing = [line for line in found.lines if line.verdict != "ok"]
    rows = [
        (line.customer_ref, line.metric, line.period_start, line.here, line.there, line.difference, line.verdict,
         line.cause_code or "")
        for line in differing[:_LINES_SHOWN]
    ]  # fmt: skip
    columns = ["customer", "metric", "from", "here", "export", "difference", "verdict", "why"]
    if rows:
        print_table(f"What differs ({len(rows)} of {len(differing)} shown)", columns, rows)
    for _, lines in found.causes:
        line, more = lines[0], f" (and {len(lines) - 1} more)" if len(lines) > 1 else ""
        said = escape(f"{line.customer_ref} {line.metric}{more}: {line.cause}")
        console.print(f"[red]{line.verdict}:[/red] {said}", soft_wrap=True)
        if line.command:
            console.print(f"  [bold]{escape(line.command)}[/bold]", soft_wrap=True)
    verdicts = found.verdicts
    console.print(
        f"{found.rows:,} rows, {len(found.lines):,} lines: {verdicts['ok']:,} agree, {verdicts['break']:,} break, "
        f"{verdicts['missing']:,} cannot be judged"
    )
    if found.left_aside:
        console.print(f"{found.left_aside:,} counters of periods that the export covers only in part are left aside")


def _pairs(option: str, given: list[str] | None) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in given or ():
        name, equals, value = text.partition("=")
        if not equals or not name or not value:
            raise CompareRefused(f"{option} {text!r} is not of the form NAME=VALUE")
        if name in pairs:
            raise CompareRefused(f"{option} gives {name} twice")
        pairs[name] = value
    return pairs


def _ratio(text: str | None) -> Decimal | None:
    if text is None:
        return None
    try:
        ratio = Decimal(text)
    except InvalidOperation:
        ratio = Decimal(-1)
    if not 0 <= ratio < 1:
        raise CompareRefused(f"--epsilon {text!r} is no ratio from 0 to below 1, such as 0.005")
    return ratio
