"""Dagster's runs, read from its tables: importing Dagster costs seconds, and there are two questions."""

from contextlib import suppress
from datetime import datetime

import psutil  # type: ignore[import-untyped]
import psycopg

from tally.errors import DatabaseUnavailable
from tests.chaos.stage import Stage

_SUCCEEDED = """
select exists (
    select from dagster.runs
    where pipeline_name = %s and status = 'SUCCESS' and start_time > extract(epoch from %s::timestamptz)
)
"""
# A run says so itself, in words, when its process has started.
_PROCESSES = r"""
select substring(event.event from 'Started process for run \(pid: (\d+)\)')::integer
from dagster.runs as run
inner join dagster.event_logs as event using (run_id)
where run.pipeline_name = %s and run.status = 'STARTED' and event.event ~ 'Started process for run'
"""


def has_succeeded(stage: Stage, job: str, since: datetime) -> bool:
    """Whether a run of the job that began after that moment has ended well."""
    with suppress(psycopg.Error, DatabaseUnavailable), stage.connect() as connection:
        return connection.execute(_SUCCEEDED, (job, since)).fetchone() == (True,)
    return False


def processes(stage: Stage, job: str) -> list[psutil.Process]:
    """The processes of the job's runs that are under way."""
    with stage.connect() as connection:
        pids = [pid for (pid,) in connection.execute(_PROCESSES, (job,)) if pid is not None]
    return [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
