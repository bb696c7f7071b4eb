"""What a person decides about a rest: approve it, by one way or another, or reject it for good."""

from typing import Any
from uuid import UUID

import psycopg

from tally.adjustments.people import require_person
from tally.clock import Clock
from tally.closing.errors import ClosingRefused
from tally.closing.moved import moved_counters
from tally.closing.rest import WAITING, Kind, Rest, lock_rests, read

_WAYS: dict[bool, tuple[Kind, ...]] = {True: ("invoice_item", "write_off"), False: ("credit_note", "credit_grant")}

# A refused rest is tried anew: with a key of its own, since the payload may be another one.
_APPROVE = """
update tally.closing_rests
set
    state = %(state)s,
    kind = %(kind)s,
    decided_by = %(by)s,
    decided_at = %(now)s,
    decision_note = %(note)s,
    done_at = case when %(state)s = 'done' then %(now)s::timestamptz end,
    done_by = case when %(state)s = 'done' then 'decision' end,
    key_number = key_number + (attempts > 0)::integer,
    key_used_from = null,
    payload = null,
    lease_until = null,
    last_error = null
where rest_id = %(rest_id)s
"""


def approve(
    connection: psycopg.Connection[Any],
    tenant_id: str,
    rest_id: UUID | str,
    by: str,
    clock: Clock,
    *,
    note: str = "",
    kind: Kind | None = None,
) -> Rest:
    """Let the rest be billed, credited or written off; the next run sends it. `kind` names another way than proposed.

    Raises:
        AdjustmentRefused: `by` is nobody's name.
        NoSuchRest: the tenant has none of this id.
        ClosingRefused: it does not wait for a person, its counter moved since, or the way does not fit.
    """
    require_person(by)
    with connection.transaction():
        lock_rests(connection, tenant_id)
        rest = read(connection, tenant_id, rest_id, lock=True)
        _require_waiting(rest)
        if rest.state == "proposed":
            _require_as_counted(connection, tenant_id, rest, clock)
        _require_billed(connection, tenant_id, rest)
        way = _way(rest, kind)
        connection.execute(
            _APPROVE,
            {
                "state": "done" if way == "write_off" else "approved",
                "kind": way,
                "by": by,
                "now": clock.now(),
                "note": note,
                "rest_id": rest.rest_id,
            },
        )
        return read(connection, tenant_id, rest_id)


def reject(
    connection: psycopg.Connection[Any], tenant_id: str, rest_id: UUID | str, by: str, clock: Clock, *, note: str = ""
) -> Rest:
    """Decide that the rest is neither billed nor given back. It is not proposed again.

    Raises:
        AdjustmentRefused: `by` is nobody's name.
        NoSuchRest: the tenant has none of this id.
        ClosingRefused: it does not wait for a person.
    """
    require_person(by)
    with connection.transaction():
        lock_rests(connection, tenant_id)
        rest = read(connection, tenant_id, rest_id, lock=True)
        _require_waiting(rest)
        connection.execute(
            "update tally.closing_rests set state = 'rejected', decided_by = %s, decided_at = %s, decision_note = %s"
            " where rest_id = %s",
            (by, clock.now(), note, rest.rest_id),
        )
        return read(connection, tenant_id, rest_id)


def _require_waiting(rest: Rest) -> None:
    if rest.state not in WAITING:
        by = f" by {rest.decided_by}" if rest.decided_by else ""
        raise ClosingRefused(f"rest {rest.rest_id} is {rest.state}{by}: nothing changed")


def _require_as_counted(connection: psycopg.Connection[Any], tenant_id: str, rest: Rest, clock: Clock) -> None:
    """Nobody approves an amount unseen: the counter is still what the amount was worked out for."""
    ready, _ = moved_counters(connection, tenant_id, rest.account, rest.livemode, clock)
    as_counted = rest.rest_id, rest.to_quantity, rest.basis
    if not any((each.proposed_id, each.target, each.basis) == as_counted for each in ready):
        raise ClosingRefused(
            f"the counter or the invoice of rest {rest.rest_id} has changed since it was proposed: `tally close run`,"
            " then look again"
        )


def _require_billed(connection: psycopg.Connection[Any], tenant_id: str, rest: Rest) -> None:
    """Nothing is given back of what a voided invoice never billed."""
    if rest.amount_minor > 0 or rest.basis == "void":
        return
    voided = connection.execute(
        "select 1 from tally.stripe_totals where tenant_id = %s and account = %s and livemode = %s and invoice_id = %s"
        " and invoice_status = 'void' limit 1",
        (tenant_id, rest.account, rest.livemode, rest.invoice_id),
    ).fetchone()
    if voided is not None:
        raise ClosingRefused(
            f"invoice {rest.invoice_id} was voided since rest {rest.rest_id} was worked out, and bills nothing now:"
            f" `tally close reject {rest.rest_id}`, then `tally close run` works out what is left"
        )


def _way(rest: Rest, kind: Kind | None) -> Kind:
    way = kind or rest.kind
    allowed = _WAYS[rest.amount_minor > 0]
    if way not in allowed:
        raise ClosingRefused(f"as: {way} does not fit an amount of {rest.amount_minor}: {' or '.join(allowed)}")
    if way == "credit_note" and not rest.credited_lines:
        raise ClosingRefused(f"as: invoice {rest.invoice_id} has no lines left that bear {-rest.amount_minor}")
    return way
