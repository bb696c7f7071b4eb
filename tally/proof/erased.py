"""Whether the customer of a line was erased: then names are gone, and what was hashed with them is as it was kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg

from tally.proof.billed_line import BilledLine


@dataclass(frozen=True)
class ErasedCustomer:
    """When and by whom. Of events that landed before, payload hashes can only be read, not worked out again."""

    erased_at: datetime
    erased_by: str
    reason: str


def erased_customers(connection: psycopg.Connection[Any], lines: Sequence[BilledLine]) -> dict[str, ErasedCustomer]:
    """Those among the lines' customers, of one tenant, by their pseudonym."""
    rows = connection.execute(
        "select pseudonym, erased_at, erased_by, reason from tally.erasures"
        " where tenant_id = %s and pseudonym = any(%s)",
        (lines[0].tenant_id, [line.customer_ref for line in lines]),
    )
    return {pseudonym: ErasedCustomer(at.astimezone(UTC), by, reason) for pseudonym, at, by, reason in rows}
