"""`tally reports`: the reconciliation reports that were kept; show, compare, write them again, publish, prune."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import psycopg
import typer

from tally.cli.output import JsonFlag, TenantOption, console, print_json, print_table
from tally.cli.report_tables import head_of, print_changes, print_report
from tally.cli.session import opened, tenant_meant
from tally.cli.stack import DemoFlag, chosen_settings
from tally.clock import clock_for
from tally.errors import TallyError
from tally.explain import month_of
from tally.reports import (
    PastRun,
    Report,
    beside_the_past,
    build_report,
    changes_document,
    list_runs,
    prune,
    publication,
    read_kept,
    run_meant,
    write_report,
)
from tally.retention import parse_age
from tally.settings import load_settings

app = typer.Typer(no_args_is_help=True, help="The reconciliation reports that were kept: list, show, compare, write.")

RunArgument = Annotated[int | None, typer.Argument(metavar="[RUN]", help="A run's number; default: the newest.")]
KnownNow = Annotated[
    bool, typer.Option("--as-known-now", help="Compare the same periods afresh instead of as the run found them.")
]
_NO_REPORT = "no report was kept yet: run `tally reconcile`"


@app.command("list")
def list_(
    month: Annotated[str | None, typer.Option("--month", help="Periods that start in it, like 2013-01 (UTC).")] = None,
    limit: Annotated[int, typer.Option(min=1, help="The newest so many.")] = 20,
    tenant: TenantOption = None,
    as_json: JsonFlag = False,
) -> None:
    """List the runs, newest first."""
    span = month_of(month, "--month") if month else None
    if month and span is None:
        raise TallyError(f"--month: {month!r} is no month: write 2013-01")
    with opened() as connection:
        runs = list_runs(connection, tenant_meant(connection, tenant), span, limit)
    if as_json:
        print_json(runs)
        return
    columns = [
        "run",
        "made",
        "periods from",
        "verdict",
        "lines",
        "agree",
        "break",
        "not known",
        "not billed",
        "lines kept",
    ]
    rows = [
        (run.run_id, run.made_at, run.starting_from, run.verdict, run.lines, run.ok, run.breaks, run.missing,
         run.unmapped, "yes" if run.lines_kept else "no")
        for run in runs
    ]  # fmt: skip
    print_table("Report runs", columns, rows)


@app.command()
def show(
    run: RunArgument = None, known_now: KnownNow = False, tenant: TenantOption = None, as_json: JsonFlag = False
) -> None:
    """Show a run: totals by metric, the worst lines, what changed. Exits 1 unless it agreed."""
    with opened() as connection:
        report = _report(connection, tenant_meant(connection, tenant), run, known_now)
    if as_json:
        print_json({**head_of(report), "changes": changes_document(report)})
    else:
        print_report(report)
    raise typer.Exit(0 if report.summary.verdict == "ok" else 1)


@app.command()
def diff(
    run: Annotated[int, typer.Argument(help="A run's number.")],
    other: Annotated[int | None, typer.Argument(help="A later run on the same periods; default: as known now.")] = None,
    tenant: TenantOption = None,
    as_json: JsonFlag = False,
) -> None:
    """List the lines that differ between two runs on the same periods, or between a run and now."""
    with opened() as connection:
        tenant_id = tenant_meant(connection, tenant)
        before = run_meant(connection, tenant_id, run)
        if other is None:
            report = _report(connection, tenant_id, run, known_now=True)
        else:
            after = read_kept(connection, tenant_id, other)
            if (after.starting_from, after.starting_before) != (before.starting_from, before.starting_before):
                raise TallyError(
                    f"run {run} is on periods from {before.starting_from:%Y-%m-%d}, run {other} from"
                    f" {after.starting_from:%Y-%m-%d}: name two on the same"
                )
            read_kept(connection, tenant_id, run)  # its lines must be there, and whole
            report = beside_the_past(connection, after, before)
    assert report.changes is not None
    if as_json:
        print_json({"before": run, "after": other, "unchanged": report.changes.unchanged,
                    "changes": changes_document(report)})  # fmt: skip
    else:
        print_changes(report.changes, before, f"run {other}" if other else "now")


@app.command()
def write(
    run: RunArgument = None,
    known_now: KnownNow = False,
    to: Annotated[Path | None, typer.Option(help="A folder [TALLY_HOME/reports/runs/RUN]")] = None,
    tenant: TenantOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Write a run's HTML, CSV, JSON and Parquet again: the same bytes as when it was made."""
    settings = load_settings()
    with opened() as connection:
        report = _report(connection, tenant_meant(connection, tenant), run, known_now)
    name = "as-known-now" if known_now else str(report.run_id)
    files = write_report(report, to or settings.home / "reports" / "runs" / name)
    if as_json:
        print_json(files)
    else:
        console.print(f"report: {files.html} (.csv, .json and .parquet beside it)", soft_wrap=True)


@app.command()
def publish(
    document: Annotated[Path, typer.Argument(help="A Markdown file with the markers, such as RECONCILIATION.md.")],
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit 1 unless it stands there already.")
    ] = False,
    spans: Annotated[int, typer.Option(min=1, help="The newest run of so many spans.")] = 2,
    demo: DemoFlag = False,
    tenant: TenantOption = None,
) -> None:
    """Print the newest reports between a document's markers."""
    text = publication.read_document(document)
    chosen_settings(demo)
    with opened() as connection:
        tenant_id = tenant_meant(connection, tenant)
        newest: dict[Any, PastRun] = {}
        for run in list_runs(connection, tenant_id):
            newest.setdefault((run.starting_from, run.starting_before), run)
        if not newest:
            raise TallyError(_NO_REPORT)
        chosen = [newest[span] for span in sorted(newest)[-spans:]]
        reports = [read_kept(connection, tenant_id, run.run_id) for run in chosen]
    wanted = publication.published(text, publication.block_of(reports))
    if wanted == text:
        console.print(f"{document} says so already", soft_wrap=True)
    elif check:
        raise TallyError(f"{document} says otherwise: `tally reports publish {document}` prints it anew")
    else:
        document.write_text(wanted, encoding="utf-8")
        console.print(f"{document}: {len(reports)} reports printed", soft_wrap=True)


@app.command("prune")
def prune_(
    older_than: Annotated[
        str | None, typer.Option(metavar="AGE", help="Runs made before, such as 400d [TALLY_REPORT_RETENTION_DAYS]")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count what would go; change nothing.")] = False,
    tenant: TenantOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Let the lines of old runs go; their verdicts and drift stay, and the newest run of each span stays whole."""
    settings = load_settings()
    days = settings.report_retention_days
    if older_than is None and days is None:
        raise TallyError("TALLY_REPORT_RETENTION_DAYS is not set, so reports are kept for ever: name --older-than 400d")
    age = parse_age(older_than) if older_than is not None else timedelta(days=days or 0)
    with opened() as connection:
        since = clock_for(settings, connection).now() - age
        gone = prune(connection, tenant_meant(connection, tenant), since, dry_run=dry_run)
    if as_json:
        print_json({"made_before": since, "dry_run": dry_run, "runs": gone.runs, "lines": gone.lines})
    else:
        verb = "would go" if dry_run else "are gone"
        console.print(f"{gone.lines:,} lines of {gone.runs:,} runs made before {since:%Y-%m-%d %H:%M:%SZ} {verb}")


def _report(connection: psycopg.Connection[Any], tenant_id: str, run_id: int | None, known_now: bool) -> Report:
    kept = read_kept(connection, tenant_id, run_id)
    if not known_now:
        return beside_the_past(connection, kept)
    span = (kept.starting_from, kept.starting_before)
    now = build_report(connection, tenant_id, clock_for(load_settings(), connection), span)
    return beside_the_past(connection, now, run_meant(connection, tenant_id, kept.run_id))
