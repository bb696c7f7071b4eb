"""Small tables in Markdown, for people who look at one run in the UI."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from typing import Any

# More belongs in the database. Every event that carries a table is kept as long as its run.
MOST_ROWS = 25


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], most: int = MOST_ROWS) -> str:
    """At most `most` rows, and how many were left out; "none" when there is nothing to show."""
    if not rows:
        return "none"
    lines = [_line(columns), _line(["---"] * len(columns)), *(_line(map(cell, row)) for row in islice(rows, most))]
    if len(rows) > most:
        lines += ["", f"… and {len(rows) - most:,} more"]
    return "\n".join(lines)


def cell(value: Any) -> str:
    """A value as people read it: quantities without an exponent, times in UTC, nothing as a dash."""
    match value:
        case None:
            return "–"
        case datetime():
            return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M")
        case int() if not isinstance(value, bool):
            return f"{value:,}"
        case Decimal():
            return f"{value.normalize():,f}"
        case _:
            # A bar would end the cell, wherever the text came from.
            return str(value).replace("|", "\\|").replace("\n", " ")


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
