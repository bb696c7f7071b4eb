"""The stack's processes under a restart policy, and the hand that kills them.

`tally up` ends when one of its processes ends, and leaves restarting to whoever started it; compose restarts each
service by itself (`restart: unless-stopped`). This is the second, without a Docker engine: what ends is started again,
unless chaos holds it down.
"""

import signal
import subprocess
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import psutil  # type: ignore[import-untyped]

from tally.services import Service, Stack

LOOK_SECONDS = 0.5
STOP_SECONDS = 30


@dataclass(frozen=True)
class Ended:
    """A service that ended by itself, and was started again."""

    service: str
    at: datetime
    code: int


class Supervisor(Stack):
    """A stack whose services come back. `ended` lists those that chaos had not killed itself."""

    def __init__(self, logs: Path, environment: Mapping[str, str]) -> None:
        super().__init__(logs, environment)
        self.ended: list[Ended] = []
        self._kept: dict[str, Service] = {}
        self._held: set[str] = set()
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)

    def __enter__(self) -> Self:
        super().__enter__()
        self._thread.start()
        return self

    def stop(self) -> None:
        self._over.set()
        with self._lock:
            super().stop()

    def keep(self, *services: Service, wait_seconds: float = 240) -> None:
        """Start the services, return when they answer, and start them again whenever they end."""
        with self._lock:
            self.start(*services, wait_seconds=wait_seconds)
            self._kept |= {service.name: service for service in services}

    def process(self, name: str) -> psutil.Process:
        """The service's process."""
        with self._lock:
            return psutil.Process(self._running[name].pid)

    def family(self, name: str) -> list[psutil.Process]:
        """The service's process and all that descend from it."""
        process = self.process(name)
        return [process, *process.children(recursive=True)]

    def kill(self, name: str) -> None:
        """SIGKILL to the service and all its children, as when its container ends; it stays down until `release`."""
        with self._lock:
            self._held.add(name)
            family = self.family(name)
            for process in family:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            self._running[name].wait()

    def hold(self, name: str) -> None:
        """Stop the service as an operator does, and keep it down until `release`."""
        with self._lock:
            self._held.add(name)
            self._running[name].send_signal(signal.SIGTERM)
            self._running[name].wait(STOP_SECONDS)

    def end(self, name: str, seconds: float) -> None:
        """Ask a process that is not minded to end, and wait; what has not ended by then is killed when all end."""
        with suppress(subprocess.TimeoutExpired):
            self._running[name].send_signal(signal.SIGTERM)
            self._running[name].wait(seconds)

    def release(self, name: str) -> None:
        """Start a service that was held down; it is minded from here on."""
        with self._lock:
            self._start(name)
            self._held.discard(name)

    def _watch(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            with self._lock:
                if not self._over.is_set():
                    self._restart_what_ended()

    def _restart_what_ended(self) -> None:
        for name in self._kept:
            code = self._running[name].poll()
            if code is not None and name not in self._held:
                self.ended.append(Ended(name, datetime.now(UTC), code))
                self._start(name)

    def _start(self, name: str) -> None:
        # Not waited for: what cannot start now, because what it needs is away, ends and is started again.
        self.start(Service(name, self._kept[name].command))
