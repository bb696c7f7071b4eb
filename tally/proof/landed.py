"""The events that a line counts, read back from where they landed: counted again one at a time, hashed, compared."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import psycopg

from tally.explain import Recount
from tally.proof.asked import rendered

_BATCH = 10_000
# A line whose every event differs needs no list of them all: the count says it.
NAMED_AT_MOST = 20


@dataclass(frozen=True)
class Fault:
    """An event, or a delivery of one, that is not as it was counted; `what` says how."""

    idempotency_key: str
    what: str


@dataclass(frozen=True)
class LandedEvents:
    """What the counted events come to as they lie in raw.usage_events now. Quantities are in the meter's unit.

    `value` is what they are worth before adjustments; None for a metric that is not declared. `sha256` is over the
    payload hash and key of each, by (event_time, landed_at, seq). `archived` of them landed on days whose rows are not
    in raw.usage_events: for those the ledger's own copy stands in. `newer` names counted events that the counter had
    not read when the proof compared with was recorded. `by_day` counts by UTC day.
    """

    count: int
    quantity_sum: Decimal
    value: Decimal | None
    sha256: str
    archived: int
    left_out: Counter[str]
    faults: list[Fault]
    fault_count: int
    newer: list[str]
    by_day: Counter[date]


class _Fold:
    """One counter's events, added in order."""

    def __init__(self, recount: Recount | None) -> None:
        self._recount = recount
        self._digest = hashlib.sha256()
        self._left_out: Counter[str] = Counter()
        self._by_day: Counter[date] = Counter()
        self._faults: list[Fault] = []
        self._newer: list[str] = []
        self._count = self._archived = self._fault_count = 0

    def add(
        self,
        key: str,
        outcome: str,
        event_time: datetime,
        quantity: Decimal | None,
        member: str | None,
        payload_hash: str,
        is_archived: bool,
        is_newer: bool | None,
        fault: str | None,
    ) -> None:
        self._archived += is_archived
        if fault is not None:
            self._fault(key, fault)
        if outcome != "counted":
            self._left_out[outcome] += 1
            return
        self._count += 1
        self._by_day[event_time.date()] += 1
        encoded = key.encode()
        self._digest.update(b"%s%d:%s" % (payload_hash.encode(), len(encoded), encoded))
        if is_newer and len(self._newer) < NAMED_AT_MOST:
            self._newer.append(key)
        if self._recount is not None and quantity is not None:
            self._recount.add(event_time, quantity, member)

    def _fault(self, key: str, what: str) -> None:
        self._fault_count += 1
        if len(self._faults) < NAMED_AT_MOST:
            self._faults.append(Fault(key, what))

    def events(self) -> LandedEvents:
        recount = self._recount
        return LandedEvents(
            count=self._count,
            quantity_sum=recount.quantity_sum if recount else Decimal(0),
            value=recount.event_value() if recount else None,
            sha256=self._digest.hexdigest(),
            archived=self._archived,
            left_out=self._left_out,
            faults=self._faults,
            fault_count=self._fault_count,
            newer=self._newer,
            by_day=self._by_day,
        )


def landed_events(
    connection: psycopg.Connection[Any], asked: dict[str, Any], recounts: Sequence[Recount | None]
) -> list[LandedEvents]:
    """Of each line asked about, in order; `recounts` are fresh, None for an undeclared metric. In a transaction."""
    folds = [_Fold(recount) for recount in recounts]
    with connection.cursor(f"landed_{uuid4().hex}") as cursor:
        cursor.itersize = _BATCH
        cursor.execute(rendered("landed_events.sql"), asked)
        for position, *event in cursor:
            folds[position].add(*event)
    return [fold.events() for fold in folds]
