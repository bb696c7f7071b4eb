"""Whether periods have to be closed, and when. No Dagster in here."""

from datetime import datetime, timedelta

from dagster_project.lib.landed_rows import Wait
from tally.closing import Due

# While something is open. Stripe's usual grace is an hour and a draft is held when a quarter of it is left.
EVERY = timedelta(minutes=5)
# A replay, or somebody at Stripe, may have moved what was settled: nothing else would say so.
AT_LEAST_EVERY = timedelta(days=1)


def next_close(due: Due, cursor: str | None, last_began: datetime | None, now: datetime) -> str | Wait:
    """The cursor with which to start a run now, which names the newest period's end; or why to wait.

    `cursor` is the one of the run before, `last_began` when that run began (the machine's time, as `now`).
    """
    ended = due.ended_at.isoformat() if due.ended_at else ""
    if last_began is None or ended > (cursor or ""):
        return ended or (cursor or "")
    rest = EVERY if due.reason else AT_LEAST_EVERY
    if now < last_began + rest:
        what = due.reason or "nothing is to be closed"
        return Wait(f"{what}: the next run is due at {last_began + rest:%Y-%m-%d %H:%M:%S}Z")
    return cursor or ""
