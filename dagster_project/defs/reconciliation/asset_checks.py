"""Parity: Great Expectations judges a month's lines.

It stands behind the report, so that people can read a month that does not agree; and it blocks, so that the run is red
and nothing built on the report goes on.
"""

import dagster as dg

from dagster_project.defs.partitions import months
from dagster_project.defs.reconciliation.assets import REPORT
from dagster_project.defs.resources import TallyResource
from dagster_project.lib.tables import markdown_table
from tally.months import bounds
from tally.parity import ParityResult, check_parity

_BREAKING_COLUMNS = (
    "customer_ref", "metric", "period_start", "local_quantity", "sent_quantity", "stripe_quantity", "invoice_quantity",
    "local_amount", "invoice_amount", "drift", "severity", "verdict", "cause",
)  # fmt: skip

_MOST_NAMED = 5


@dg.asset_check(
    asset=REPORT,
    name="usage_parity_within_epsilon",
    blocking=True,
    partitions_def=months,
    description=(
        "Counter, sent, Stripe's summary and the invoice agree within the line's epsilon, in quantity and in money, on "
        "every line of the month, each read within a day. A number that is missing fails; so does a month with "
        "counters and no lines. While usage goes on, what was counted a moment ago may be on its way."
    ),
)
def usage_parity_within_epsilon(context: dg.AssetCheckExecutionContext, tally: TallyResource) -> dg.AssetCheckResult:
    # Great Expectations is imported inside: 5 s and 350 MB that only a process which judges should pay.
    result = check_parity(tally.url, *bounds(context.partition_key))
    return dg.AssetCheckResult(
        passed=result.passed,
        severity=dg.AssetCheckSeverity.ERROR,
        description=_in_words(result),
        metadata=_judged(result),
    )


def _judged(result: ParityResult) -> dict[str, dg.MetadataValue]:
    claims = [
        (outcome.claim, "holds" if outcome.passed else "broken", outcome.unexpected_rows)
        for outcome in result.expectations
    ]
    breaking = [[line.get(column) for column in _BREAKING_COLUMNS] for line in result.breaking_lines]
    return {
        "lines": dg.MetadataValue.int(result.lines),
        "breaking lines": dg.MetadataValue.int(len(result.breaking_lines)),
        "unmapped lines": dg.MetadataValue.int(result.unmapped_lines),
        "lines that settle": dg.MetadataValue.int(result.settling_lines),
        "expectations": dg.MetadataValue.md(markdown_table(["expectation", "verdict", "lines against"], claims)),
        "lines that break": dg.MetadataValue.md(markdown_table(_BREAKING_COLUMNS, breaking)),
    }


def _in_words(result: ParityResult) -> str:
    """The verdict in a sentence; tables stand behind a click on the page of checks."""
    if result.passed:
        settling = f"; {result.settling_lines} of them still settle" if result.settling_lines else ""
        return f"all {result.lines} lines agree{settling}"
    worst = [
        f"{line['customer_ref']} {line['metric']}: {line.get('cause') or line['verdict']}"
        for line in result.breaking_lines
    ]
    shown = "; ".join(worst[:_MOST_NAMED]) or "counters without a line"
    return f"{len(worst)} of {result.lines} lines break: {shown}{'; …' if len(worst) > _MOST_NAMED else ''}"
