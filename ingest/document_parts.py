"""Pieces that the OpenAPI text of several routes shares."""

from typing import Any, Final

Schema = dict[str, Any]

SECURITY: Final[list[Schema]] = [{"key": []}]
REQUEST_ID: Final[Schema] = {
    "name": "X-Request-Id",
    "in": "header",
    "schema": {"type": "string", "maxLength": 128},
    "description": "Your own id of the request, echoed in the answer and the logs; made when left out.",
}
_SECONDS: Final[Schema] = {"schema": {"type": "integer"}, "description": "Seconds."}
_HEADERS: Final[dict[str, Schema]] = {
    "401": {"WWW-Authenticate": {"schema": {"type": "string"}}},
    "405": {"Allow": {"schema": {"type": "string"}}},
    "429": {"Retry-After": _SECONDS},
    "503": {"Retry-After": _SECONDS},
}


def answer(description: str, schema: str, media_type: str = "application/json") -> Schema:
    """A response that has a body of the named schema."""
    return {
        "description": description,
        "headers": {"X-Request-Id": {"schema": {"type": "string"}}},
        "content": {media_type: {"schema": {"$ref": f"#/components/schemas/{schema}"}}},
    }


def problems(descriptions: dict[str, str]) -> dict[str, Schema]:
    """Problem responses by status."""
    made = {}
    for status, description in descriptions.items():
        made[status] = answer(description, "Problem", "application/problem+json")
        made[status]["headers"] |= _HEADERS.get(status, {})
    return made


def refusals(scope: str, methods: str, **others: str) -> dict[str, Schema]:
    """The problems that every authenticated route knows, and `others` (their statuses as `_404`)."""
    return problems(
        {
            "400": "A parameter or the body cannot be used.",
            "401": "The API key is missing, malformed, unknown, expired or revoked.",
            "403": f"The API key lacks the scope {scope}, or the request names another tenant.",
            "405": f"Only {methods} is taken.",
            "503": "The database does not answer in time. Ask again after Retry-After seconds.",
            **{status.removeprefix("_"): description for status, description in others.items()},
        }
    )
