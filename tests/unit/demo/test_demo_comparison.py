"""The comparison: silent when all is equal, loud about one wrong cell, a missing row, a row too many."""

from collections.abc import Callable
from dataclasses import asdict, replace
from decimal import Decimal

import pytest

from demo.billing_periods import FEBRUARY, JANUARY
from demo.comparison import COLUMNS, ReconciledRow, compare, written
from demo.truth import TrueCell


def _row(cell: TrueCell) -> ReconciledRow:
    quantity = cell.quantity
    billed = None if quantity is None else max(Decimal(0), quantity)
    figures = (cell.delivered, cell.duplicates, cell.late, quantity, quantity, quantity, billed, Decimal(0))
    return ReconciledRow(cell.customer_ref, cell.metric, cell.period_start, *figures, verdict="ok")


def _changed(row: ReconciledRow, column: str, value: object) -> ReconciledRow:
    return ReconciledRow.of({**asdict(row), column: value})


@pytest.fixture
def rows(cells: list[TrueCell]) -> list[ReconciledRow]:
    return [_row(cell) for cell in cells if cell.delivered]


def _cell(**changes: object) -> TrueCell:
    cell = TrueCell("OO", "peak_departure_delay", JANUARY.start, 1, 0, 0, 1, Decimal(5))
    return replace(cell, **changes)  # type: ignore[arg-type]


def test_equal_rows_compare_equal(rows: list[ReconciledRow], cells: list[TrueCell]) -> None:
    comparison = compare(rows, cells)
    assert comparison.wrong == ()
    assert comparison.cells == 124 * len(COLUMNS) == 1116
    assert comparison.is_equal


@pytest.mark.parametrize("column", COLUMNS)
def test_one_wrong_cell_is_found(column: str, rows: list[ReconciledRow], cells: list[TrueCell]) -> None:
    value = getattr(rows[40], column)
    rows[40] = _changed(rows[40], column, "break" if column == "verdict" else value + 1)
    comparison = compare(rows, cells)
    assert [(cell.key, cell.column) for cell in comparison.wrong] == [(rows[40].key, column)]
    assert comparison.wrong[0].expected == written(value)
    assert not comparison.is_equal


@pytest.mark.parametrize("column", ["delivered", "local", "sent", "stripe", "invoice", "drift"])
def test_a_figure_that_is_not_there_is_not_zero(column: str) -> None:
    cell = _cell()
    comparison = compare([_changed(_row(cell), column, None)], [cell])
    assert [wrong.column for wrong in comparison.wrong] == [column]
    assert comparison.wrong[0].actual == "–"


def test_a_quarter_of_a_unit_is_a_difference() -> None:
    cell = _cell()
    row = replace(_row(cell), stripe=Decimal("5.000000000001"))
    assert [wrong.actual for wrong in compare([row], [cell]).wrong] == ["5.000000000001"]
    assert compare([replace(row, stripe=Decimal("5.000"))], [cell]).is_equal


def test_a_missing_row_is_wrong(rows: list[ReconciledRow], cells: list[TrueCell]) -> None:
    gone = rows.pop(7)
    comparison = compare(rows, cells)
    assert [(cell.key, cell.column, cell.actual) for cell in comparison.wrong] == [(gone.key, "row", "none")]


@pytest.mark.parametrize(
    "other",
    [
        lambda row: replace(row, customer_ref="ZZ"),
        lambda row: replace(row, metric="tows"),
        lambda row: replace(row, period_start=FEBRUARY.end),
    ],
)
def test_a_row_nobody_expects_is_wrong(
    other: Callable[[ReconciledRow], ReconciledRow], rows: list[ReconciledRow], cells: list[TrueCell]
) -> None:
    extra = other(rows[0])
    comparison = compare([*rows, extra], cells)
    assert [(cell.key, cell.column, cell.actual) for cell in comparison.wrong] == [(extra.key, "row", "there")]


def test_a_row_that_is_there_twice_is_wrong(rows: list[ReconciledRow], cells: list[TrueCell]) -> None:
    comparison = compare([*rows, rows[3]], cells)
    assert [(cell.key, cell.actual) for cell in comparison.wrong] == [(rows[3].key, "2 times")]


def test_nothing_at_all_is_not_equal(cells: list[TrueCell]) -> None:
    assert not compare([], []).is_equal
    assert len(compare([], cells).wrong) == 124


@pytest.mark.parametrize("nothing", [None, Decimal(0)])
def test_where_nothing_was_delivered_a_row_may_say_so(nothing: Decimal | None) -> None:
    cell = _cell(delivered=0, counted=0, quantity=None)
    row = replace(_row(cell), local=nothing, sent=nothing, stripe=nothing, invoice=nothing, drift=nothing)
    assert compare([row], [cell]).is_equal
    assert not compare([replace(row, stripe=Decimal(1))], [cell]).is_equal


def test_a_negative_total_is_sent_but_billed_as_zero() -> None:
    cell = _cell(quantity=Decimal(-3))
    row = _row(cell)
    assert (row.stripe, row.invoice) == (Decimal(-3), Decimal(0))
    assert compare([row], [cell]).is_equal
    assert [wrong.column for wrong in compare([replace(row, invoice=Decimal(-3))], [cell]).wrong] == ["invoice"]


def test_a_total_of_zero_needs_no_push() -> None:
    cell = _cell(quantity=Decimal(0))
    row = _row(cell)
    assert compare([replace(row, sent=None, stripe=None, invoice=None)], [cell]).is_equal
    assert [wrong.column for wrong in compare([replace(row, local=None)], [cell]).wrong] == ["local"]


def test_a_row_comes_from_a_mapping_but_never_with_floats() -> None:
    row = _row(_cell())
    assert ReconciledRow.of({**asdict(row), "cause": None}) == row
    with pytest.raises(TypeError, match="stripe came as float"):
        ReconciledRow.of({**asdict(row), "stripe": 5.0})


def test_figures_are_written_for_people() -> None:
    assert [written(value) for value in (None, 1234567, Decimal("1E+3"), Decimal("0.50"), Decimal(-7), "ok")] == [
        "–", "1,234,567", "1,000", "0.5", "-7", "ok",
    ]  # fmt: skip
