"""What the workers of one delivery share: whose intents, until when, and what has come of them so far."""

import threading
import time
from collections import Counter as Tally
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from tally.clock import Clock
from tally.push.answers import Answer
from tally.push.calling import Calling, plainly
from tally.push.intents import RESEND_FOR, Claim
from tally.stripe.account import StripeAccount


@dataclass
class Run:
    """One delivery's shared state. `over` ends it for all workers; a worker finishes the call that it is in."""

    url: str
    account: StripeAccount
    tenant_id: str
    clock: Clock
    lease: timedelta
    patience: timedelta
    streams: bool = False
    calling: Calling = plainly
    open_at_first: int = 0
    workers: int = 0
    calls: int = 0
    attempts: Tally[str] = field(default_factory=Tally)
    refusals: list[str] = field(default_factory=list)
    stopped: str | None = None
    held_up: str | None = None
    over: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.deadline = time.monotonic() + self.patience.total_seconds()

    def parameters(self) -> dict[str, Any]:
        """What every statement about the run's intents takes."""
        now = self.clock.now()
        return {
            "tenant_id": self.tenant_id,
            "account": self.account.account,
            "livemode": self.account.livemode,
            "now": now,
            "resend_from": now - RESEND_FOR,
        }

    def stop(self, why: str) -> None:
        """The account is stopped: nobody sends anything more."""
        with self.lock:
            self.stopped = self.stopped or why
        self.over.set()

    def add(self, outcomes: Iterable[tuple[Claim, Answer]], states: Mapping[UUID, str], calls: int) -> None:
        """Count what was recorded."""
        with self.lock:
            self.calls += calls
            for claimed, answer in outcomes:
                if answer.kind == "unsent":
                    continue
                self.attempts[answer.kind] += 1
                state = states.get(claimed.intent_id)
                if state in ("refused", "resolving", "disputed") and answer.kind not in ("unknown", "unrepeatable"):
                    name = f"{claimed.customer_ref} {claimed.metric} ({claimed.identifier})"
                    self.refusals.append(f"{name}: {answer.error}")
