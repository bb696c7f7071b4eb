"""A hold as it is stored: a draft that we keep from finalizing; who decided it, why and when, and who let go."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, LiteralString

import psycopg
from psycopg.rows import class_row

HoldState = Literal["holding", "held", "releasing", "released", "missed"]
OPEN: tuple[HoldState, ...] = ("holding", "held", "releasing")

_COLUMNS: LiteralString = (
    "hold_id::text, account, livemode, invoice_id, customer_ref, period_end, finalizes_at, state, held_by, reason,"
    " decided_at, held_at, released_by, release_reason, finalize, released_at, last_error"
)


@dataclass(frozen=True)
class Hold:
    """`finalizes_at` is when Stripe would have made the draft final; `finalize`: its release makes it final at once."""

    hold_id: str
    account: str
    livemode: bool
    invoice_id: str
    customer_ref: str
    period_end: datetime
    finalizes_at: datetime
    state: HoldState
    held_by: str
    reason: str
    decided_at: datetime
    held_at: datetime | None
    released_by: str | None
    release_reason: str | None
    finalize: bool
    released_at: datetime | None
    last_error: str | None


def holds(
    connection: psycopg.Connection[Any], tenant_id: str, *, is_open: bool | None = None, invoice_id: str | None = None
) -> list[Hold]:
    """The tenant's holds, oldest first; open ones, or those that are over, where asked for."""
    query: LiteralString = (
        f"select {_COLUMNS} from tally.invoice_holds where tenant_id = %(tenant_id)s"
        " and (%(is_open)s::boolean is null or (state in ('holding', 'held', 'releasing')) = %(is_open)s)"
        " and (%(invoice_id)s::text is null or invoice_id = %(invoice_id)s)"
        " order by decided_at, invoice_id"
    )
    parameters = {"tenant_id": tenant_id, "is_open": is_open, "invoice_id": invoice_id}
    with connection.cursor(row_factory=class_row(Hold)) as cursor:
        return cursor.execute(query, parameters).fetchall()


def decide_hold(
    connection: psycopg.Connection[Any], tenant_id: str, values: dict[str, Any], *, only_first: bool
) -> bool:
    """Write the decision, before Stripe is told. False: the invoice is held already, or (`only_first`) once was.

    `values`: account, livemode, invoice_id, customer_ref, period_end, finalizes_at, held_by, reason, now.
    """
    row = connection.execute(
        """
        insert into tally.invoice_holds (
            tenant_id, account, livemode, invoice_id, customer_ref, period_end, finalizes_at, held_by, reason,
            decided_at
        )
        select
            %(tenant_id)s, %(account)s, %(livemode)s, %(invoice_id)s, %(customer_ref)s, %(period_end)s,
            %(finalizes_at)s, %(held_by)s, %(reason)s, %(now)s
        where not %(only_first)s or not exists (
            select from tally.invoice_holds
            where
                tenant_id = %(tenant_id)s
                and account = %(account)s
                and livemode = %(livemode)s
                and invoice_id = %(invoice_id)s
        )
        on conflict (tenant_id, account, livemode, invoice_id) where state in ('holding', 'held', 'releasing')
        do nothing
        returning hold_id
        """,
        {"tenant_id": tenant_id, "only_first": only_first, **values},
    ).fetchone()
    return row is not None


def decide_release(
    connection: psycopg.Connection[Any], hold: Hold, by: str, reason: str, *, finalize: bool = False
) -> bool:
    """Write that the hold ends, before Stripe is told. False: it is over, or ending, already."""
    return (
        connection.execute(
            "update tally.invoice_holds set state = 'releasing', released_by = %s, release_reason = %s, finalize = %s"
            " where hold_id = %s and state in ('holding', 'held')",
            (by, reason, finalize, hold.hold_id),
        ).rowcount
        == 1
    )


def note(
    connection: psycopg.Connection[Any], hold: Hold, state: HoldState, now: datetime, *, error: str | None = None
) -> None:
    """Write what Stripe said: the hold took, was let go, or came too late."""
    connection.execute(
        """
        update tally.invoice_holds set
            state = %(state)s,
            held_at = case when %(state)s = 'held' then %(now)s else held_at end,
            released_at = case when %(state)s = 'released' then %(now)s else released_at end,
            released_by = case
                when %(state)s = 'released' then coalesce(released_by, 'somebody at Stripe') else released_by
            end,
            last_error = %(error)s
        where hold_id = %(hold_id)s and state = %(was)s
        """,
        {"state": state, "now": now, "error": error, "hold_id": hold.hold_id, "was": hold.state},
    )
