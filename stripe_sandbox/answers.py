"""An answer before it is sent: status, bytes, headers."""

import json
from dataclasses import dataclass, field
from typing import Any

from stripe_sandbox.errors import StripeError


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"


def json_answer(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    return Answer(status, json.dumps(body).encode(), headers or {})


def error_answer(error: StripeError) -> Answer:
    return json_answer(error.body, error.status, error.headers)
