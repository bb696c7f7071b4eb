"""`tally reconcile`: read Stripe's side of a month, compare the totals, judge, and write the report."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from psycopg import Connection

from tally.billed_accounts import billed_accounts
from tally.cli.output import JsonFlag, TenantOption, console, print_json, print_table
from tally.cli.session import opened, tenant_meant
from tally.clock import Clock, clock_for
from tally.errors import TallyError
from tally.ledger import Ledger
from tally.months import bounds, open_months
from tally.reconciliation import Report, ReportFiles, build_report, write_report
from tally.settings import Settings, load_settings
from tally.stripe_account import StripeAccount, open_account
from tally.stripe_sync import sync_subscriptions
from tally.stripe_totals import Unread, read_totals

MonthOption = Annotated[
    str | None, typer.Option("--month", help="Periods that start in it, like 2013-01 (UTC); default: every open month.")
]
Offline = Annotated[bool, typer.Option("--offline", help="Judge by what was read last; call nobody.")]


def reconcile(
    month: MonthOption = None, tenant: TenantOption = None, offline: Offline = False, as_json: JsonFlag = False
) -> None:
    """Compare counted, sent, Stripe's summary and the invoice. Exits 1 unless every line agrees."""
    settings = load_settings()
    with opened() as connection:
        tenant_id = tenant_meant(connection, tenant)
        clock = clock_for(settings, connection)
        accounts = [] if offline else _accounts(settings, connection, tenant_id)
        for account in accounts:
            sync_subscriptions(connection, account, tenant_id, clock)
        Ledger(settings).tick()
        months = [month] if month else open_months(connection, clock.now())
        if not months:
            raise TallyError("nothing to reconcile: no period is open or ended within the last week; name a --month")
        results = [_reconciled(settings, connection, tenant_id, clock, each, accounts) for each in months]
    if as_json:
        print_json([_document(*result) for result in results])
    else:
        for result in results:
            _print(*result)
    raise typer.Exit(0 if all(report.summary.verdict == "ok" for report, _, _ in results) else 1)


def _accounts(settings: Settings, connection: Connection, tenant_id: str) -> list[StripeAccount]:
    billed = [account_id for tenant, account_id in billed_accounts(connection) if tenant == tenant_id]
    return [open_account(settings, account_id) for account_id in billed]


def _reconciled(
    settings: Settings,
    connection: Connection,
    tenant_id: str,
    clock: Clock,
    month: str,
    accounts: Sequence[StripeAccount],
) -> tuple[Report, ReportFiles, tuple[Unread, ...]]:
    span = bounds(month)
    unread: tuple[Unread, ...] = ()
    for account in accounts:
        with console.status(f"reading Stripe's side of {month} ({account.mode} mode) ..."):
            unread += read_totals(connection, account, tenant_id, clock, starting_in=span).unread
    report = build_report(connection, tenant_id, clock, span)
    return report, write_report(report, settings.home / "reports"), unread


def _document(report: Report, files: ReportFiles, unread: tuple[Unread, ...]) -> dict[str, Any]:
    return {
        "tenant_id": report.tenant_id,
        "starting_from": report.starting_from,
        "summary": report.summary,
        "unread": unread,
        "html": Path(files.html),
        "csv": Path(files.csv),
    }


def _print(report: Report, files: ReportFiles, unread: tuple[Unread, ...]) -> None:
    summary = report.summary
    title = f"{report.tenant_name}, periods from {report.starting_from:%B %Y}"
    totals = [
        (row.metric, row.lines, row.deliveries, row.duplicates, row.late_events, row.local_quantity, row.sent_quantity,
         row.stripe_quantity, row.invoice_quantity, row.verdict)
        for row in summary.metrics
    ]  # fmt: skip
    columns = ["metric", "lines", "delivered", "duplicates", "late", "local", "sent", "Stripe", "invoice", "verdict"]
    print_table(title, columns, totals)
    for finding in summary.findings:
        console.print(f"[red]{finding.verdict}:[/red] {len(finding.lines)} lines: {finding.lines[0].cause}")
        console.print(f"  {finding.mend.advice}")
        if finding.mend.command:
            console.print(f"  [bold]{finding.mend.command}[/bold]")
    for fault in unread:
        console.print(f"[yellow]not read:[/yellow] {fault.customer_ref} {fault.metric}: {fault.what}: {fault.reason}")
    console.print(
        f"{summary.ok} agree, {summary.breaks} break, {summary.missing} not known, {summary.unmapped} not billed"
    )
    console.print(f"report: {files.html}", soft_wrap=True)
