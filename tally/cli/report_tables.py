"""A kept report as `tally reports` prints it."""

from typing import Any

from tally.cli.output import console, print_table
from tally.reconciliation import worst_lines
from tally.reports import Changes, PastRun, Report


def head_of(report: Report) -> dict[str, Any]:
    """What a report is of, and its summary."""
    return {
        "tenant_id": report.tenant_id,
        "run_id": report.run_id,
        "generated_at": report.generated_at,
        "starting_from": report.starting_from,
        "starting_before": report.starting_before,
        "summary": report.summary,
        "since_run": report.previous.run_id if report.previous else None,
    }


def print_report(report: Report) -> None:
    """Totals by metric, the worst lines, what changed."""
    kept = f"run {report.run_id}, as of" if report.run_id else "as known"
    title = (
        f"{report.tenant_name}, periods from {report.starting_from:%B %Y}: {kept} {report.generated_at:%Y-%m-%d %H:%MZ}"
    )
    totals = [
        (row.metric, row.lines, row.local_quantity, row.sent_quantity, row.stripe_quantity, row.invoice_quantity,
         row.verdict)
        for row in report.summary.metrics
    ]  # fmt: skip
    print_table(title, ["metric", "lines", "local", "sent", "Stripe", "invoice", "verdict"], totals)
    if worst := worst_lines(report.lines):
        rows = [
            (line.customer_ref, line.metric, line.local_quantity, line.sent_quantity, line.stripe_quantity,
             line.invoice_quantity, line.verdict, line.cause or "")
            for line in worst
        ]  # fmt: skip
        columns = ["customer", "metric", "local", "sent", "Stripe", "invoice", "verdict", "cause"]
        print_table("The worst lines", columns, rows)
    if report.changes is not None and report.previous is not None:
        print_changes(report.changes, report.previous, "this report")
    summary = report.summary
    console.print(
        f"{summary.ok} agree, {summary.breaks} break, {summary.missing} not known, {summary.unmapped} not billed"
    )


def print_changes(changes: Changes, before: PastRun, after: str) -> None:
    """Every line that differs."""
    rows = [
        (each.line.customer_ref, each.line.metric, each.line.period_start, " -> ".join(dict.fromkeys(each.verdicts)),
         each.before and each.before.local_quantity, each.after and each.after.local_quantity,
         each.before and each.before.invoice_quantity, each.after and each.after.invoice_quantity,
         ", ".join(each.columns) if each.before and each.after else "gone" if each.before else "new")
        for each in changes.lines
    ]  # fmt: skip
    columns = ["customer", "metric", "from", "verdict", "local then", "local", "invoice then", "invoice", "differs in"]
    if rows:
        print_table(f"From run {before.run_id} to {after}", columns, rows)
    console.print(f"from run {before.run_id} to {after}: {len(rows)} lines differ, {changes.unchanged} do not")
