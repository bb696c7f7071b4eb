"""What a person decides about a conflict: the first delivery stands, or another one takes its place. Never an edit.

A counter that is still open is recounted without the first event and with the other as an event of its own. A closed
one never changes: what it would have been worth becomes a pending adjustment.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

import psycopg

from tally.adjustments.people import require_person
from tally.clock import Clock
from tally.conflicts.conflict import Delivery, deliveries_of
from tally.conflicts.effect import adjust, first_event, land, reverse
from tally.conflicts.errors import AlreadyDecided, UnclearChoice
from tally.ledger.ledger import ADVISORY_LOCK


@dataclass(frozen=True)
class Decision:
    """What was decided. `needs_recount`: the first event is out, and its counter waits to be recounted without it.

    `adjustment_id` and `amount`: what a closed counter's pending adjustment adds to it.
    """

    idempotency_key: str
    decision: Literal["keep_first", "replace"]
    delivery: int = 1
    replacement_key: str | None = None
    needs_recount: bool = False
    adjustment_id: str | None = None
    amount: Decimal | None = None


def keep_first(
    connection: psycopg.Connection[Any], tenant_id: str, key: str, actor: str, note: str, clock: Clock
) -> Decision:
    """Let the first delivery stand against all that differ and are undecided.

    Raises:
        AdjustmentRefused: `actor` is nobody's name.
        NoConflict: nothing under this key differs.
        AlreadyDecided: another delivery has taken its place before, and nothing new has landed since.
    """
    require_person(actor)
    with connection.transaction():
        deliveries = _locked(connection, tenant_id, key)
        undecided = _undecided(deliveries)
        replaced = _replaced(deliveries)
        if not undecided and replaced is not None:
            raise _already(key, replaced)
        for delivery in undecided:
            _record(connection, tenant_id, key, delivery, None, actor, note, clock.now())
    return Decision(key, "keep_first")


def replace(
    connection: psycopg.Connection[Any],
    tenant_id: str,
    key: str,
    number: int | None,
    actor: str,
    note: str,
    clock: Clock,
) -> Decision:
    """Let delivery `number` (as `deliveries_of` counts) take the first one's place; None where only one differs.

    Its payload lands as a new event under `<key>~replaced-<seq>`. The caller recounts where `needs_recount` says so;
    deciding the same again is allowed and says it again, so that an interrupted recount can be repeated.

    Raises:
        AdjustmentRefused: `actor` is nobody's name.
        NoConflict: nothing under this key differs.
        UnclearChoice: no such delivery, or several differ and none was named.
        AlreadyDecided: somebody decided otherwise.
        LedgerError: the ledger has read the events and their counters to different points.
    """
    require_person(actor)
    with connection.transaction():
        deliveries = _locked(connection, tenant_id, key)
        chosen = _chosen(deliveries, key, number)
        if (earlier := _replaced(deliveries)) is not None:
            if earlier.number != chosen.number:
                raise _already(key, earlier)
            return _as_decided(connection, tenant_id, key, earlier)
        if chosen.decision is not None:
            raise _already(key, chosen)
        decision = _replace(connection, tenant_id, key, chosen, actor, note, clock.now())
        for other in _undecided(deliveries):
            is_chosen = other.number == chosen.number
            replacement_key = decision.replacement_key if is_chosen else None
            _record(connection, tenant_id, key, other, replacement_key, actor, note, clock.now())
    return decision


def _replace(
    connection: psycopg.Connection[Any],
    tenant_id: str,
    key: str,
    chosen: Delivery,
    actor: str,
    note: str,
    now: datetime,
) -> Decision:
    replacement_key = f"{key}~replaced-{chosen.seq}"
    first = first_event(connection, tenant_id, key, replacement_key)
    if first.is_reversed or first.is_replacement_taken:
        what = "the event is reversed" if first.is_reversed else f"an event {replacement_key!r} has landed"
        raise AlreadyDecided(f"{what} already: {key!r} cannot be replaced")
    land(connection, tenant_id, chosen, replacement_key, now)
    if first.is_in_a_closed_counter(now):
        proposed = adjust(connection, tenant_id, key, chosen, first, replacement_key, actor, note, now)
        return Decision(key, "replace", chosen.number, replacement_key, False, *proposed)
    reverse(connection, tenant_id, key, f"conflict: replaced by {replacement_key}; {note}", actor, now)
    return Decision(key, "replace", chosen.number, replacement_key, needs_recount=True)


def _locked(connection: psycopg.Connection[Any], tenant_id: str, key: str) -> list[Delivery]:
    # A tick that is under way is waited for; of two people at once the second one sees what the first decided.
    connection.execute("select pg_advisory_xact_lock_shared(%s)", (ADVISORY_LOCK,))
    connection.execute("lock table tally.conflict_decisions in share row exclusive mode")
    return deliveries_of(connection, tenant_id, key)


def _undecided(deliveries: Sequence[Delivery]) -> list[Delivery]:
    return [delivery for delivery in deliveries[1:] if delivery.decision is None]


def _replaced(deliveries: Sequence[Delivery]) -> Delivery | None:
    return next((delivery for delivery in deliveries if delivery.decision == "replace"), None)


def _chosen(deliveries: Sequence[Delivery], key: str, number: int | None) -> Delivery:
    numbers = ", ".join(str(delivery.number) for delivery in deliveries[1:])
    if number is not None:
        chosen = next((delivery for delivery in deliveries[1:] if delivery.number == number), None)
        if chosen is None:
            raise UnclearChoice(f"delivery: {key!r} has none numbered {number} that differs from the first: {numbers}")
        return chosen
    if (earlier := _replaced(deliveries)) is not None and not _undecided(deliveries):
        return earlier
    candidates = _undecided(deliveries) or deliveries[1:]
    if len({delivery.payload_hash for delivery in candidates}) > 1:
        raise UnclearChoice(f"delivery: several differ from the first one of {key!r}; name one of {numbers}")
    return candidates[0]


def _already(key: str, delivery: Delivery) -> AlreadyDecided:
    decided = "replaces the first one" if delivery.decision == "replace" else "does not count"
    return AlreadyDecided(
        f"{key!r}: {delivery.decided_by} decided at {delivery.decided_at:%Y-%m-%d %H:%M:%SZ} that delivery "
        f"{delivery.number} {decided}; nothing changed. `tally adjustments create` corrects the counter"
    )


def _as_decided(connection: psycopg.Connection[Any], tenant_id: str, key: str, earlier: Delivery) -> Decision:
    adjustment = connection.execute(
        "select adjustment_id::text, amount from tally.adjustments inner join tally.adjustment_events as link"
        " using (tenant_id, adjustment_id)"
        " where tenant_id = %s and link.idempotency_key = %s and reason = 'conflict'",
        (tenant_id, key),
    ).fetchone()
    adjustment_id, amount = adjustment or (None, None)
    return Decision(
        key, "replace", earlier.number, earlier.replacement_key, adjustment is None, adjustment_id, amount
    )  # fmt: skip


def _record(
    connection: psycopg.Connection[Any],
    tenant_id: str,
    key: str,
    delivery: Delivery,
    replacement_key: str | None,
    actor: str,
    note: str,
    now: datetime,
) -> None:
    connection.execute(
        "insert into tally.conflict_decisions"
        " (tenant_id, idempotency_key, xid, seq, decision, replacement_key, note, decided_at, decided_by)"
        " values (%s, %s, %s::text::xid8, %s, %s, %s, %s, %s, %s)",
        (tenant_id, key, delivery.xid, delivery.seq, "replace" if replacement_key else "keep_first", replacement_key,
         note, now, actor),
    )  # fmt: skip
