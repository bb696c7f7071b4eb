"""The few figures that a report leads with: money that is proven, the worst drift, the biggest breaks."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tally.reconciliation.lines import Line


@dataclass(frozen=True)
class Money:
    """Minor units of one currency. `proven` is billed on lines that agree; `counted` is what we make of it ourselves,
    None where a billed line has no amount of ours."""

    currency: str
    billed: Decimal
    proven: Decimal
    counted: Decimal | None

    @property
    def unproven(self) -> Decimal:
        """Billed on lines that do not agree, or are not known to."""
        return self.billed - self.proven


def money_of(lines: Iterable[Line]) -> list[Money]:
    """Billed amounts by currency. An invoice line that bills several segments of a period counts once."""
    billed: dict[tuple[str, Any], list[Line]] = defaultdict(list)
    for number, line in enumerate(lines):
        if line.invoice_currency is not None and line.billed_amount is not None:
            shared = (line.billed_segments or 1) > 1
            key = (line.account, line.livemode, line.invoice_line_id) if shared else number
            billed[line.invoice_currency, key].append(line)
    return [
        _money(currency, [group for (other, _), group in billed.items() if other == currency])
        for currency in sorted({currency for currency, _ in billed})
    ]


def _money(currency: str, groups: list[list[Line]]) -> Money:
    billed, proven = Decimal(0), Decimal(0)
    for group in groups:
        amount = group[0].billed_amount or Decimal(0)
        billed += amount
        proven += amount if all(line.verdict == "ok" for line in group) else 0
    counted = [group[0].local_amount for group in groups]
    known = [amount for amount in counted if amount is not None]
    return Money(currency, billed, proven, sum(known, Decimal(0)) if len(known) == len(counted) else None)


def worst_drift(lines: Iterable[Line]) -> Decimal | None:
    """The largest drift ratio that is known."""
    return max((line.drift_ratio for line in lines if line.drift_ratio is not None), default=None)
