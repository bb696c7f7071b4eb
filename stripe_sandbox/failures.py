"""Scripted failures: which requests go wrong, how, and how often. Kept in memory: a restart heals everything."""

from dataclasses import asdict, dataclass, field
from fnmatch import fnmatch
from typing import Any

from stripe_sandbox.answers import Answer, error_answer
from stripe_sandbox.errors import StripeError, server_error
from stripe_sandbox.ids import new_id

BEFORE = (
    "delay", "fail_500", "rate_limited", "lock_timeout", "conflict", "html_502", "unauthorized", "forbidden", "refused",
)  # fmt: skip
AFTER = ("delay_answer", "no_answer", "drop", "apply_then_500", "truncated", "stale_summary")


@dataclass
class Failure:
    kind: str
    method: str = "*"
    path: str = "*"  # shell pattern, e.g. /v1/billing/*
    contains: str = ""  # text that the raw body must contain, e.g. an identifier
    nth: int = 1  # the first matching request that fails, counted from 1
    count: int | None = 1  # how many fail from there on; null for all
    delay_seconds: float = 0.0
    stored: bool = True  # apply_then_500: whether the 500 becomes the key's stored answer
    reason: str | None = "global-rate"  # rate_limited: Stripe-Rate-Limited-Reason; null leaves it out
    retry_after: str | None = None
    events: int = 1  # stale_summary: how many of the newest applied events it leaves out
    id: str = field(default_factory=lambda: new_id("failure", 8))
    seen: int = 0
    fired: int = 0

    def __post_init__(self) -> None:
        if self.kind not in BEFORE + AFTER:
            raise ValueError(f"kind must be one of {', '.join(BEFORE + AFTER)}")
        if self.nth < 1 or (self.count is not None and self.count < 1):
            raise ValueError("nth and count are counted from 1")

    def is_due_for(self, method: str, path: str, body: str) -> bool:
        if not (fnmatch(method, self.method) and fnmatch(path, self.path) and self.contains in body):
            return False
        self.seen += 1
        return self.seen >= self.nth and (self.count is None or self.fired < self.count)


class FailureScript:
    def __init__(self) -> None:
        self._failures: list[Failure] = []

    def add(self, fields: dict[str, Any]) -> dict[str, Any]:
        unknown = fields.keys() - {name for name in Failure.__dataclass_fields__ if name not in ("id", "seen", "fired")}
        if unknown:
            raise ValueError(f"unknown fields: {', '.join(sorted(unknown))}")
        failure = Failure(**fields)
        self._failures.append(failure)
        return asdict(failure)

    def listed(self) -> list[dict[str, Any]]:
        return [asdict(failure) for failure in self._failures]

    def clear(self) -> None:
        self._failures.clear()

    def next_for(self, method: str, path: str, body: str) -> Failure | None:
        """Every script counts the requests it matches; of those that are due, the first is used."""
        due = [failure for failure in self._failures if failure.is_due_for(method, path, body)]
        if not due:
            return None
        due[0].fired += 1
        return due[0]


def answer_instead(failure: Failure) -> Answer | None:
    """What is answered without the request being carried out; None if it is carried out after all."""
    if failure.kind == "fail_500":
        return error_answer(server_error())
    if failure.kind == "html_502":
        return Answer(502, b"<html><body><h1>502 Bad Gateway</h1></body></html>", {}, "text/html")
    if failure.kind == "conflict":
        return error_answer(StripeError("Conflicting request in progress.", status=409, type_="idempotency_error"))
    if failure.kind == "unauthorized":
        return error_answer(StripeError("Invalid API Key provided.", status=401))
    if failure.kind == "forbidden":
        return error_answer(StripeError("The provided key does not have the required permissions.", status=403))
    if failure.kind == "refused":
        return error_answer(StripeError("The request was refused by a script."))
    if failure.kind == "rate_limited":
        given = {"Stripe-Rate-Limited-Reason": failure.reason, "Retry-After": failure.retry_after}
        return error_answer(rate_limited({name: value for name, value in given.items() if value is not None}))
    if failure.kind == "lock_timeout":
        message = "This object cannot be accessed right now because another API request is currently accessing it."
        headers = {"Stripe-Should-Retry": "true"}
        return error_answer(StripeError(message, status=429, code="lock_timeout", headers=headers))
    return None


def rate_limited(headers: dict[str, str]) -> StripeError:
    return StripeError("Request rate limit exceeded.", status=429, code="rate_limit", headers=headers)
