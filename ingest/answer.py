"""The per-event answer to POST /v1/events."""

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from ingest.problem import MEDIA_TYPE, Problem
from ingest.refusal import Refusal

JSON = b"application/json"


class Result(msgspec.Struct, gc=False):
    """What became of one event. `field` and `reason` are there for a rejected one only."""

    index: int
    idempotency_key: str | None
    status: Literal["accepted", "duplicate", "rejected"]
    field: str | UnsetType | None = UNSET
    reason: str | UnsetType = UNSET


class Answer(msgspec.Struct):
    """All results of one request, in the order of its events."""

    request_id: str
    accepted: int
    rejected: int
    duplicates: int
    results: list[Result]


def rejected(index: int, key: str | None, refusal: Refusal) -> Result:
    """The result of a refused event."""
    return Result(index, key, "rejected", refusal.field, refusal.reason)


def encode_answer(answer: Answer) -> tuple[int, bytes, bytes]:
    """Status, media type and body: 200 when all is well, 207 when some were rejected, 400 when none could be used."""
    if not answer.rejected:
        return 200, JSON, msgspec.json.encode(answer)
    if answer.accepted or answer.duplicates:
        return 207, JSON, msgspec.json.encode(answer)
    first = answer.results[0]
    if len(answer.results) == 1:
        detail = f"the event is rejected: {first.field or 'it'} {first.reason}"
    else:
        detail = f"all {answer.rejected} events are rejected; the first: {first.field or 'it'} {first.reason}"
    members = {field: getattr(answer, field) for field in ("accepted", "rejected", "duplicates", "results")}
    return 400, MEDIA_TYPE, Problem(400, "nothing-accepted", detail, **members).body(answer.request_id)
