"""What an answer of Stripe to a meter event means for the intent. Anything not known for certain is `unknown`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import stripe

Kind = Literal["accepted", "duplicate", "refused", "unknown", "unrepeatable", "unsent", "stopped", "mismatch"]
# The limits which hold for every call. A 429 that names `resource-specific` is about one customer and meter, and one
# that names none is a lock on one object.
ACCOUNT_LIMITS = frozenset({"global-rate", "global-concurrency", "endpoint-rate", "endpoint-concurrency"})

# "lock_timeout" and rate limits alike: how long to leave Stripe alone when it does not say.
DEFAULT_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0


@dataclass(frozen=True)
class Answer:
    """One attempt's outcome.

    accepted: taken. duplicate: this identifier was taken before, and an identifier never changes its payload, so it was
    this one. refused: never will be taken. stopped: the key may not do this, for any intent. mismatch: the
    Idempotency-Key came with another payload, which must not happen. unknown: taken or not, nobody knows. unrepeatable:
    the same, and sending it again would not tell. unsent: it never left this process.
    """

    kind: Kind
    http_status: int | None = None
    request_id: str | None = None
    error: str | None = None
    pause_seconds: float | None = None
    limit: str | None = None  # of a 429: Stripe-Rate-Limited-Reason

    @property
    def holds_up_all(self) -> bool:
        """Whether Stripe asked to be left alone altogether, not for this one customer and meter."""
        return self.http_status == 429 and self.limit in ACCOUNT_LIMITS

    @property
    def found_nobody(self) -> bool:
        """Whether no Stripe answered a call: no connection, no answer in time, or a 5xx."""
        no_answer = self.http_status is None or self.http_status >= 500
        return no_answer and self.kind in ("unknown", "unrepeatable", "unsent")


def taken(event: stripe.billing.MeterEvent, identifier: str) -> Answer:
    """The meaning of a 200: `accepted`, if it talks about our event."""
    response = event.last_response
    request_id = response.request_id if response is not None else None
    if event.identifier != identifier:
        return Answer("unknown", 200, request_id, f"the answer names another event: {event.identifier}")
    return Answer("accepted", 200, request_id)


def not_taken(error: stripe.StripeError) -> Answer:
    """The meaning of anything but a 200."""
    status, request_id = error.http_status, error.request_id
    text = _text(error)
    if isinstance(error, stripe.RateLimitError):
        limit = _header(error.headers, "stripe-rate-limited-reason")
        return Answer("unknown", status, request_id, text, _pause(error.headers), limit)
    if isinstance(error, stripe.AuthenticationError | stripe.PermissionError):
        return Answer("stopped", status, request_id, text)
    if isinstance(error, stripe.IdempotencyError):
        return Answer("mismatch", status, request_id, text)
    if status is not None and 400 <= status < 500 and status != 409:
        kind: Kind = "duplicate" if _is_duplicate(error) else "refused"
        return Answer(kind, status, request_id, text)
    return Answer("unknown", status, request_id, text)


def _is_duplicate(error: stripe.StripeError) -> bool:
    """Exactly Stripe's answer to a repeated identifier, which has no code; with other words it counts as refused."""
    body = error.error
    return (
        error.http_status == 400
        and body is not None
        and body.type == "invalid_request_error"
        and "already exists with identifier" in (body.message or "")
    )


def _pause(headers: Mapping[str, str] | None) -> float:
    try:
        return min(float(_header(headers, "retry-after") or ""), LONGEST_PAUSE_SECONDS)
    except ValueError:  # absent, or a date
        return DEFAULT_PAUSE_SECONDS


def _header(headers: Mapping[str, str] | None, wanted: str) -> str | None:
    return next((value for name, value in (headers or {}).items() if name.lower() == wanted), None)


def _text(error: stripe.StripeError) -> str:
    """For a person, in a line. Stripe's texts name no key in full."""
    return f"{type(error).__name__}: {' '.join(str(error.user_message or error).split())}"[:500]
