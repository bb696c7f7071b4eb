"""Between a counter as it was billed at a moment and as it is known now: how much, and what for."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, localcontext
from typing import Any, Literal

import psycopg

from tally.history.billed import Billed, billed_at, mapped_metrics
from tally.history.counters import CounterKey, KnownCounter, Selection, known_at, known_now
from tally.history.since import (
    AdjustmentSince,
    EventsSince,
    ReplaySince,
    adjustments_since,
    events_since,
    replays_since,
)

Cause = Literal["unmapped", "unsent", "not_invoiced", "events", "late_events", "replay", "adjustment", "negative"]
_ZERO = Decimal(0)
_TELLING = ("unmapped", "late_events", "replay")


@dataclass(frozen=True)
class Reason:
    """A part of a difference, in the meter's unit; `adjustment_id` names the adjustment of cause `adjustment`.

    The causes `unmapped`, `late_events` and `replay` only tell: their amount is 0. Past moments are judged by today's
    meters and periods, so what a replay moved is part of `unsent` or `events`.
    """

    cause: Cause
    amount: Decimal
    detail: str
    adjustment_id: str | None = None


@dataclass(frozen=True)
class Difference:
    """`difference` = `known` - `billed` = the sum of the reasons' amounts.

    `billed` is None for a metric that is mapped to nothing in Stripe: it is not billed, which is not 0; there the
    difference is None as well. `account` and `livemode` are None where nothing was sent to any.
    """

    customer_ref: str
    metric: str
    period_start: datetime
    period_end: datetime
    account: str | None
    livemode: bool | None
    source: Literal["invoice", "told", "nothing"]
    billed: Decimal | None
    known: Decimal
    difference: Decimal | None
    reasons: Sequence[Reason]


@dataclass(frozen=True)
class _Change:
    """A counter then and now, and what came to it in between."""

    then: KnownCounter | None
    now: KnownCounter | None
    events: EventsSince | None
    adjustments: Sequence[AdjustmentSince]
    replays: Sequence[ReplaySince]

    @property
    def known(self) -> Decimal:
        return self.now.value if self.now else _ZERO


def differences(
    connection: psycopg.Connection[Any], tenant_id: str, at: datetime, selection: Selection = Selection()
) -> list[Difference]:
    """The counters that are known otherwise now than they were billed by at `at`, in one snapshot.

    `connection` is in autocommit. A counter of a metric that is not billed is listed while it is not 0.
    """
    with connection.transaction():
        connection.execute("set transaction isolation level repeatable read, read only")
        now = {counter.key: counter for counter in known_now(connection, tenant_id, selection)}
        then = {counter.key: counter for counter in known_at(connection, tenant_id, at, selection)}
        events = events_since(connection, tenant_id, at, selection)
        adjustments = adjustments_since(connection, tenant_id, at)
        replays = replays_since(connection, tenant_id, at)
        mapped = mapped_metrics(connection, tenant_id)
        billed: dict[CounterKey, list[Billed]] = defaultdict(list)
        for row in billed_at(connection, tenant_id, at, selection):
            billed[row.key].append(row)
    found = []
    # Sums have as many digits as they need.
    with localcontext(prec=1000):
        for key in sorted({*now, *then, *events, *billed}):
            change = _Change(
                then.get(key), now.get(key), events.get(key), adjustments.get(key, []), replays.get(key, [])
            )
            if rows := billed.get(key):
                found += [_compared(change, row) for row in rows]
            elif key in now or key in then:
                found.append(_unbilled(change, mapped.get(key[1])))
    return [each for each in found if each.difference or (each.billed is None and each.known)]


def _compared(change: _Change, billed: Billed) -> Difference:
    reasons = [
        Reason(
            "unsent" if billed.source == "told" else "not_invoiced",
            _value(change.then) - billed.quantity,
            "known by then, not confirmed by Stripe" if billed.source == "told"
            else f"known by then, not on invoice {billed.invoice_id}",
        ),
        *_since(change),
    ]  # fmt: skip
    known = change.known
    if billed.source == "invoice" and known < 0:
        reasons.append(Reason("negative", -known, "Stripe bills a negative total as 0"))
        known = _ZERO
    return Difference(
        billed.customer_ref, billed.metric, billed.period_start, billed.period_end, billed.account, billed.livemode,
        billed.source, billed.quantity, known, known - billed.quantity, _told(reasons),
    )  # fmt: skip


def _unbilled(change: _Change, account: str | None) -> Difference:
    counter = change.now or change.then
    assert counter is not None
    if account is None:
        reasons = [Reason("unmapped", _ZERO, "no active price mapping sends this metric to Stripe"), *_since(change)]
    else:
        reasons = [Reason("unsent", _value(change.then), "known by then, not confirmed by Stripe"), *_since(change)]
    return Difference(
        counter.customer_ref, counter.metric, counter.period_start, counter.period_end, account, None, "nothing",
        None if account is None else _ZERO, change.known, None if account is None else change.known, _told(reasons),
    )  # fmt: skip


def _since(change: _Change) -> list[Reason]:
    """What moved the counter since; the amounts add up to how far it moved."""
    moved = (change.now.event_value if change.now else _ZERO) - (change.then.event_value if change.then else _ZERO)
    events = change.events
    reasons = []
    if moved:
        reasons.append(Reason("events", moved, _what_moved(events)))
    if events and events.late:
        reasons.append(Reason("late_events", _ZERO, f"{events.late} landed too late: see `tally adjustments list`"))
    reasons += [Reason("replay", _ZERO, _replayed(each)) for each in change.replays]
    return reasons + [
        Reason("adjustment", each.amount, f"{each.reason}, decided by {each.decided_by}", each.adjustment_id)
        for each in change.adjustments
    ]


def _replayed(replay: ReplaySince) -> str:
    before, after = ("none" if each is None else f"{each:f}" for each in (replay.value_before, replay.value_after))
    return f"{replay.replay_id} by {replay.applied_by} on {replay.applied_at:%Y-%m-%d %H:%M:%SZ}: {before} -> {after}"


def _what_moved(events: EventsSince | None) -> str:
    parts = []
    if events and events.landed:
        parts.append(f"{events.landed} landed since")
    if events and events.reversed:
        parts.append(f"{events.reversed} taken out since")
    return ", ".join(parts) or "what the gauge held before has changed, or the period has begun since"


def _told(reasons: Iterable[Reason]) -> list[Reason]:
    return [reason for reason in reasons if reason.amount or reason.cause in _TELLING]


def _value(counter: KnownCounter | None) -> Decimal:
    return counter.value if counter else _ZERO
