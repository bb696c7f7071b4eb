"""All about one counter, read in one snapshot: its events are streamed, summed up and compared with it."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, localcontext
from typing import Any

import psycopg

from tally.explain.check import Listed, Total, counter_totals, delivery_totals
from tally.explain.counter import CounterRow, Subject, counter_row, definition_of, subject_meant
from tally.explain.events import Event, stream_events
from tally.explain.recount import EXACT, Definition, Recount
from tally.explain.surroundings import (
    Booked,
    Conflict,
    Deliveries,
    Intent,
    Opening,
    adjustments_of,
    conflicts_of,
    deliveries_of,
    intents_of,
    opening_of,
)
from tally.periods import Period

_STATE = """
select
    (
        select count(distinct read_to) = 1
        from tally.model_bounds
        where model in (
            'ledger.int_usage_events_deduplicated', 'ledger.int_usage_events_conflicts',
            'ledger.int_usage_counters', 'marts.usage_deliveries'
        )
    ) as is_one_moment,
    exists (select from tally.detached_days) as has_detached_days
"""
_PERIOD_END = """
select max(period_end)
from ledger.int_usage_events_deduplicated
where tenant_id = %(tenant_id)s and customer_ref = %(customer_ref)s and metric = %(metric)s
    and period_start = %(period_start)s and outcome = 'counted'
    and xid < (select read_to from tally.model_bounds where model = 'ledger.int_usage_counters')
"""


@dataclass
class Explanation:
    """A counter and what stands around it. Iterate over `events()` once, to its end; then ask for `totals()`.

    `opening` is None for what is no gauge. `is_one_moment` is false between two models of a tick.
    """

    subject: Subject
    counter: CounterRow | None
    definition: Definition | None
    deliveries: Deliveries
    conflicts: list[Conflict]
    adjustments: list[Booked]
    intents: list[Intent]
    opening: Opening | None
    is_one_moment: bool
    has_detached_days: bool
    _connection: psycopg.Connection[Any]
    _listed: Listed | None = field(default=None, init=False)

    @property
    def told(self) -> Decimal:
        """What Stripe has been told so far, or may have been."""
        with localcontext(EXACT):
            return sum((intent.told for intent in self.intents), Decimal(0))

    def events(self) -> Iterator[Event]:
        """The events of the counter's period, counted or not, by (event_time, landed_at, seq)."""
        outcomes: Counter[str] = Counter()
        duplicates = 0
        recount = fresh_recount(self._connection, self.subject, self.definition) if self.definition else None
        for event in stream_events(self._connection, self.subject, self.deliveries.duplicates > 0):
            outcomes[event.outcome] += 1
            duplicates += len(event.duplicates)
            if event.outcome == "counted" and recount is not None and event.quantity is not None:
                recount.add(event.event_time, event.quantity, event.member)
            yield event
        with localcontext(EXACT):
            booked = sum((each.adjustment.amount for each in self.adjustments if each.counts_here), Decimal(0))
        self._listed = Listed(recount, outcomes, duplicates, len(self.conflicts), booked)

    def totals(self) -> list[Total]:
        """What the listed events, deliveries and adjustments come to, beside the ledger's numbers.

        Raises:
            RuntimeError: the events have not been read to their end.
        """
        if self._listed is None:
            raise RuntimeError("read the events first: they are what is summed up")
        return counter_totals(self._listed, self.counter) + delivery_totals(
            self._listed, self.deliveries, self.is_one_moment, self.has_detached_days
        )

    @property
    def outcomes(self) -> Counter[str]:
        """How many events became what; after `events()`."""
        return Counter() if self._listed is None else self._listed.outcomes


def fresh_recount(connection: psycopg.Connection[Any], subject: Subject, definition: Definition) -> Recount:
    """A recount of the counter to which nothing was added yet; what a gauge held before is in it. In a transaction."""
    if definition.aggregation != "time_weighted_sum":
        return Recount(definition, subject.period)
    opening = opening_of(connection, subject)
    # A gauge holds to the end of the period as its events were dated; one without readings, to the counter's.
    row = connection.execute(_PERIOD_END, subject.parameters).fetchone()
    end: datetime = (row and row[0]) or subject.period.end
    return Recount(definition, Period(subject.period.start, end), opening.quantity if opening else Decimal(0))


@contextmanager
def explaining(
    connection: psycopg.Connection[Any],
    tenant_id: str,
    customer_ref: str,
    metric: str,
    period: str | None,
    now: datetime,
) -> Iterator[Explanation]:
    """An explanation in a snapshot that lasts as long as the block; `connection` is in autocommit.

    `period` is a month in which exactly one period starts, a moment in it, or None for the one that holds `now`.

    Raises:
        NothingToExplain: the ledger knows no such counter.
        TallyError: `period` is neither a month nor a moment.
    """
    with connection.transaction():
        connection.execute("set transaction isolation level repeatable read, read only")
        subject = subject_meant(connection, tenant_id, customer_ref, metric, period, now)
        definition = definition_of(connection, subject)
        is_gauge = definition is not None and definition.aggregation == "time_weighted_sum"
        state = connection.execute(_STATE).fetchone()
        assert state is not None
        yield Explanation(
            subject,
            counter_row(connection, subject),
            definition,
            deliveries_of(connection, subject),
            conflicts_of(connection, subject),
            adjustments_of(connection, subject),
            intents_of(connection, subject),
            opening_of(connection, subject) if is_gauge else None,
            state[0],
            state[1],
            connection,
        )
