"""The whole sandbox without its HTTP: memory, time, knobs, and everything requests share."""

import json
from collections.abc import Callable
from typing import Any

from stripe_sandbox.clock import Clock
from stripe_sandbox.failures import FailureScript
from stripe_sandbox.idempotency import IdempotencyKeys
from stripe_sandbox.limits import Limits
from stripe_sandbox.settings import Settings
from stripe_sandbox.state import State
from stripe_sandbox.workspace import Workspace


class Sandbox:
    def __init__(self, state_path: str | None = None, clock: Clock | None = None) -> None:
        self.state = State(state_path)
        self.clock = clock or Clock()
        self.settings = Settings()
        stored = {row["name"]: json.loads(row["value"]) for row in self.state.rows("select * from settings")}
        self.settings.update(stored)
        self.clock.offset_seconds = self.settings.clock_offset_seconds
        self.failures = FailureScript()
        self.idempotency = IdempotencyKeys(self.state, self.settings, self.clock)
        self.limits = Limits(self.settings, self.clock)
        self.background_error: str | None = None

    def workspace(self, namespace: str, request_id: str | None = None, idempotency_key: str | None = None) -> Workspace:
        return Workspace(self.state, self.settings, self.clock, namespace, request_id, idempotency_key)

    def change_settings(self, changes: dict[str, Any]) -> None:
        self.settings.update(changes)
        self.clock.offset_seconds = self.settings.clock_offset_seconds
        with self.state.transaction():
            for name, value in changes.items():
                self.state.execute("insert or replace into settings values (?, ?)", (name, json.dumps(value)))

    def reset(self) -> None:
        """Empty, with the failures gone; the settings stay."""
        self._start_over(self.state.forget_everything)

    def set_savepoint(self) -> None:
        with self.state.transaction():
            self.state.set_savepoint()

    def back_to_savepoint(self) -> None:
        """Everything as it was at the savepoint, with the failures gone; the settings stay."""
        self._start_over(self.state.back_to_savepoint)

    def _start_over(self, change: Callable[[], None]) -> None:
        with self.state.transaction():
            change()
        self.failures.clear()
        self.background_error = None
