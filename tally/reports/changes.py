"""What differs between two reports on the same periods, line by line."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any

from tally.reconciliation.lines import Line

LineKey = tuple[str, str, Any, str | None, bool | None]


@dataclass(frozen=True)
class ChangedLine:
    """A line before and after; None where there was none. `columns` are those that differ."""

    before: Line | None
    after: Line | None
    columns: tuple[str, ...]

    @property
    def line(self) -> Line:
        """The line as it is, or last was."""
        found = self.after or self.before
        assert found is not None
        return found

    @property
    def is_of_numbers(self) -> bool:
        """Whether a verdict, quantity or amount differs, and not only a detail such as the invoice's status."""
        return not _NUMBERS.isdisjoint(self.columns)

    @property
    def verdicts(self) -> tuple[str, str]:
        """Before and after; "none" where there was no line."""
        return tuple(each.verdict if each else "none" for each in (self.before, self.after))  # type: ignore[return-value]


@dataclass(frozen=True)
class Changes:
    """Every line that differs, what got worse first; `unchanged` counts the others."""

    lines: tuple[ChangedLine, ...]
    unchanged: int

    @property
    def numbers(self) -> tuple[ChangedLine, ...]:
        """The lines of which a verdict, quantity or amount differs."""
        return tuple(each for each in self.lines if each.is_of_numbers)

    @property
    def details(self) -> tuple[str, ...]:
        """What else differs, on lines whose numbers stand."""
        return tuple(sorted({name for each in self.lines if not each.is_of_numbers for name in each.columns}))

    @property
    def worse(self) -> int:
        """Lines that are not ok now, and were or did not exist before."""
        return sum(each.verdicts[0] in ("ok", "none") and each.verdicts[1] in _BAD for each in self.lines)

    @property
    def better(self) -> int:
        """Lines that are ok now and were not before."""
        return sum(each.verdicts[0] in _BAD and each.verdicts[1] == "ok" for each in self.lines)

    @property
    def appeared(self) -> int:
        """Lines that were not there before."""
        return sum(each.before is None for each in self.lines)

    @property
    def vanished(self) -> int:
        """Lines that are gone."""
        return sum(each.after is None for each in self.lines)


_BAD = ("break", "missing")
_NUMBERS = frozenset(
    (
        "verdict",
        "local_quantity",
        "sent_quantity",
        "stripe_quantity",
        "invoice_quantity",
        "invoice_amount",
        "local_amount",
    )
)
_COLUMNS = tuple(field.name for field in fields(Line))


def key_of(line: Line) -> LineKey:
    """What a line is about."""
    return line.customer_ref, line.metric, line.period_start, line.account, line.livemode


def changes_between(before: Iterable[Line], after: Iterable[Line]) -> Changes:
    """Compare two sets of lines. Numbers are compared as numbers: 1.0 is 1."""
    old, new = ({key_of(line): line for line in lines} for lines in (before, after))
    changed = [
        ChangedLine(old.get(key), new.get(key), columns)
        for key in old.keys() | new.keys()
        if (columns := _differing(old.get(key), new.get(key)))
    ]
    return Changes(tuple(sorted(changed, key=_badness)), len(new) - sum(each.after is not None for each in changed))


def billed_between(before: dict[str, Decimal], after: dict[str, Decimal]) -> list[tuple[str, Decimal, Decimal]]:
    """Currency, minor units before and after, of each currency in which they differ."""
    zero = Decimal(0)
    both = sorted(before.keys() | after.keys())
    pairs = [(currency, before.get(currency, zero), after.get(currency, zero)) for currency in both]
    return [(currency, old, new) for currency, old, new in pairs if old != new]


def _differing(before: Line | None, after: Line | None) -> tuple[str, ...]:
    return tuple(name for name in _COLUMNS if getattr(before, name, None) != getattr(after, name, None))


def _badness(each: ChangedLine) -> tuple[Any, ...]:
    order = {"break": 0, "missing": 1, "none": 2, "unmapped": 3, "ok": 4}
    before, after = each.verdicts
    return order[after], before == after, *(str(part) for part in key_of(each.line))
