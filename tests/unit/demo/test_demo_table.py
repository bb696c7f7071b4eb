"""The table at 120 columns: nothing cut off, wrong cells red, missing rows named."""

from dataclasses import replace
from decimal import Decimal

import pytest
from rich.console import Console, RenderableType

from demo.billing_periods import FEBRUARY, JANUARY, PERIODS, BillingPeriod
from demo.comparison import Comparison, ReconciledRow, compare
from demo.dataset import read_airlines
from demo.table import closing_line, period_table, wrong_cells_table
from demo.truth import TrueCell


def _rows(cells: list[TrueCell]) -> list[ReconciledRow]:
    return [
        ReconciledRow(
            cell.customer_ref, cell.metric, cell.period_start, cell.delivered, cell.duplicates, cell.late,
            cell.quantity, cell.quantity, cell.quantity, cell.quantity, Decimal(0), "ok",
        )
        for cell in cells
        if cell.delivered
    ]  # fmt: skip


def _printed(*what: RenderableType, styles: bool = False) -> str:
    console = Console(width=120, force_terminal=styles, color_system="truecolor" if styles else None, record=True)
    with console.capture() as capture:
        console.print(*what)
    return capture.get()


@pytest.fixture
def equal(cells: list[TrueCell]) -> Comparison:
    return compare(_rows(cells), cells)


@pytest.mark.parametrize("period", PERIODS, ids=lambda period: period.name)
def test_a_period_fits_120_columns_one_line_a_row(equal: Comparison, period: BillingPeriod) -> None:
    shown = _printed(period_table(equal, period, read_airlines()))
    assert len(shown.splitlines()) == 3 + 64
    assert "…" not in shown


def test_the_table_shows_every_figure(equal: Comparison, cells: list[TrueCell]) -> None:
    shown = _printed(period_table(equal, JANUARY, read_airlines()))
    line = next(line for line in shown.splitlines() if line.startswith("UA United Air Lines"))
    cell = next(cell for cell in cells if (cell.customer_ref, cell.metric) == ("UA", "air_minutes"))
    quantity = f"{cell.quantity:,}"
    counts = [f"{cell.delivered:,}", str(cell.duplicates), str(cell.late)]
    assert line.split()[4:] == ["air_minutes", *counts, *[quantity] * 4, "0", quantity, "ok"]


def test_a_carrier_that_did_not_fly_says_so(equal: Comparison) -> None:
    shown = _printed(period_table(equal, FEBRUARY, read_airlines()))
    assert shown.count("no usage") == 4


def test_a_wrong_cell_is_red_and_explained(cells: list[TrueCell]) -> None:
    rows = _rows(cells)
    rows[5] = replace(rows[5], sent=Decimal(10_000_001))
    comparison = compare(rows, cells)
    shown = _printed(period_table(comparison, JANUARY, read_airlines()), styles=True)
    assert "\x1b[1;37;41m10,000,001\x1b[0m" in shown.replace(" \x1b", "\x1b")
    listed = _printed(wrong_cells_table(comparison, read_airlines()))
    assert [word for word in ("AA American", rows[5].metric, "sent", "10,000,001") if word not in listed] == []
    assert "✗ 1 cell differs" in _printed(closing_line(comparison))


def test_a_missing_row_is_red(cells: list[TrueCell]) -> None:
    rows = _rows(cells)
    del rows[5]
    comparison = compare(rows, cells)
    assert "no row" in _printed(period_table(comparison, JANUARY, read_airlines()))
    assert "✗ 1 cell differs from the independent truth (1,107 cells of 123 rows compared)." in _printed(
        closing_line(comparison)
    )


def test_the_closing_line_counts_what_was_compared(equal: Comparison, cells: list[TrueCell]) -> None:
    assert "✓ All 1,116 cells of 124 rows equal the independent truth." in _printed(closing_line(equal))
    assert "✗ No cell could be compared" in _printed(closing_line(compare([], cells)))
