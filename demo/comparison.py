"""The reconciliation's rows against the independent truth, cell by cell, exactly."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from demo.truth import TrueCell

Key = tuple[datetime, str, str]
COUNTS = ("delivered", "duplicates", "late")
QUANTITIES = ("local", "sent", "stripe", "invoice", "drift")
COLUMNS = (*COUNTS, *QUANTITIES, "verdict")
GOOD_VERDICT = "ok"


@dataclass(frozen=True)
class ReconciledRow:
    """What the pipeline says of one carrier, metric and period. None is "no such figure", never zero."""

    customer_ref: str
    metric: str
    period_start: datetime
    delivered: int | None
    duplicates: int | None
    late: int | None
    local: Decimal | None
    sent: Decimal | None
    stripe: Decimal | None
    invoice: Decimal | None
    drift: Decimal | None
    verdict: str

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "ReconciledRow":
        """From a mapping with this class's field names; others are ignored.

        Raises:
            KeyError: a field is missing.
            TypeError: a figure is a float, which is not exact.
        """
        if floats := [name for name in (*COUNTS, *QUANTITIES) if isinstance(row[name], float)]:
            raise TypeError(f"{', '.join(floats)} came as float; a quantity stays a Decimal all the way")
        return cls(**{name: row[name] for name in cls.__dataclass_fields__})

    @property
    def key(self) -> Key:
        return (self.period_start, self.customer_ref, self.metric)


@dataclass(frozen=True)
class WrongCell:
    """A cell that differs; `column` is "row" when the whole row is missing, unexpected or there twice."""

    key: Key
    column: str
    expected: str
    actual: str


@dataclass(frozen=True)
class Comparison:
    """`lines` holds every key of either side, sorted; `cells` is how many cells were compared."""

    lines: tuple[tuple[Key, ReconciledRow | None, TrueCell | None], ...]
    cells: int
    wrong: tuple[WrongCell, ...]

    @property
    def is_equal(self) -> bool:
        """Whether something was compared and nothing differs."""
        return self.cells > 0 and not self.wrong


def compare(rows: Iterable[ReconciledRow], truth: Iterable[TrueCell]) -> Comparison:
    """Compare every cell exactly. A row that only one side has is wrong, unless nothing was delivered for it."""
    reported, expected = list(rows), {(cell.period_start, cell.customer_ref, cell.metric): cell for cell in truth}
    by_key = {row.key: row for row in reported}
    lines = tuple((key, by_key.get(key), expected.get(key)) for key in sorted(by_key.keys() | expected.keys()))
    wrong = [
        WrongCell(key, "row", "once", f"{times} times")
        for key, times in Counter(row.key for row in reported).items()
        if times > 1
    ]
    cells = 0
    for key, row, cell in lines:
        if row is not None and cell is not None:
            cells += len(COLUMNS)
            wrong += _wrong_cells(row, cell)
        elif row is not None:
            wrong.append(WrongCell(key, "row", "none", "there"))
        elif cell is not None and cell.delivered > 0:
            wrong.append(WrongCell(key, "row", "there", "none"))
    return Comparison(lines, cells, tuple(wrong))


def _wrong_cells(row: ReconciledRow, cell: TrueCell) -> Iterator[WrongCell]:
    for column, allowed in _allowed(cell).items():
        actual = getattr(row, column)
        if actual not in allowed:
            yield WrongCell(row.key, column, written(allowed[0]), written(actual))


def _allowed(cell: TrueCell) -> dict[str, tuple[Decimal | int | str | None, ...]]:
    """The values each column may show, the usual one first."""
    quantity = cell.quantity
    nothing: tuple[Decimal | None, ...] = (None, Decimal(0))
    # Nothing is sent for a zero, so Stripe may never have heard of it; and an invoice has no negative quantity.
    told = nothing if quantity in nothing else (quantity,)
    billed = nothing if quantity is None or quantity <= 0 else (quantity,)
    counts = {name: (getattr(cell, name), *((None,) if cell.delivered == 0 else ())) for name in COUNTS}
    return {
        **counts,
        "local": nothing if quantity is None else (quantity,),
        "sent": told,
        "stripe": told,
        "invoice": billed,
        "drift": (Decimal(0), *((None,) if quantity is None else ())),
        "verdict": (GOOD_VERDICT,),
    }


def written(value: Decimal | int | str | None) -> str:
    """A figure for a person: thousands separated, no exponent, no trailing zeros; a dash for none."""
    if value is None:
        return "–"
    if isinstance(value, str):
        return value
    text = f"{value:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
