"""Day partitions of raw.usage_events, kept a week ahead by every door in system time."""

import asyncio
from datetime import timedelta
from typing import Final

from ingest.door_clock import DoorClock
from ingest.link import DatabaseLost, Link
from ingest.logs import log

DAYS_BEHIND = 1
DAYS_AHEAD = 7
PAUSE_SECONDS: Final = 3600.0

# A new partition locks its parent: it may wait this long behind a reader, since landings wait behind it meanwhile.
_ENSURE = """
with patience as (select set_config('lock_timeout', '2s', false) as set)
select tally.ensure_partitions($1, $2) as made from patience where patience.set is not null
"""


async def keep_partitions(link: Link, clock: DoorClock) -> None:
    """Make missing partitions every hour, for ever."""
    while True:
        await asyncio.sleep(PAUSE_SECONDS)
        await make_partitions(link, clock)


async def make_partitions(link: Link, clock: DoorClock) -> None:
    """Make the missing partitions from yesterday to a week ahead (UTC). What fails is logged and left to the next call:
    the default partition takes the rows of a day without one."""
    try:
        today = (await clock.now()).date()
        rows = await link.fetch(_ENSURE, today - timedelta(days=DAYS_BEHIND), today + timedelta(days=DAYS_AHEAD))
    except DatabaseLost as lost:
        log.warning("partitions_not_made", cause=lost.cause)
    else:
        log.info("partitions_made", count=rows[0]["made"])
