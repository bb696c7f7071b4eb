"""Whether what is listed comes to the counter: each total beside the ledger's, and the ones that differ."""

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal

from tally.explain.counter import CounterRow
from tally.explain.recount import EXACT, Recount
from tally.explain.surroundings import Deliveries


@dataclass(frozen=True)
class Total:
    """One total as it is listed and as the ledger has it. Null: there is none."""

    name: str
    listed: Decimal | int | None
    ledger: Decimal | int | None

    @property
    def agrees(self) -> bool:
        """To the last digit; nothing agrees with null but null."""
        return self.listed == self.ledger


@dataclass(frozen=True)
class Listed:
    """What was listed: the recount of the counted events (None for an undeclared metric), and how many of what."""

    recount: Recount | None
    outcomes: Counter[str]
    duplicates: int
    conflicts: int
    adjustment: Decimal


def counter_totals(listed: Listed, counter: CounterRow | None) -> list[Total]:
    """The counter's own numbers. Where there is no counter, nothing may be counted and nothing booked."""
    counted = listed.outcomes["counted"]
    if counter is None or listed.recount is None:
        return [
            Total("events", counted, counter.event_count if counter else 0),
            Total("adjustment", listed.adjustment, counter.adjustment if counter else Decimal(0)),
        ]
    value = listed.recount.event_value()
    totals = [
        Total("events", counted, counter.event_count),
        Total("event_value", value, counter.event_value),
        Total("adjustment", listed.adjustment, counter.adjustment),
        Total("value", EXACT.add(value, listed.adjustment), counter.value),
        Total("quantity_sum", listed.recount.quantity_sum, counter.quantity_sum),
    ]
    if counted or counter.event_count:
        totals += [
            Total("quantity_min", listed.recount.quantity_min, counter.quantity_min),
            Total("quantity_max", listed.recount.quantity_max, counter.quantity_max),
            Total("last_quantity", listed.recount.last_quantity, counter.last_quantity),
        ]
    return totals


def delivery_totals(listed: Listed, ledger: Deliveries, is_one_moment: bool, has_detached_days: bool) -> list[Total]:
    """The counts of what arrived, while the ledger's models have read equally far."""
    if not is_one_moment:
        return []
    counted, late = listed.outcomes["counted"], listed.outcomes["late"]
    totals = [
        Total("delivered events", sum(listed.outcomes.values()), ledger.events),
        Total("counted events", counted, ledger.counted_events),
        Total("late events", late, ledger.late_events),
        Total("left out events", sum(listed.outcomes.values()) - counted - late, ledger.left_out_events),
        Total("conflicts", listed.conflicts, ledger.conflicts),
    ]
    # Equal repeats are kept where they landed and nowhere else.
    return totals if has_detached_days else [*totals, Total("duplicates", listed.duplicates, ledger.duplicates)]
