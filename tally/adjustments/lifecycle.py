"""The life of an adjustment: pending, approved, reverted; or rejected.

Every step is one transaction with the adjustment's row locked, so of two people at once one wins and the other is told.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import psycopg

from tally.adjustments.adjustment import Adjustment, read
from tally.adjustments.booking import book_into, revert_into
from tally.adjustments.errors import AmountChanged, WrongState
from tally.adjustments.late import late_amounts, lock_adjustments, settle
from tally.adjustments.people import require_person, require_second_person
from tally.clock import Clock
from tally.errors import LedgerError
from tally.ledger.ledger import ADVISORY_LOCK
from tally.periods import Period


@dataclass(frozen=True)
class Booking:
    """What a step booked, and what the counter of [booked_start, booked_end) was worth before and after it."""

    adjustment: Adjustment
    before: Decimal
    after: Decimal


def approve(
    connection: psycopg.Connection[Any], tenant_id: str, adjustment_id: UUID | str, actor: str, clock: Clock
) -> Booking:
    """Book a pending adjustment into the counter of the period that the tenant's policy names.

    Raises:
        AdjustmentRefused: `actor` is nobody's name.
        NoSuchAdjustment: the tenant has none of this id.
        WrongState: it is not pending.
        SecondPersonNeeded: the tenant demands a second person, and `actor` made it.
        AmountChanged: the late events are worth something else by now; look again.
        NotBookable: no period of the policy can be billed.
    """
    changed = None
    with connection.transaction():
        adjustment = _locked(connection, tenant_id, adjustment_id, actor)
        _require(adjustment, "pending")
        require_second_person(connection, tenant_id, adjustment, actor)
        now = clock.now()
        if adjustment.reason == "late_events":
            changed = _changed_amount(connection, tenant_id, adjustment, now)
        if changed is None:
            period = book_into(connection, tenant_id, adjustment, now)
            before = counter_value(connection, tenant_id, adjustment, period)
            _decide(connection, adjustment, "approved", actor, now, period)
            after = counter_value(connection, tenant_id, adjustment, period)
            return Booking(read(connection, tenant_id, adjustment_id), before, after)
    raise AmountChanged(
        f"what the late events of adjustment {adjustment_id} amount to has changed from {adjustment.amount} to "
        f"{changed}: it was not approved; look again: `tally adjustments show {adjustment_id}`"
    )


def reject(
    connection: psycopg.Connection[Any], tenant_id: str, adjustment_id: UUID | str, actor: str, clock: Clock
) -> Adjustment:
    """Decide that a pending adjustment is never booked.

    Raises:
        AdjustmentRefused: `actor` is nobody's name.
        NoSuchAdjustment: the tenant has none of this id.
        WrongState: it is not pending.
    """
    with connection.transaction():
        adjustment = _locked(connection, tenant_id, adjustment_id, actor)
        _require(adjustment, "pending")
        _decide(connection, adjustment, "rejected", actor, clock.now())
        return read(connection, tenant_id, adjustment_id)


def revert(
    connection: psycopg.Connection[Any],
    tenant_id: str,
    adjustment_id: UUID | str,
    actor: str,
    clock: Clock,
    note: str = "",
) -> Booking:
    """Take an approved adjustment back with one of exactly the opposite amount, which is returned.

    It is booked where the first one was while that period is open, else by the tenant's policy. Both stay booked, so
    they add up to zero over the two counters, and a closed counter never changes. Needs no second person: it restores
    what was there before two people decided.

    Raises:
        AdjustmentRefused: `actor` is nobody's name.
        NoSuchAdjustment: the tenant has none of this id.
        WrongState: it is not approved, is a revert itself, or amounts to nothing.
        NotBookable: no period can be billed.
    """
    with connection.transaction():
        adjustment = _locked(connection, tenant_id, adjustment_id, actor)
        _require(adjustment, "approved")
        if adjustment.reason == "revert":
            raise WrongState(f"adjustment {adjustment_id} is a revert: to undo it, create the adjustment again")
        if not adjustment.amount:
            raise WrongState(f"adjustment {adjustment_id} amounts to 0: there is nothing to revert")
        now = clock.now()
        period = revert_into(connection, tenant_id, adjustment, now)
        before = counter_value(connection, tenant_id, adjustment, period)
        reverting = _book_revert(connection, tenant_id, adjustment, period, actor, now, note)
        after = counter_value(connection, tenant_id, adjustment, period)
        if adjustment.reason == "late_events":
            # Where values do not add up (max: 15 was billed, now 12 is the highest left) other late events count again.
            settle(connection, tenant_id, [_counter(adjustment)], now)
        return Booking(read(connection, tenant_id, reverting), before, after)


def counter_value(
    connection: psycopg.Connection[Any], tenant_id: str, adjustment: Adjustment, period: Period
) -> Decimal:
    """What the counter of the adjustment's customer and metric over `period` is worth: what Stripe will be told."""
    row = connection.execute(
        "select value from marts.usage_counters"
        " where tenant_id = %s and customer_ref = %s and metric = %s and period_start = %s",
        (tenant_id, adjustment.customer_ref, adjustment.metric, period.start),
    ).fetchone()
    return Decimal(0) if row is None else row[0]


def _locked(connection: psycopg.Connection[Any], tenant_id: str, adjustment_id: UUID | str, actor: str) -> Adjustment:
    require_person(actor)
    # A tick that is under way is waited for: between two of its models the counters and the late events do not fit.
    connection.execute("select pg_advisory_xact_lock_shared(%s)", (ADVISORY_LOCK,))
    lock_adjustments(connection, tenant_id)
    return read(connection, tenant_id, adjustment_id, lock=True)


def _require(adjustment: Adjustment, state: str) -> None:
    if adjustment.state != state:
        by = (
            f" by {adjustment.decided_by} at {adjustment.decided_at:%Y-%m-%d %H:%M:%SZ}"
            if adjustment.decided_at
            else ""
        )
        hint = "; reject it instead" if (adjustment.state, state) == ("pending", "approved") else ""
        raise WrongState(
            f"adjustment {adjustment.adjustment_id} is {adjustment.state}{by}, not {state}: nothing changed{hint}"
        )


def _changed_amount(
    connection: psycopg.Connection[Any], tenant_id: str, adjustment: Adjustment, now: datetime
) -> Decimal | None:
    """The new amount where the stored one is out of date, after writing it; else None."""
    counter = _counter(adjustment)
    found = late_amounts(connection, tenant_id, [counter])[0]
    if not found.is_one_moment:
        raise LedgerError("the ledger's models have not read equally far: run `tally tick` until none of them fails")
    if found.amount == adjustment.amount:
        return None
    settle(connection, tenant_id, [counter], now)
    return found.amount


def _counter(adjustment: Adjustment) -> tuple[str, str, datetime]:
    return adjustment.customer_ref, adjustment.metric, adjustment.period_start


def _decide(
    connection: psycopg.Connection[Any],
    adjustment: Adjustment,
    state: str,
    actor: str,
    now: datetime,
    booked: Period | None = None,
) -> None:
    connection.execute(
        "update tally.adjustments set state = %s, decided_by = %s, decided_at = %s, booked_start = %s, booked_end = %s"
        " where adjustment_id = %s",
        (state, actor, now, booked and booked.start, booked and booked.end, adjustment.adjustment_id),
    )


def _book_revert(
    connection: psycopg.Connection[Any],
    tenant_id: str,
    adjustment: Adjustment,
    booked: Period,
    actor: str,
    now: datetime,
    note: str,
) -> str:
    reverting = str(uuid4())
    # Who approved it, and when, stays on the first one; who took it back stands on the second.
    connection.execute(
        "update tally.adjustments set state = 'reverted' where adjustment_id = %s", (adjustment.adjustment_id,)
    )
    connection.execute(
        """
        insert into tally.adjustments (
            adjustment_id, tenant_id, customer_ref, metric, period_start, period_end, amount, reason, note, state,
            created_at, created_by, decided_at, decided_by, booked_start, booked_end, reverts
        ) values (%s, %s, %s, %s, %s, %s, %s, 'revert', %s, 'approved', %s, %s, %s, %s, %s, %s, %s)
        """,
        (
            reverting, tenant_id, adjustment.customer_ref, adjustment.metric, adjustment.period_start,
            adjustment.period_end, adjustment.amount.copy_negate(), note, now, actor, now, actor,
            booked.start, booked.end, adjustment.adjustment_id,
        ),
    )  # fmt: skip
    connection.execute(
        "insert into tally.adjustment_events (tenant_id, idempotency_key, adjustment_id)"
        " select tenant_id, idempotency_key, %s from tally.adjustment_events where adjustment_id = %s",
        (reverting, adjustment.adjustment_id),
    )
    return reverting
