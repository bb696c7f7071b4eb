"""The resident loop as a process of its own, as `tally up` starts it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tally.loop_heartbeat import loop_state


class LoopProcess:
    """One loop; `log` is what it has said so far."""

    def __init__(self, url: str, home: Path, log: Path, **environment: str) -> None:
        given = {"DATABASE_URL": url, "TALLY_HOME": str(home), "TALLY_TICK_SECONDS": "0.2", "TALLY_LOG_LEVEL": "DEBUG"}
        self._log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "dagster_project.loop"],
                env={**os.environ, **given, **environment},
                stdout=output,
                stderr=output,
            )
        self.pid = self._process.pid

    @property
    def log(self) -> str:
        return self._log.read_text()

    def until(self, condition: Callable[[], bool], seconds: float = 150) -> float:
        """Wait for `condition` while the loop lives; returns the seconds it took."""
        began = time.monotonic()
        while not condition():
            assert self._process.poll() is None, f"the loop ended:\n{self.log}"
            assert time.monotonic() < began + seconds, f"not within {seconds} s:\n{self.log}"
            time.sleep(0.02)
        return time.monotonic() - began

    def until_ticking(self, connection: psycopg.Connection) -> None:
        """Wait for its first tick."""

        def has_ticked() -> bool:
            state = loop_state(connection)
            return state is not None and state.process.endswith(f":{self.pid}") and state.ticks > 0

        self.until(has_ticked)

    def terminate(self) -> int:
        """Ask it to end; returns its exit code."""
        self._process.terminate()
        return self._process.wait(30)

    def kill(self) -> None:
        """kill -9."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(30)


@contextmanager
def running_loop(url: str, home: Path, log: Path, **environment: str) -> Iterator[LoopProcess]:
    """A loop that is gone after the block, however the block ends."""
    process = LoopProcess(url, home, log, **environment)
    try:
        yield process
    finally:
        process.kill()
