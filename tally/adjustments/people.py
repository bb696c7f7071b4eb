"""Who may decide: a person with a name, and a second one where the tenant demands it."""

from typing import Any

import psycopg

from tally.adjustments.adjustment import LEDGER, Adjustment
from tally.adjustments.errors import AdjustmentRefused, SecondPersonNeeded


def require_person(actor: str) -> None:
    """Who makes or decides something has a name, and it is not the ledger's own.

    Raises:
        AdjustmentRefused: it is empty or "tally".
    """
    if not actor.strip() or _same(actor, LEDGER):
        raise AdjustmentRefused(f"by: {actor!r} is nobody's name; say who decides: --by NAME")


def require_second_person(
    connection: psycopg.Connection[Any], tenant_id: str, adjustment: Adjustment, actor: str
) -> None:
    """What the ledger proposed was made by nobody, so one person is enough for it.

    Raises:
        SecondPersonNeeded: the tenant demands a second person, and `actor` made the adjustment.
    """
    row = connection.execute(
        "select adjustments_need_second_person from tally.tenants where tenant_id = %s", (tenant_id,)
    ).fetchone()
    if row == (True,) and _same(actor, adjustment.created_by):
        raise SecondPersonNeeded(
            f"{adjustment.created_by} made adjustment {adjustment.adjustment_id}: tenant {tenant_id} wants somebody "
            "else to approve it (--by NAME)"
        )


def _same(one: str, other: str) -> bool:
    # Capitals and blanks around a name make nobody else of them.
    return one.strip().casefold() == other.strip().casefold()
