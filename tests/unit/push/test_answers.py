"""What each answer of Stripe means for an intent."""

import pytest
import stripe

from tally.push.answers import Answer, not_taken, taken


def answer(error: type[stripe.StripeError], status: int | None, message: str = "", **body: str) -> Answer:
    # The SDK's own classes take their arguments in different orders; the fields are what counts.
    made = error.__new__(error)
    json_body = {"error": {"message": message, **body}}
    stripe.StripeError.__init__(made, message, None, status, json_body, {"request-id": "req_1"})
    return not_taken(made)


DUPLICATE = "An event already exists with identifier tl1.abc."


def test_exactly_stripes_duplicate_is_a_duplicate() -> None:
    found = answer(stripe.InvalidRequestError, 400, DUPLICATE, type="invalid_request_error")
    assert (found.kind, found.http_status, found.request_id) == ("duplicate", 400, "req_1")


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (400, "An event with this identifier exists.", "invalid_request_error"),
        (404, DUPLICATE, "invalid_request_error"),
        (400, DUPLICATE, "idempotency_error"),
    ],
)
def test_anything_that_only_looks_like_a_duplicate_is_refused(status: int, message: str, kind: str) -> None:
    assert answer(stripe.InvalidRequestError, status, message, type=kind).kind == "refused"


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (stripe.APIConnectionError, None, "unknown"),
        (stripe.APIError, 500, "unknown"),
        (stripe.APIError, 502, "unknown"),
        (stripe.APIError, 200, "unknown"),
        (stripe.APIError, 409, "unknown"),
        (stripe.APIError, 301, "unknown"),
        (stripe.RateLimitError, 429, "unknown"),
        (stripe.AuthenticationError, 401, "stopped"),
        (stripe.PermissionError, 403, "stopped"),
        (stripe.IdempotencyError, 400, "mismatch"),
        (stripe.InvalidRequestError, 404, "refused"),
        (stripe.APIError, 402, "refused"),
    ],
)
def test_each_error_has_its_meaning(error: type[stripe.StripeError], status: int | None, kind: str) -> None:
    assert answer(error, status, "no").kind == kind


@pytest.mark.parametrize(
    ("headers", "pause"),
    [
        ({}, 1.0),
        ({"retry-after": "7"}, 7.0),
        ({"Retry-After": "0.5"}, 0.5),
        ({"Retry-After": "3600"}, 60.0),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, 1.0),
    ],
)
def test_a_429_says_how_long_to_wait(headers: dict[str, str], pause: float) -> None:
    assert not_taken(stripe.RateLimitError("slow", http_status=429, headers=headers)).pause_seconds == pause


def test_a_200_that_names_another_event_proves_nothing() -> None:
    event = stripe.billing.MeterEvent.construct_from({"identifier": "tl1.other"}, "sk_test_x")
    assert taken(event, "tl1.mine").kind == "unknown"
    assert taken(event, "tl1.other").kind == "accepted"
