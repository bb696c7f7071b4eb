"""Proving lines: every link is read in one snapshot, worked out again, and compared; nothing is taken on trust."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any, Literal

import psycopg
from psycopg.rows import dict_row

from tally.explain import CounterRow, Definition, Recount, fresh_recount
from tally.proof.asked import asked_about, read_by_position
from tally.proof.billed_line import BilledLine
from tally.proof.chain import BookedAmount, Chain, Together, Version
from tally.proof.check import Check
from tally.proof.claims import claims_of
from tally.proof.erased import ErasedCustomer, erased_customers
from tally.proof.intents import SentIntent
from tally.proof.landed import LandedEvents, landed_events
from tally.proof.other_deliveries import OtherDeliveries, other_deliveries
from tally.proof.priced import priced
from tally.proof.prices import PriceKey, Terms, mirrored_prices
from tally.proof.recorded import RecordedProof, recorded_proofs

_VERSION = """
select
    coalesce(max(read_to) filter (where model = 'ledger.int_usage_counters')::text, '0') as read_to,
    coalesce(max(system_identifier) filter (where model = 'ledger.int_usage_counters'), '') as cluster,
    max(updated_at) filter (where model = 'ledger.int_usage_counters') as counted_at,
    count(distinct read_to) = 1 as is_one_moment,
    exists (select from tally.detached_days) as has_detached_days
from tally.model_bounds
where model in (
    'ledger.int_usage_events_deduplicated', 'ledger.int_usage_events_conflicts',
    'ledger.int_usage_counters', 'marts.usage_deliveries'
)
"""
_DEFINITIONS = """
select metric, aggregation, unit, property, percentile, time_unit, divide_by, filter, dimensions, lateness_window
from tally.meters
where tenant_id = %s
"""


@dataclass(frozen=True)
class Proof:
    """A line's chain, and what was checked on it."""

    chain: Chain

    @cached_property
    def checks(self) -> tuple[Check, ...]:
        return claims_of(self.chain)

    @property
    def differences(self) -> list[str]:
        """What is wrong or not known, each in a sentence with its name; empty: the line is proven."""
        return [sentence for each in self.checks for sentence in each.sentences]

    @property
    def faults(self) -> list[str]:
        """Those of the line itself: what an earlier proof says is left out."""
        return [sentence for each in self.checks if each.step != "record" for sentence in each.sentences]

    @property
    def verdict(self) -> Literal["proven", "differs", "incomplete"]:
        """`incomplete`: nothing differs, but something is not known."""
        verdicts = {each.verdict for each in self.checks}
        return "differs" if "differs" in verdicts else "incomplete" if "unknown" in verdicts else "proven"


@dataclass(frozen=True)
class _Read:
    """What one snapshot gave for all lines, by position."""

    version: Version
    definitions: dict[str, Definition]
    counters: dict[int, list[CounterRow]]
    together: dict[int, list[Together]]
    events: list[LandedEvents]
    others: list[OtherDeliveries]
    adjustments: dict[int, list[BookedAmount]]
    intents: dict[int, list[SentIntent]]
    prices: dict[PriceKey, Terms]
    proofs: list[list[RecordedProof]]
    erased: dict[str, ErasedCustomer]


def prove(connection: psycopg.Connection[Any], lines: Sequence[BilledLine], now: datetime) -> list[Proof]:
    """Prove lines of one tenant, in order. `connection` is in autocommit; the cost is one pass over their events.

    Everything comes from one snapshot of the database: Stripe's side as it was last read.
    """
    if not lines:
        return []
    with connection.transaction():
        connection.execute("set transaction isolation level repeatable read, read only")
        # What landed lately is beyond the planner's statistics: whole sets are hashed, in memory, as the ledger does.
        connection.execute("set local work_mem = '64MB'")
        connection.execute("set local cursor_tuple_fraction = 1")
        connection.execute("set local enable_nestloop = off")
        connection.execute("set local enable_mergejoin = off")
        read = _read(connection, lines)
    return [_proof(line, position, read, now) for position, line in enumerate(lines)]


def _read(connection: psycopg.Connection[Any], lines: Sequence[BilledLine]) -> _Read:
    with connection.cursor(row_factory=dict_row) as cursor:
        version = Version(**(cursor.execute(_VERSION).fetchone() or {}))
        rows = cursor.execute(_DEFINITIONS, (lines[0].tenant_id,)).fetchall()
    definitions = {row.pop("metric"): Definition(**row) for row in rows}
    proofs = recorded_proofs(connection, lines)
    asked = asked_about(lines, [_known_to(each, version) for each in proofs])
    return _Read(
        version,
        definitions,
        read_by_position(connection, CounterRow, "counters.sql", asked),
        read_by_position(connection, Together, "billed_together.sql", asked),
        landed_events(connection, asked, [_recount(connection, line, definitions) for line in lines]),
        other_deliveries(connection, asked, lines),
        read_by_position(connection, BookedAmount, "adjustments.sql", asked),
        read_by_position(connection, SentIntent, "intents.sql", asked),
        mirrored_prices(connection, lines),
        proofs,
        erased_customers(connection, lines),
    )


def _recount(
    connection: psycopg.Connection[Any], line: BilledLine, definitions: dict[str, Definition]
) -> Recount | None:
    definition = definitions.get(line.metric)
    return fresh_recount(connection, line.subject, definition) if definition else None


def _known_to(proofs: Sequence[RecordedProof], version: Version) -> str | None:
    """Transaction ids mean nothing on another cluster."""
    held = [each for each in proofs if each.holds and each.counter_cluster == version.cluster]
    return held[-1].counter_read_to if held else None


def _proof(line: BilledLine, position: int, read: _Read, now: datetime) -> Proof:
    together = next(iter(read.together.get(position, [])), Together(0, Decimal(0)))
    return Proof(
        Chain(
            line=line,
            read_at=now,
            version=read.version,
            definition=read.definitions.get(line.metric),
            counter=next(iter(read.counters.get(position, [])), None),
            together=together,
            events=read.events[position],
            others=read.others[position],
            adjustments=read.adjustments.get(position, []),
            intents=[
                each
                for each in read.intents.get(position, [])
                if (each.account, each.livemode) == (line.account, line.livemode)
            ],
            price=priced(line, max(together.value, Decimal(0)), read.prices),
            proofs=read.proofs[position],
            erased=read.erased.get(line.customer_ref),
        )
    )
