"""Whether a run of a job is under way."""

from datetime import UTC, datetime, timedelta

import dagster as dg

# These runs take seconds, or minutes when Stripe is slow. One that has not ended after this long died with its machine
# and holds no other back.
TAKEN_FOR_DEAD_AFTER = timedelta(minutes=15)

UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def unfinished_run(instance: dg.DagsterInstance, *jobs: str) -> str | None:
    """The id of a run of one of these jobs that has not ended."""
    since = datetime.now(UTC) - TAKEN_FOR_DEAD_AFTER
    for job in jobs:
        wanted = dg.RunsFilter(job_name=job, statuses=UNFINISHED, created_after=since)
        if unfinished := instance.get_run_records(wanted, limit=1):
            return unfinished[0].dagster_run.run_id
    return None
