"""What can go wrong with a step, and who decides that it does."""

from collections.abc import Mapping
from random import Random

from tests.simulation.stage import Kind, Step

PROCESS = ("crash_before", "crash_after")
DATABASE = ("connection_lost", "answer_lost")
# `never_sent`, `late`, `answer_lost` and `unreachable` are the network's; the rest is what Stripe does.
LIMITS = ("global-concurrency", "global-rate", "endpoint-concurrency", "endpoint-rate", "resource-specific")
RATE_LIMITED = tuple(f"rate_limited:{reason}" for reason in LIMITS)
NETWORK = ("unreachable", "never_sent", "late", "answer_lost", "no_answer", "drop", "truncated")
ERRORS = (
    "fail_500", "apply_then_500", "apply_then_500:not stored", "html_502", "conflict", "lock_timeout", "unauthorized",
    "forbidden", "refused",
)  # fmt: skip

FAULTS: Mapping[Kind, tuple[str, ...]] = {
    "connect": (*PROCESS, "unreachable"),
    "sql": (*PROCESS, *DATABASE, "stall"),
    "post": (*PROCESS, *NETWORK, *ERRORS, *RATE_LIMITED, "slow"),
    "get": (*PROCESS, "never_sent", "drop", "truncated", "fail_500", "html_502", "unauthorized", "stale_summary",
            "rate_limited:global-rate"),
}  # fmt: skip


class NoFaults:
    """Everything goes well."""

    def __call__(self, step: Step) -> str | None:
        return None


class FaultAt:
    """One fault, at the step of a number."""

    def __init__(self, number: int, fault: str) -> None:
        self.number = number
        self.fault = fault

    def __call__(self, step: Step) -> str | None:
        return self.fault if step.number == self.number else None


class RandomFaults:
    """Each step of the product goes wrong with the chance of its kind, until `over`."""

    def __init__(self, randomness: Random, post: float, other: float) -> None:
        self.over = False
        self._random = randomness
        self._chance: Mapping[Kind, float] = {
            "connect": other / 2,
            "sql": other,
            "get": min(0.5, 4 * other),
            "post": post,
        }

    def __call__(self, step: Step) -> str | None:
        if self.over or self._random.random() >= self._chance[step.kind]:
            return None
        return self._random.choice(FAULTS[step.kind])
