"""The command line of `tally import`."""

import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated

import psycopg
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ingest.acceptance import Acceptance
from ingest.importing.checkpoint import Checkpoint
from ingest.importing.reading import ImportRefused, Reading
from ingest.importing.run import Import, Summary
from tally.cli.output import JsonFlag, TenantOption, console, print_json, print_table, progress
from tally.cli.session import opened, tenant_meant
from tally.clock import clock_for
from tally.errors import TallyError
from tally.settings import load_settings

DEFAULT_MAX_AGE_DAYS = 3650
_METERS = "select metric, aggregation from tally.meters where tenant_id = %s"
_MAP = "FIELD=COLUMN, where a column is not called what the field is. May be given several times."
_SET = "FIELD=VALUE, the same for every row, e.g. metric=api_calls."

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(name="tally import")
def import_(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help=".csv, .jsonl, .ndjson or .parquet")],
    tenant: TenantOption = None,
    maps: Annotated[list[str] | None, typer.Option("--map", help=_MAP)] = None,
    values: Annotated[list[str] | None, typer.Option("--set", help=_SET)] = None,
    properties: Annotated[list[str] | None, typer.Option("--property", help="A column to keep in properties.")] = None,
    key_stem: Annotated[str | None, typer.Option(help="Names rows without a key STEM:1, STEM:2, ...")] = None,
    utc: Annotated[bool, typer.Option("--utc", help="Times without a zone are UTC; else they are rejected.")] = False,
    ignore_others: Annotated[bool, typer.Option("--ignore-others", help="Leave other columns aside.")] = False,
    max_age_days: Annotated[int, typer.Option(min=1, max=36500, help="Oldest event_time.")] = DEFAULT_MAX_AGE_DAYS,
    rejects: Annotated[Path | None, typer.Option(help="Where rejected rows go [FILE.rejects.jsonl]")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Judge every row, land none.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Land the usage events of FILE, judged as the door judges them; older ones too.

    A run that was stopped goes on where it was: the same command again. Exits 1 when a row was rejected.
    """
    reading = Reading(
        _pairs("--map", maps), _pairs("--set", values), tuple(properties or ()), key_stem, utc, ignore_others
    )
    settings = load_settings()
    with opened() as connection, _bar() as bar:
        tenant_id = tenant_meant(connection, tenant)
        meters = dict(
            connection.execute("select metric, aggregation from tally.meters where tenant_id = %s", (tenant_id,))
        )
        now = clock_for(settings, connection).now()
        older = settings.model_copy(update={"event_max_age_days": max_age_days})
        task = bar.add_task(file.name)
        run = Import(
            file, reading, Acceptance.at(now, tenant_id, meters, older), lambda row: bar.update(task, completed=row)
        )
        bar.update(task, total=run.total())
        path = rejects or file.with_name(f"{file.name}.rejects.jsonl")
        if dry_run:
            summary = run.try_out()
        else:
            landed_at = now.isoformat() if settings.clock == "simulated" else None
            if landed_at is None:  # whoever moves the simulated clock makes its partitions
                _make_partitions(connection, now.date())
            summary = run.land(connection, Checkpoint.of(tenant_id, file, reading), path, landed_at)
    if as_json:
        print_json(_document(summary, tenant_id, dry_run, path))
    else:
        _show(summary, dry_run, path)
    raise typer.Exit(1 if summary.reached.rejected else 0)


def main() -> int:
    """Run the command; a refusal is a sentence and exit status 1."""
    said = Console(stderr=True, highlight=False)
    try:
        app(prog_name="tally import")
    except TallyError as error:
        said.print("[red]tally:[/red]", escape(str(error)), soft_wrap=True)
    except psycopg.Error as error:
        cause = str(error).partition("\n")[0]
        said.print("[red]tally:[/red]", escape(f"{cause}: what was committed stays; run the same command again"))
    return 1


def _make_partitions(connection: psycopg.Connection, today: date) -> None:
    """Today's and tomorrow's, in case no door has made them; rows of a day without one would crowd the default one."""
    with connection.transaction():
        # A new partition locks its parent: it may wait this long behind a reader, since landings wait behind it.
        connection.execute("select set_config('lock_timeout', '2s', true)")
        connection.execute("select tally.ensure_partitions(%s, %s)", (today, today + timedelta(days=1)))


def _pairs(option: str, given: list[str] | None) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in given or ():
        name, equals, value = text.partition("=")
        if not equals or not name or not value:
            raise ImportRefused(f"{option} {text!r} is not of the form NAME=VALUE")
        if name in pairs:
            raise ImportRefused(f"{option} gives {name} twice")
        pairs[name] = value
    return pairs


def _bar() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=progress, transient=True, disable=not sys.stderr.isatty())


def _document(summary: Summary, tenant_id: str, dry_run: bool, rejects: Path) -> dict[str, object]:
    reached = summary.reached
    return {
        "tenant_id": tenant_id,
        "dry_run": dry_run,
        "rows": reached.rows_done,
        "resumed_behind_row": summary.resumed_at,
        "accepted": reached.accepted,
        "duplicates": reached.duplicates,
        "rejected": reached.rejected,
        "accepted_by_metric": dict(summary.metrics),
        "rejected_by_reason": dict(summary.refusals),
        "rejects_file": None if dry_run else rejects,
    }


def _show(summary: Summary, dry_run: bool, rejects: Path) -> None:
    reached = summary.reached
    if summary.resumed_at:
        console.print(f"went on behind row {summary.resumed_at:,}, which an earlier run had reached")
    rows = [(metric, count) for metric, count in sorted(summary.metrics.items())]
    print_table("Accepted in this run" if not dry_run else "Would be accepted", ["metric", "events"], rows)
    if summary.first_rejects:
        about = [(row, result.field or "", result.reason) for row, result in summary.first_rejects]
        print_table("First rejects", ["row", "field", "reason"], about)
    console.print(
        f"{reached.rows_done:,} rows: {reached.accepted:,} accepted, {reached.duplicates:,} duplicates, "
        f"{reached.rejected:,} rejected{' (dry run: nothing landed)' if dry_run else ''}"
    )
    if reached.rejected and not dry_run:
        console.print(f"rejected rows, with reasons: {rejects}", markup=False)
