"""What Dagster's own record says is wrong: runs that failed or never ended, and checks that failed last."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg

from dagster_project.lib.unfinished_runs import TAKEN_FOR_DEAD_AFTER, UNFINISHED
from tally.finding import Finding

# What is older is history, and a job with more partitions than this is looked at in its newest runs.
LOOK_BACK = timedelta(days=7)
RUNS_PER_JOB = 20
MOST_LOST = 20
_PARTITION = "dagster/partition"
_EVALUATED = dg.DagsterEventType.ASSET_CHECK_EVALUATION


def run_subject(run: dg.DagsterRun) -> str:
    """What a failed run's alert is about: the job and, where it has them, the partition."""
    partition = run.tags.get(_PARTITION)
    return f"{run.job_name} {partition}" if partition else run.job_name


def failed_run(run: dg.DagsterRun, message: str | None = None) -> Finding:
    """The run failed; `message` is Dagster's."""
    why = f": {message.strip().partition(chr(10))[0]}" if message else ""
    sentence = f"run {run.run_id} of job {run.job_name} failed{why}"
    return Finding("run_failed", run_subject(run), sentence, is_global=True)


def run_findings(instance: dg.DagsterInstance, jobs: Iterable[str], now: datetime) -> Iterator[Finding]:
    """Of each job and partition the newest run that ended, if it failed; and runs that should have ended long ago.

    A few rows a job, whatever the history.
    """
    ended = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
    for job in jobs:
        wanted = dg.RunsFilter(job_name=job, statuses=ended, created_after=now - LOOK_BACK)
        newest: dict[str, dg.DagsterRun] = {}
        for record in instance.get_run_records(wanted, limit=RUNS_PER_JOB):
            newest.setdefault(run_subject(record.dagster_run), record.dagster_run)
        yield from (failed_run(run) for run in newest.values() if run.status == dg.DagsterRunStatus.FAILURE)
    since = dg.RunsFilter(statuses=UNFINISHED, created_after=now - LOOK_BACK, created_before=now - TAKEN_FOR_DEAD_AFTER)
    for record in instance.get_run_records(since, limit=MOST_LOST):
        run, began = record.dagster_run, record.create_timestamp.astimezone(UTC)
        sentence = (
            f"run {run.run_id} of job {run.job_name} began at {began:%Y-%m-%d %H:%M:%S}Z and has not ended: end it in"
            " the Dagster UI if its process is gone"
        )
        yield Finding("run_lost", run_subject(run), sentence, is_global=True)


def check_findings(instance: dg.DagsterInstance, keys: Iterable[dg.AssetCheckKey]) -> Iterator[Finding]:
    """Checks whose last evaluation failed; one query for all of them."""
    latest = instance.event_log_storage.get_latest_asset_check_execution_by_key(list(keys))
    for key, record in sorted(latest.items(), key=lambda item: item[0].to_user_string()):
        event = record.event.dagster_event if record.event else None
        evaluation = event.asset_check_evaluation_data if event and event.event_type == _EVALUATED else None
        if evaluation is not None and not evaluation.passed:
            name = key.to_user_string()
            at = datetime.fromtimestamp(record.create_timestamp, UTC)
            sentence = f"check {name} failed at {at:%Y-%m-%d %H:%M:%S}Z{_said(evaluation.description)}"
            yield Finding("check_failed", name, sentence, is_global=True)


def _said(description: str | None) -> str:
    return f": {description}" if description else ": its page in Dagster has the numbers"
