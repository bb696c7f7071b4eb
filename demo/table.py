"""The table that ends the demo: a period a table, a carrier and metric a row, what differs from the truth in red."""

import re
from collections.abc import Mapping
from datetime import datetime

from rich import box
from rich.table import Table
from rich.text import Text

from demo.billing_periods import BillingPeriod
from demo.comparison import COUNTS, GOOD_VERDICT, QUANTITIES, Comparison, Key, ReconciledRow, WrongCell, written
from demo.truth import TrueCell

WRONG = "bold white on red"
_LEGAL_FORM = re.compile(r"( Airlines)? (Inc\.|Co\.)$| Corporation$")
_HEADINGS = {"duplicates": "dupl.", "stripe": "Stripe"}
_WIDTHS = {"delivered": 9, "duplicates": 5, "late": 4, "drift": 5}  # the other figures have at most seven characters


def period_table(comparison: Comparison, period: BillingPeriod, carriers: Mapping[str, str]) -> Table:
    """The period's rows, 116 columns wide when nothing is wrong; `carriers`: code to name. Wrong cells are red."""
    table = Table(
        box=box.SIMPLE_HEAD, show_edge=False, padding=0, title=_title(period), title_justify="left", title_style="bold"
    )
    table.add_column("carrier", min_width=19, no_wrap=True)
    table.add_column("metric", min_width=20, no_wrap=True)
    for name in (*COUNTS, *QUANTITIES):
        table.add_column(_HEADINGS.get(name, name), justify="right", min_width=_WIDTHS.get(name, 7), no_wrap=True)
    table.add_column("truth", justify="right", style="cyan", min_width=7, no_wrap=True)
    table.add_column("verdict", min_width=8, no_wrap=True)
    wrong: dict[Key, dict[str, WrongCell]] = {}
    for found in comparison.wrong:
        wrong.setdefault(found.key, {})[found.column] = found
    previous = ""
    for key, row, cell in (line for line in comparison.lines if line[0][0] == period.start):
        carrier = Text(_named(key[1], carriers) if key[1] != previous else "", style="bold")
        here = wrong.get(key, {})
        table.add_row(carrier, key[2], *_figures(row, here), _true(cell), _verdict(row, here))
        previous = key[1]
    return table


def wrong_cells_table(comparison: Comparison, carriers: Mapping[str, str]) -> Table:
    """One row per wrong cell: where, what was expected, what was found."""
    table = Table(
        box=box.SIMPLE_HEAD, title="Cells that differ from the truth", title_justify="left", title_style="bold red"
    )
    for name in ("period from", "carrier", "metric", "cell", "expected", "found"):
        table.add_column(name)
    for cell in comparison.wrong:
        start, carrier, metric = cell.key
        table.add_row(
            _day(start), _named(carrier, carriers), metric, cell.column, cell.expected, Text(cell.actual, style=WRONG)
        )
    return table


def closing_line(comparison: Comparison) -> Text:
    """The verdict of the whole run, in a sentence."""
    rows = sum(row is not None for _, row, _ in comparison.lines)
    if comparison.is_equal:
        return Text(f"✓ All {comparison.cells:,} cells of {rows} rows equal the independent truth.", style="bold green")
    if not comparison.cells:
        return Text(
            "✗ No cell could be compared: the reconciliation has no row that the truth knows.", style="bold red"
        )
    noun = "cell differs" if len(comparison.wrong) == 1 else "cells differ"
    compared = f"{comparison.cells:,} cells of {rows} rows compared"
    return Text(f"✗ {len(comparison.wrong):,} {noun} from the independent truth ({compared}).", style="bold red")


def _title(period: BillingPeriod) -> str:
    return f"{period.name}  [dim]{period.start:%Y-%m-%d %H:%M} to {period.end:%Y-%m-%d %H:%M} UTC[/]"


def _day(start: datetime) -> str:
    return f"{start:%Y-%m-%d %H:%M}"


def _named(carrier: str, carriers: Mapping[str, str]) -> str:
    return f"{carrier} {_LEGAL_FORM.sub('', carriers.get(carrier, ''))}".strip()


def _figures(row: ReconciledRow | None, wrong: Mapping[str, WrongCell]) -> list[Text]:
    return [_figure(written(getattr(row, name, None)), name in wrong) for name in (*COUNTS, *QUANTITIES)]


def _figure(text: str, is_wrong: bool) -> Text:
    return Text(text, style=WRONG if is_wrong else "dim" if text in ("0", "–") else "")


def _true(cell: TrueCell | None) -> Text:
    return Text("–" if cell is None else written(cell.quantity))


def _verdict(row: ReconciledRow | None, wrong: Mapping[str, WrongCell]) -> Text:
    if "row" in wrong:
        return Text("no row" if row is None else "extra row", style=WRONG)
    if row is None:
        return Text("no usage", style="dim")
    return Text(row.verdict, style="green" if row.verdict == GOOD_VERDICT and not wrong else WRONG)
