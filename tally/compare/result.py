"""What a comparison found: a line for each customer, metric and period of either side."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from tally.compare.columns import Columns

Verdict = Literal["ok", "break", "missing"]


@dataclass(frozen=True)
class ComparedLine:
    """One customer, metric and period. A side that has nothing is None, which is only equal to 0.

    `difference` is there minus here; `first_row` is where the export begins to say it. `cause` begins with a stable
    code before its colon. Amounts are minor units.
    """

    customer_ref: str
    metric: str
    period_start: datetime
    period_end: datetime
    unit: str | None
    here: Decimal | None
    there: Decimal | None
    difference: Decimal
    ratio: Decimal
    epsilon: Decimal
    rows: int
    first_row: int | None
    here_amount: Decimal | None
    there_amount: Decimal | None
    currency: str | None
    verdict: Verdict
    cause: str | None
    command: str | None

    @property
    def cause_code(self) -> str | None:
        return self.cause.split(":", 1)[0] if self.cause is not None else None


@dataclass(frozen=True)
class Comparison:
    """What was compared and how it came out. `left_aside`: counters of periods that the export covers only in part."""

    tenant_id: str
    tenant_name: str
    file: str
    compared_at: datetime
    columns: Columns
    rows: int
    metrics: tuple[str, ...]
    first: datetime
    last: datetime
    left_aside: int
    with_amounts: bool
    lines: tuple[ComparedLine, ...]

    @property
    def agrees(self) -> bool:
        """Whether something was compared and every line is ok."""
        return bool(self.lines) and all(line.verdict == "ok" for line in self.lines)

    @property
    def verdicts(self) -> Counter[str]:
        return Counter(line.verdict for line in self.lines)

    @property
    def causes(self) -> list[tuple[str, list[ComparedLine]]]:
        """Lines by cause, the most frequent first."""
        by_code: dict[str, list[ComparedLine]] = defaultdict(list)
        for line in self.lines:
            if line.cause_code is not None:
                by_code[line.cause_code].append(line)
        return sorted(by_code.items(), key=lambda item: (-len(item[1]), item[0]))
