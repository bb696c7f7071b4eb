"""Reconciliation: the lines where counted, sent, summed up and billed stand side by side, and their summary."""

from tally.reconciliation.lines import Line, read_lines
from tally.reconciliation.mends import Mend, mend_of
from tally.reconciliation.summary import Finding, MetricTotals, Summary, summarize, worst_lines

__all__ = [
    "Finding",
    "Line",
    "Mend",
    "MetricTotals",
    "Summary",
    "mend_of",
    "read_lines",
    "summarize",
    "worst_lines",
]
