"""How fast events land, and when the last one did: read from the newest rows alone, however long the history is."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg

# The one index is on the landing transaction. So many of the newest rows are a minute of a busy door; of a flood they
# are less, and the rate is that of this shorter time.
_NEWEST = 50_000
_MINUTE = timedelta(minutes=1)
# A bound of landed_at leaves the planner a few day partitions.
_LOOKED_BACK = timedelta(days=2)
_LANDED = f"""
with newest as materialized (
    select tenant_id, landed_at
    from raw.usage_events
    where landed_at >= %(since)s
    order by xid desc
    limit {_NEWEST}
)

select
    max(landed_at) filter (where tenant_id = %(tenant)s),
    count(*) filter (where tenant_id = %(tenant)s and landed_at > %(minute_ago)s),
    case when count(*) = {_NEWEST} then greatest(min(landed_at), %(minute_ago)s) else %(minute_ago)s end
from newest
"""
# Of who has been quiet: when the newest event of each counter landed.
_COUNTED = "select max(last_landed_at) from ledger.int_usage_counters where tenant_id = %(tenant)s"


@dataclass(frozen=True)
class LandingRate:
    """`events_per_second` over the last minute, repeats included; `last_landed_at`: to the newest counted event."""

    last_landed_at: datetime | None
    events_per_second: float


def landing_rate(connection: psycopg.Connection[Any], tenant_id: str, now: datetime, *, is_built: bool) -> LandingRate:
    """The tenant's, at `now` of the pipeline's clock; `is_built`: whether the ledger's tables are there."""
    asked = {"tenant": tenant_id, "since": now - _LOOKED_BACK, "minute_ago": now - _MINUTE}
    [(last, landed, since)] = connection.execute(_LANDED, asked).fetchall()
    if last is None and is_built:
        [(last,)] = connection.execute(_COUNTED, asked).fetchall()
    seconds = max((now - since).total_seconds(), 1.0)
    return LandingRate(last, landed / seconds)
