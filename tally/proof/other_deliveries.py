"""Landed rows of a counter that are no event's first delivery: repeats, conflicts, and what nobody has ever read."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from tally.proof.asked import read_by_position
from tally.proof.landed import NAMED_AT_MOST, Fault

_WHAT = {
    "unread": "it lies in raw.usage_events, and no model has ever read it",
    "contradicting": "a later delivery of it says something else, and is kept as no conflict",
}


@dataclass(frozen=True)
class OtherDeliveries:
    """`repeats` as they lie in raw.usage_events, `counted_repeats` as the ledger has them; what should not be there."""

    repeats: int
    counted_repeats: int
    faults: list[Fault]
    fault_count: int


@dataclass(frozen=True)
class _Kind:
    kind: str
    deliveries: int
    keys: list[str]


@dataclass(frozen=True)
class _Counted:
    duplicates: int


def other_deliveries(
    connection: psycopg.Connection[Any], asked: dict[str, Any], lines: Sequence[Any]
) -> list[OtherDeliveries]:
    """Of each line asked about, in order; in a transaction."""
    landed = read_by_position(connection, _Kind, "other_deliveries.sql", asked)
    counted = read_by_position(connection, _Counted, "duplicates.sql", asked)
    found = []
    for position in range(len(lines)):
        kinds = {each.kind: each for each in landed.get(position, [])}
        wrong = [(kinds[kind], what) for kind, what in _WHAT.items() if kind in kinds]
        faults = [Fault(key, what) for each, what in wrong for key in each.keys]
        repeat = kinds.get("repeat")
        found.append(
            OtherDeliveries(
                repeats=repeat.deliveries if repeat else 0,
                counted_repeats=sum(each.duplicates for each in counted.get(position, [])),
                faults=faults[:NAMED_AT_MOST],
                fault_count=sum(each.deliveries for each, _ in wrong),
            )
        )
    return found
