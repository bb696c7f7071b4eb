"""What a closed counter holds back: its own change, and that of every counter that shares moved events with it.

An event that leaves a closed counter for an open one would otherwise be billed twice.
"""

from collections.abc import Hashable, Iterable
from datetime import datetime
from typing import Any

import psycopg

from tally.adjustments.ledger_rules import statement
from tally.replay.statements import run

_Counter = tuple[str, str, datetime]

_MOVES = "select distinct customer_ref, metric, old_start, new_start from replay_moves"


def hold_closed(connection: psycopg.Connection[Any], tenant_id: str, replay_id: str) -> None:
    """Mark what the chunk's closed counters hold back."""
    parameters = {"tenant_id": tenant_id, "replay_id": replay_id}
    groups = _Groups()
    closed: list[_Counter] = []
    counters: list[_Counter] = []
    for customer, metric, start, is_closed, is_gauge in connection.execute(
        statement(__package__, "closed_changes.sql"), parameters
    ).fetchall():
        counter = (customer, metric, start)
        counters.append(counter)
        if is_closed:
            closed.append(counter)
        if is_gauge:
            # What a gauge held carries into the periods behind: they change together.
            groups.join((customer, metric), counter)
    if not closed:
        return
    for customer, metric, old_start, new_start in connection.execute(_MOVES).fetchall():
        groups.join((customer, metric, old_start), (customer, metric, new_start))
    held = _held(groups, counters, closed)
    customers, metrics, starts = (list(column) for column in zip(*held, strict=True))
    run(connection, "hold.sql", parameters | {"customers": customers, "metrics": metrics, "starts": starts})


def _held(groups: "_Groups", counters: Iterable[_Counter], closed: Iterable[_Counter]) -> list[_Counter]:
    holding = {groups.of(counter) for counter in closed}
    return [counter for counter in counters if groups.of(counter) in holding]


class _Groups:
    """Things that belong together, directly or through others (union-find)."""

    def __init__(self) -> None:
        self._above: dict[Hashable, Hashable] = {}

    def of(self, one: Hashable) -> Hashable:
        """What stands for the group of `one`."""
        while (above := self._above.get(one, one)) != one:
            self._above[one] = self._above.get(above, above)
            one = above
        return one

    def join(self, one: Hashable, other: Hashable) -> None:
        """Put the groups of both together."""
        self._above[self.of(one)] = self.of(other)
