"""Runs that die: found, ended and run again, by the instance that `tally up`, the demo and compose set up."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

import dagster as dg
import pytest
from dagster._core.launcher.base import WorkerStatus

from dagster_project.run_launcher import HOST_TAG, WatchedRunLauncher

# An op of a pool that works until it is killed, and at its third attempt is done.
SLOW_JOB = """
import os, time
from pathlib import Path
import dagster as dg

@dg.op(pool="push")
def work() -> None:
    attempts = Path({attempts!r})
    with attempts.open("a") as book:
        book.write(f"{{os.getpid()}}\\n")
    if len(attempts.read_text().split()) < 3:
        time.sleep(600)

@dg.job(executor_def=dg.in_process_executor)
def slow() -> None:
    work()

defs = dg.Definitions(jobs=[slow])
"""


def test_a_run_is_lost_only_if_nobody_listens_where_it_was_launched_from_here(tmp_path: Path) -> None:
    alive, gone = str(tmp_path / "alive"), str(tmp_path / "gone")

    def health(path: str, host: str) -> WorkerStatus:
        tags = {HOST_TAG: host, ".dagster/grpc_info": f'{{"host": "localhost", "socket": "{path}"}}'}
        return WatchedRunLauncher().check_run_worker_health(dg.DagsterRun("job", tags=tags)).status

    with socket.socket(socket.AF_UNIX) as server:
        server.bind(alive)
        server.listen()
        assert health(alive, socket.gethostname()) == WorkerStatus.RUNNING
    assert health(alive, socket.gethostname()) == WorkerStatus.NOT_FOUND  # its file outlives a killed server
    assert health(gone, socket.gethostname()) == WorkerStatus.NOT_FOUND
    assert health(gone, "another-container") == WorkerStatus.RUNNING
    assert WatchedRunLauncher().check_run_worker_health(dg.DagsterRun("job")).status == WorkerStatus.RUNNING


@pytest.mark.thorough
@pytest.mark.timeout(600)
def test_a_killed_run_is_run_again_with_its_code_server_alive_and_without(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    attempts, code = tmp_path / "attempts", tmp_path / "slow_job.py"
    code.write_text(SLOW_JOB.format(attempts=str(attempts)))

    def pids() -> list[int]:
        return [int(pid) for pid in attempts.read_text().split()] if attempts.exists() else []

    with dg.DagsterInstance.get() as instance:

        def runs() -> list[dg.DagsterRun]:
            return sorted(instance.get_runs(), key=lambda run: len(run.tags.get("dagster/retry_number", "")))

        with daemon(code, tmp_path / "first.log") as first:
            subprocess.run(
                [sys.executable, "-m", "dagster", "job", "launch", "-f", str(code), "-j", "slow"], check=True
            )
            until(lambda: len(pids()) == 1, 120)
            sleep(20)  # longer than between two looks at it: a healthy run is left alone
            assert [run.status for run in runs()] == [dg.DagsterRunStatus.STARTED]
            os.kill(pids()[0], signal.SIGKILL)
            until(lambda: len(pids()) == 2, 120)
            os.killpg(first.pid, signal.SIGKILL)
            os.kill(pids()[1], signal.SIGKILL)
        with daemon(code, tmp_path / "second.log"):
            until(lambda: len(runs()) == 3 and any(run.is_success for run in runs()), 180)
        statuses = sorted(run.status.value for run in runs())
        assert statuses == ["FAILURE", "FAILURE", "SUCCESS"]
        assert len(pids()) == 3


@contextmanager
def daemon(code: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Dagster's daemon over the definitions in `code`, in a process group of its own, which ends with the block."""
    command = [sys.executable, "-m", "dagster._daemon", "run", "-f", str(code)]
    with (
        log.open("wb") as output,
        subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True) as process,
    ):
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def until(condition: Callable[[], bool], seconds: float) -> None:
    limit = monotonic() + seconds
    while not condition():
        assert monotonic() < limit, f"not within {seconds} s"
        sleep(0.5)
