"""Comparing anybody's usage export with our counters: read, dated into our periods, added up, judged, explained."""

from tally.compare.columns import FIELDS, Columns
from tally.compare.comparison import compare
from tally.compare.errors import CompareRefused
from tally.compare.files import ComparisonFiles, write_comparison
from tally.compare.result import ComparedLine, Comparison
from tally.compare.rows import Reading

__all__ = [
    "FIELDS",
    "Columns",
    "CompareRefused",
    "ComparedLine",
    "Comparison",
    "ComparisonFiles",
    "Reading",
    "compare",
    "write_comparison",
]
