"""The stack's processes: started by command line, each with a log of its own, all stopped together."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self

import httpx

from tally.errors import TallyError

STOP_SECONDS = 15


class ServiceFailed(TallyError):
    """A process of the stack did not come up, or went away; the message ends with the last lines of its log."""


@dataclass(frozen=True)
class Service:
    """One process: its command, and the address that answers once it is ready (None: ready when started)."""

    name: str
    command: Sequence[str]
    ready_url: str | None = None


class Stack:
    """Runs services until the `with` block ends; then stops them in reverse order, politely first."""

    def __init__(self, log_folder: Path, environment: Mapping[str, str]) -> None:
        self._logs = log_folder
        self._environment = {**os.environ, **environment}
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        self._logs.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, *services: Service, wait_seconds: float = 180) -> None:
        """Start the services side by side and return when every one answers."""
        for service in services:
            with (self._logs / f"{service.name}.log").open("ab") as log:
                # A group of its own: Ctrl-C reaches only us, and we stop the services in order.
                self._running[service.name] = subprocess.Popen(
                    [*_until_we_die(), *service.command],
                    env=self._environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    process_group=0,
                )
        deadline = time.monotonic() + wait_seconds
        for service in services:
            if service.ready_url is not None:
                self._await(service.name, service.ready_url, deadline)

    def watch(self) -> NoReturn:
        """Return never; raise `ServiceFailed` when a process goes away."""
        while True:
            for name in self._running:
                self._require_alive(name)
            time.sleep(0.5)

    def stop(self) -> None:
        """Stop what runs: terminate, wait, and kill what is still there after `STOP_SECONDS`."""
        for process in reversed(self._running.values()):
            if process.poll() is None:
                _signal_group(process, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        for process in reversed(self._running.values()):
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.1, deadline - time.monotonic()))
            _signal_group(process, signal.SIGKILL)
            process.wait()
        self._running.clear()

    def _await(self, name: str, url: str, deadline: float) -> None:
        while True:
            self._require_alive(name)
            with suppress(httpx.TransportError):
                if httpx.get(url, timeout=2).is_success:
                    return
            if time.monotonic() > deadline:
                raise ServiceFailed(f"{name} does not answer at {url}. {self._log_tail(name)}")
            time.sleep(0.05)

    def _require_alive(self, name: str) -> None:
        if (code := self._running[name].poll()) is not None:
            raise ServiceFailed(f"{name} ended with exit code {code}. {self._log_tail(name)}")

    def _log_tail(self, name: str) -> str:
        path = self._logs / f"{name}.log"
        lines = path.read_text(errors="replace").splitlines()[-15:]
        return f"The end of {path}:\n" + "\n".join(lines)


def python_module(module: str, *arguments: str) -> list[str]:
    """The command that runs `module` with this interpreter."""
    return [sys.executable, "-m", module, *arguments]


def _until_we_die() -> list[str]:
    """Where util-linux is there, a kill -9 of this process takes the services along instead of orphaning them."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []


def _signal_group(process: subprocess.Popen[bytes], number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)
