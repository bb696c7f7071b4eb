"""`tally reconcile`: read Stripe's side of a month, compare the totals, judge, and write the report."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from psycopg import Connection
from rich.markup import escape

from tally.adjustments import propose_late_adjustments
from tally.billed_accounts import billed_accounts
from tally.cli.output import JsonFlag, TenantOption, console, print_json, print_table
from tally.cli.session import opened, tenant_meant
from tally.cli.stripe_mode import banner
from tally.clock import Clock, clock_for
from tally.errors import TallyError
from tally.ledger import Ledger
from tally.months import bounds, open_months
from tally.reconciliation import Finding, Line, Summary, read_lines, summarize
from tally.reconciliation.check import Checked, Scope, check
from tally.reports import make_report, write_report
from tally.settings import Settings, load_settings
from tally.stripe.account import StripeAccount, open_account
from tally.stripe.sync import sync_subscriptions

if TYPE_CHECKING:
    from tally.proof import FinalLines

MonthOption = Annotated[
    str | None, typer.Option("--month", help="Periods that start in it, like 2013-01 (UTC); default: every open month.")
]
CustomerOption = Annotated[str | None, typer.Option("--customer", help="Only this customer's lines; writes no report.")]
All = Annotated[bool, typer.Option("--all", help="Read every total again, due or not; goes on where a killed one was.")]
Offline = Annotated[bool, typer.Option("--offline", help="Judge by what was read last; call nobody.")]


@dataclass(frozen=True)
class Result:
    """One month, checked. `run_id`, `html` and `csv` are the kept report's, `final` lines proven for the first time.

    All are None where one customer was asked for.
    """

    month: str
    tenant_id: str
    lines: Sequence[Line]
    summary: Summary
    checked: Checked
    run_id: int | None
    html: Path | None
    csv: Path | None
    final: "FinalLines | None"


def reconcile(
    month: MonthOption = None,
    customer: CustomerOption = None,
    everything: All = False,
    tenant: TenantOption = None,
    offline: Offline = False,
    as_json: JsonFlag = False,
) -> None:
    """Compare counted, sent, Stripe's summary and the invoice, in quantities and in money. Exits 1 unless all agree.

    Of Stripe it reads what changed, what ends soon, what did not agree, and daily the rest: reads are an allowance.
    """
    settings = load_settings()
    with opened() as connection:
        tenant_id = tenant_meant(connection, tenant)
        clock = clock_for(settings, connection)
        accounts = [] if offline else _accounts(settings, connection, tenant_id)
        for account in accounts:
            sync_subscriptions(connection, account, tenant_id, clock)
        Ledger(settings).tick()
        propose_late_adjustments(connection, clock, tenant_id)
        months = [month] if month else open_months(connection, clock.now())
        if not months:
            raise TallyError("nothing to reconcile: no period is open or ended within the last week; name a --month")
        results = []
        for each in months:
            scope = Scope(bounds(each), customer, everything)
            results.append(_reconciled(settings, connection, tenant_id, clock, each, scope, accounts))
    if as_json:
        print_json([_document(result) for result in results])
    else:
        for account in accounts:
            console.print(banner(account))
        for result in results:
            _print(result)
    raise typer.Exit(0 if all(result.summary.verdict == "ok" for result in results) else 1)


def _accounts(settings: Settings, connection: Connection, tenant_id: str) -> list[StripeAccount]:
    billed = [account_id for tenant, account_id in billed_accounts(connection) if tenant == tenant_id]
    return [open_account(settings, account_id) for account_id in billed]


def _reconciled(
    settings: Settings,
    connection: Connection,
    tenant_id: str,
    clock: Clock,
    month: str,
    scope: Scope,
    accounts: Sequence[StripeAccount],
) -> Result:
    with console.status(f"reading Stripe's side of {month} ...") as shown:
        checked = check(
            connection, accounts, tenant_id, clock, scope, allowance=settings.stripe_read_allowance,
            on_progress=lambda done, of: shown.update(f"reading Stripe's side of {month}: {done} of {of} counters ..."),
        )  # fmt: skip
    if scope.customer_ref is not None:
        lines = read_lines(connection, tenant_id, starting_in=scope.starting_in, customer_ref=scope.customer_ref)
        return Result(month, tenant_id, lines, summarize(lines), checked, None, None, None, None)
    report = make_report(connection, tenant_id, clock, bounds(month))
    files = write_report(report, settings.home / "reports")
    # Pricing brings Polars, half a second that the other commands can do without.
    from tally.proof import record_final_lines

    final = record_final_lines(connection, tenant_id, clock, bounds(month))
    return Result(month, tenant_id, report.lines, report.summary, checked, report.run_id, files.html, files.csv, final)


def _document(result: Result) -> dict[str, Any]:
    return {
        "tenant_id": result.tenant_id,
        "run_id": result.run_id,
        "starting_from": bounds(result.month)[0],
        "summary": result.summary,
        "read": result.checked.read,
        "unread": result.checked.unread,
        "waiting_for_allowance": result.checked.waiting,
        "findings": result.checked.findings,
        "html": result.html,
        "csv": result.csv,
        "final_lines": len(result.final.proofs) if result.final else None,
        "unproven": [proof.chain.line.invoice_line_id for proof in result.final.unproven] if result.final else None,
    }


def _print(result: Result) -> None:
    summary, checked = result.summary, result.checked
    totals = [
        (row.metric, row.lines, row.deliveries, row.duplicates, row.late_events, row.local_quantity, row.sent_quantity,
         row.stripe_quantity, row.invoice_quantity, row.verdict)
        for row in summary.metrics
    ]  # fmt: skip
    columns = ["metric", "lines", "delivered", "duplicates", "late", "local", "sent", "Stripe", "invoice", "verdict"]
    print_table(f"{result.tenant_id}, periods from {bounds(result.month)[0]:%B %Y}", columns, totals)
    for finding in (*summary.findings, *summary.notices):
        _print_finding(finding)
    for fault in checked.unread:
        told = f"{fault.customer_ref} {fault.metric}: {fault.what}: {fault.reason}"
        console.print(f"[yellow]not read:[/yellow] {escape(told)}")
    if checked.waiting:
        console.print(
            f"[yellow]not read:[/yellow] {checked.waiting} counters wait: the month's read allowance is used up,"
            " `tally status` shows it"
        )
    console.print(
        f"{summary.ok} agree, {summary.breaks} break, {summary.missing} not known, {summary.unmapped} not billed;"
        f" {checked.read} read anew"
    )
    if result.final is not None and result.final.proofs:
        _print_proofs(result.final)
    if result.html is not None:
        console.print(f"report: {result.html}", soft_wrap=True)


def _print_proofs(final: "FinalLines") -> None:
    console.print(f"{len(final.proofs) - len(final.unproven)} of {len(final.proofs)} newly final invoice lines proven")
    for proof in final.unproven[:10]:
        line = proof.chain.line
        console.print(f"[red]not proven:[/red] {escape(f'{line.customer_ref} {line.metric}: {proof.faults[0]}')}")
        console.print(f"  [bold]tally explain {line.line_ids[0] if line.line_ids else line.invoice_id}[/bold]")


def _print_finding(finding: Finding) -> None:
    worst = finding.lines[0]
    said = worst.notices[finding.code] if finding.verdict == "notice" else worst.cause or finding.code
    color = "yellow" if finding.verdict == "notice" else "red"
    console.print(f"[{color}]{finding.verdict}:[/{color}] {len(finding.lines)} lines: {escape(said)}")
    console.print(f"  {finding.mend.advice}")
    if finding.mend.command:
        console.print(f"  [bold]{escape(finding.mend.command)}[/bold]", soft_wrap=True)
