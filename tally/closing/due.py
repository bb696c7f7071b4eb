"""Whether anything has to be closed: a cheap look, for whoever starts runs."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from tally.closing.statements import statement


@dataclass(frozen=True)
class Due:
    """`ended_at`: the newest end of a period whose invoice is not final; `reason`: None if nothing is to be closed."""

    ended_at: datetime | None
    reason: str | None


def closing_due(connection: psycopg.Connection[Any], now: datetime) -> Due:
    """What there is to close, of any tenant; no counter is worked out."""
    row = connection.execute(statement("due.sql"), {"now": now}).fetchone()
    assert row is not None
    ended_at, is_held, is_under_way, is_moved = row
    if ended_at is not None:
        return Due(ended_at, f"a period ended at {ended_at:%Y-%m-%d %H:%M:%S}Z and its invoice is not final yet")
    if is_held:
        return Due(None, "a draft is held")
    if is_under_way:
        return Due(None, "a rest is under way")
    return Due(None, "closed counters take no more events now" if is_moved else None)
