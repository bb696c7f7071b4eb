"""The latest reports as a Markdown block between two markers of a document: printed by a command, so never by hand."""

from collections.abc import Iterable
from pathlib import Path

from tally.errors import TallyError
from tally.reconciliation import notation
from tally.reconciliation.summary import Finding, MetricTotals
from tally.reports.figures import money_of, worst_drift
from tally.reports.report import Report

BEGIN = "<!-- tally reports publish: what follows is printed, not written -->"
END = "<!-- tally reports publish: end -->"
_COLUMNS = (
    "metric",
    "lines",
    "delivered",
    "duplicates",
    "late",
    "counted",
    "sent",
    "Stripe meter",
    "invoiced",
    "verdict",
)


class NoPlaceToPublish(TallyError):
    """The document has no markers, or not exactly one pair."""


def block_of(reports: Iterable[Report]) -> str:
    """The block: for each report a heading, a sentence, a table of totals by metric, and its breaks by cause."""
    return "\n\n".join("\n\n".join(_parts(report)) for report in reports)


def published(text: str, block: str) -> str:
    """The document's text with the block between its markers.

    Raises:
        NoPlaceToPublish: there is not exactly one pair of markers, in order.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end or BEGIN in rest or END in before + after:
        raise NoPlaceToPublish(f"the document needs one line {BEGIN!r} and, behind it, one line {END!r}")
    return f"{before}{BEGIN}\n\n{block}\n\n{END}{after}"


def read_document(path: Path) -> str:
    """The document.

    Raises:
        NoPlaceToPublish: it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise NoPlaceToPublish(f"{path} cannot be read: {error}") from None


def _parts(report: Report) -> list[str]:
    summary = report.summary
    billed = [
        f"{notation.money(each.billed, each.currency)} billed for usage, {notation.money(each.proven, each.currency)}"
        " of it on lines that agree"
        for each in money_of(report.lines)
    ]
    counts = f"{summary.ok} of {summary.lines} lines agree, {summary.breaks} break, {summary.missing} not known"
    drift = f"worst drift {notation.percent(worst_drift(report.lines))} of {notation.percent(report.epsilon)} allowed"
    return [
        f"### {_escaped(report.tenant_name)}, {report.starting_from:%B %Y}",
        f"**{summary.verdict}** as of {notation.moment(report.generated_at)}: {'; '.join([counts, drift, *billed])}.",
        _table(summary.metrics),
        *(_finding(finding) for finding in summary.findings),
    ]


def _table(metrics: Iterable[MetricTotals]) -> str:
    rows = [
        (_escaped(row.metric), row.lines, row.deliveries, row.duplicates, row.late_events, row.local_quantity,
         row.sent_quantity, row.stripe_quantity, row.invoice_quantity, row.verdict)
        for row in metrics
    ]  # fmt: skip
    written = [[each if isinstance(each, str) else notation.quantity(each) for each in row] for row in rows]
    rule = ["---", *["---:"] * (len(_COLUMNS) - 2), "---"]
    return "\n".join(f"| {' | '.join(row)} |" for row in [_COLUMNS, rule, *written])


def _finding(finding: Finding) -> str:
    line = finding.lines[0]
    where = _escaped(f"{line.customer_ref} {line.metric}: {line.cause or 'no cause found'}")
    return f"- {finding.verdict}, {len(finding.lines)} lines, the worst {where}"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
