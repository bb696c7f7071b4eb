"""One account in one mode: all that a request may see or change, and what time it is there."""

from dataclasses import dataclass
from typing import Any

from stripe_sandbox.clock import Clock
from stripe_sandbox.errors import missing_resource
from stripe_sandbox.settings import Settings
from stripe_sandbox.state import Json, State


@dataclass(frozen=True)
class Workspace:
    state: State
    settings: Settings
    clock: Clock
    namespace: str
    request_id: str | None = None
    idempotency_key: str | None = None
    unseen_events: int = 0  # how many of the newest applied events a summary leaves out

    @property
    def livemode(self) -> bool:
        return self.namespace.split(":")[0] == "live"

    def get(self, kind: str, object_id: str, param: str = "id") -> Json:
        found = self.state.find(self.namespace, kind, object_id)
        if found is None:
            raise missing_resource(kind, object_id, param)
        return found

    def save(self, body: Json, **index: Any) -> None:
        self.state.save(self.namespace, body, **index)

    def now(self, test_clock: str | None = None) -> int:
        """A test clock's frozen time for what lives on one, else the sandbox's real time."""
        if test_clock is not None:
            frozen = self.get("test_helpers.test_clock", test_clock, "test_clock")["frozen_time"]
            return int(frozen)
        return int(self.clock.now())


def public(body: Json) -> Json:
    """What may leave: without the keys the sandbox keeps for itself."""
    return {name: value for name, value in body.items() if not name.startswith("_")}
