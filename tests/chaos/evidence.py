"""What each side wrote down about the day, to be held against each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from tests.chaos.cast import Counter, Event
from tests.chaos.outcome import Outcome


@dataclass(frozen=True)
class Intent:
    """A row of the push ledger."""

    identifier: str
    counter: Counter
    value: Decimal
    state: str


@dataclass(frozen=True)
class Evidence:
    """All sides.

    `acknowledged`: the load's own record, by key; `unacknowledged`: requests that the door never took. `landed`: the
    distinct (key, customer, metric, quantity) of the raw rows. `counted`: how often each key is in the ledger.
    `counters`: value and events. `applied`: how often Stripe counted each identifier. `stripe`: Stripe's exact totals.
    `parity`: the verdict of each reconciliation line. `wrong`: what the operator's commands had to say at the end.
    """

    acknowledged: Mapping[str, Event]
    landed: frozenset[tuple[str, str, str, Decimal]]
    counted: Mapping[str, int]
    counters: Mapping[Counter, tuple[Decimal, int]]
    intents: Sequence[Intent]
    applied: Mapping[str, int]
    stripe: Mapping[Counter, Decimal]
    parity: Mapping[Counter, str]
    outcomes: Sequence[Outcome]
    unacknowledged: int = 0
    rejected: Sequence[str] = ()
    wrong: Sequence[str] = ()
