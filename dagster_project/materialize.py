"""Runs a job in this process, recorded on Dagster's instance as any run: seen in the UI, with its checks and metadata.

For the demo, the tests and a shell: `python -m dagster_project.materialize reconcile --month 2013-01`. Needs the
environment that `tally.dagster_home.prepare` gives. Loading costs seconds once; a tick after that about half a one.
"""

import argparse
import gc
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import TracebackType
from typing import Any, Self

import dagster as dg

from dagster_project.definitions import defs

# Milliseconds a statement may take, seconds after which a connection is renewed, connections beyond the kept one.
_KEPT_CONNECTION = {"statement_timeout": 60_000, "pool_recycle": 3_600, "max_overflow": 10}


@dataclass(frozen=True)
class CheckOutcome:
    """One asset check's verdict in a run. `asset` is like "marts.reconciliation_lines"."""

    asset: str
    name: str
    month: str | None
    passed: bool
    is_error: bool
    metadata: Mapping[str, Any]


@dataclass(frozen=True)
class JobResult:
    """A finished run. `materialized` maps assets to the metadata they were recorded with; `errors` are for people."""

    job: str
    month: str | None
    run_id: str
    success: bool
    seconds: float
    materialized: Mapping[str, Mapping[str, Any]]
    checks: tuple[CheckOutcome, ...]
    errors: tuple[str, ...]

    @property
    def failed_checks(self) -> tuple[CheckOutcome, ...]:
        """The checks that say something is wrong; those that only warn are not among them."""
        return tuple(check for check in self.checks if not check.passed and check.is_error)

    @property
    def is_green(self) -> bool:
        """Whether the run succeeded and no check says that something is wrong."""
        return self.success and not self.failed_checks


class Materializer:
    """Loads the definitions once and runs jobs one after the other, until the `with` block ends."""

    def __init__(self, instance: dg.DagsterInstance | None = None) -> None:
        """`instance`: where runs are recorded; by default the one of DAGSTER_HOME."""
        self._definitions = _definitions()
        gc.freeze()  # they stay: a collection that walks them again, and the dbt manifest, costs as much as half a tick
        self._instance = instance or dg.DagsterInstance.get()
        # Dagster's Postgres storage opens a connection per query; a process that does many runs keeps one, as the
        # webserver does. A tick's run records about 40 events, and each connection costs two password hashes.
        self._instance.optimize_for_webserver(**_KEPT_CONNECTION)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._instance.dispose()

    def run(self, job: str, month: str | None = None) -> JobResult:
        """Run `job` to its end; `month` ("2013-01") is the partition of a job that has them.

        A failed step or check is in the result, not raised.
        """
        started = time.perf_counter()
        result = self._definitions.resolve_job_def(job).execute_in_process(
            instance=self._instance,
            partition_key=month,
            raise_on_error=False,
            # The events are in the instance and in the result; the caller's terminal is the caller's.
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
        return JobResult(
            job=job,
            month=month,
            run_id=result.run_id,
            success=result.success,
            seconds=time.perf_counter() - started,
            materialized=_materialized(result),
            checks=tuple(_outcome(evaluation) for evaluation in result.get_asset_check_evaluations()),
            errors=tuple(_errors(result)),
        )


@cache
def _definitions() -> dg.Definitions:
    return defs()


def _materialized(result: dg.ExecuteInProcessResult) -> dict[str, dict[str, Any]]:
    recorded = {}
    for event in result.all_events:
        if event.event_type == dg.DagsterEventType.ASSET_MATERIALIZATION:
            materialization = event.step_materialization_data.materialization
            recorded[".".join(materialization.asset_key.path)] = _plain(materialization.metadata)
    return recorded


def _outcome(evaluation: dg.AssetCheckEvaluation) -> CheckOutcome:
    return CheckOutcome(
        asset=".".join(evaluation.asset_key.path),
        name=evaluation.check_name,
        month=evaluation.partition,
        passed=evaluation.passed,
        is_error=evaluation.severity == dg.AssetCheckSeverity.ERROR,
        metadata=_plain(evaluation.metadata),
    )


def _plain(metadata: Mapping[str, dg.MetadataValue]) -> dict[str, Any]:
    return {name: value.value for name, value in metadata.items()}


def _errors(result: dg.ExecuteInProcessResult) -> list[str]:
    failures = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    return [
        (failure.user_failure_data.description if failure.user_failure_data else None)
        or (failure.error.cause or failure.error).message.strip()
        for failure in failures
        if failure.error is not None
    ]


def main() -> int:
    """The command line: one line per asset and check, exit code 1 unless everything is green."""
    parser = argparse.ArgumentParser(prog="python -m dagster_project.materialize", description=__doc__)
    jobs = ["sync", "tick", "push", "period_close", "reconcile", "verify_ledger", "handle_webhooks"]
    jobs += ["check_usage", "check_health"]
    parser.add_argument("job", choices=jobs)
    parser.add_argument("--month", help="month of period starts, like 2013-01; job reconcile needs it")
    arguments = parser.parse_args()
    with Materializer() as materializer:
        result = materializer.run(arguments.job, arguments.month)
    for asset in result.materialized:
        print(f"materialized  {asset}")
    for check in result.checks:
        print(f"{'holds' if check.passed else 'BROKEN':12}  {check.asset} {check.name}")
    for check in result.failed_checks:
        print("\n".join(f"{name}: {value}" for name, value in check.metadata.items()))
    for error in result.errors:
        print(f"error         {error}", file=sys.stderr)
    colour = "green" if result.is_green else "RED"
    print(f"{result.job} {result.month or ''} is {colour}: {result.seconds:.2f} s, run {result.run_id}")
    return 0 if result.is_green else 1


if __name__ == "__main__":
    sys.exit(main())
