"""Reconciliation: the lines where counted, sent, summed up and billed stand side by side; their summary and report."""

from tally.reconciliation.lines import Line, read_lines
from tally.reconciliation.mends import Mend, mend_of
from tally.reconciliation.report import Report, ReportFiles, build_report, render_html, write_csv, write_report
from tally.reconciliation.summary import Finding, MetricTotals, Summary, summarize, worst_lines

__all__ = [
    "Finding",
    "Line",
    "Mend",
    "MetricTotals",
    "Report",
    "ReportFiles",
    "Summary",
    "build_report",
    "mend_of",
    "read_lines",
    "render_html",
    "summarize",
    "worst_lines",
    "write_csv",
    "write_report",
]
