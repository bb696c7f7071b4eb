"""The OpenAPI text of POST /v1/events, which the framework cannot see."""

from typing import Any

from ingest.acceptance import MAX_TEXT
from ingest.quantity import MAX_DECIMALS, MAX_SIGNIFICANT_DIGITS
from tally.settings import Settings

Schema = dict[str, Any]
_EXAMPLE = {
    "idempotency_key": "0197f3c2-6c1f-7d2e-9d5a-3f6f0c1d2e3f",
    "customer_ref": "acme",
    "metric": "api_calls",
    "quantity": "12.5",
    "event_time": "2026-01-31T23:59:59.123456Z",
    "properties": {"region": "eu"},
}
_RESULTS = {
    "request_id": {"type": "string"},
    "accepted": {"type": "integer", "description": "Events that landed: on disk before this answer was sent."},
    "rejected": {"type": "integer"},
    "duplicates": {
        "type": "integer",
        "description": "Equal to the letter to an earlier event of the same request.",
    },
    "results": {"type": "array", "items": {"$ref": "#/components/schemas/Result"}},
}


def events_path(settings: Settings) -> Schema:
    """The path item."""
    batch, event = {"$ref": "#/components/schemas/EventBatch"}, {"$ref": "#/components/schemas/Event"}
    examples = {"one event": {"value": _EXAMPLE}, "a batch": {"value": {"events": [_EXAMPLE]}}}
    request_id = {
        "name": "X-Request-Id",
        "in": "header",
        "schema": {"type": "string", "maxLength": 128},
        "description": "Your own id of the request, echoed in the answer and the logs; made when left out.",
    }
    return {
        "post": {
            "operationId": "PostEvents",
            "summary": "Take usage events",
            "description": (
                "One event, or a batch. Each event is judged on its own, and every accepted one is on disk before the "
                "answer. `idempotency_key` names an event within the tenant: sent again, it still counts once."
            ),
            "tags": ["events"],
            "security": [{"key": []}],
            "parameters": [request_id],
            "requestBody": {
                "required": True,
                "description": f"At most {settings.max_body_bytes} bytes, uncompressed.",
                "content": {"application/json": {"schema": {"oneOf": [event, batch]}, "examples": examples}},
            },
            "responses": _responses(settings),
        }
    }


def components(settings: Settings) -> dict[str, Schema]:
    """The schemas that the path item refers to."""
    days, seconds = settings.event_max_age_days, settings.event_max_ahead_seconds
    text = {"type": "string", "minLength": 1, "maxLength": MAX_TEXT}
    quantity = (
        f"At most {MAX_SIGNIFICANT_DIGITS} significant digits and {MAX_DECIMALS} decimals, kept exactly; more is "
        "refused, never rounded. May be negative. May be left out, meaning 1, where the metric counts events."
    )
    properties = {
        "idempotency_key": {
            **text,
            "description": "Names the event. Keys that sort by time (UUIDv7) are cheapest.",
        },
        "customer_ref": {**text, "description": "Whom the event is billed to: your own id, or a Stripe customer id."},
        "metric": {**text, "description": "A metric that is declared for the tenant."},
        "event_time": {
            "type": "string",
            "format": "date-time",
            "description": f"RFC 3339 with a zone. At most {days} days old and {seconds} seconds ahead.",
        },
        "quantity": {"oneOf": [{"type": "number"}, {"type": "string"}], "description": quantity},
        "properties": {
            "type": "object",
            "nullable": True,
            "description": f"Anything that helps trace the event; at most {settings.max_properties_bytes} bytes.",
        },
        "tenant_id": {
            "type": "string",
            "nullable": True,
            "description": "Not needed. Refused unless it is the API key's tenant.",
        },
    }
    required = ["idempotency_key", "customer_ref", "metric", "event_time"]
    events = {
        "type": "array",
        "minItems": 1,
        "maxItems": settings.max_batch_events,
        "items": {"$ref": "#/components/schemas/Event"},
    }
    fault = {
        "index": {"type": "integer", "nullable": True},
        "field": {"type": "string", "nullable": True},
        "reason": {"type": "string"},
    }
    result = {
        "index": {"type": "integer", "description": "Place of the event in the request, from 0."},
        "idempotency_key": {"type": "string", "nullable": True},
        "status": {"type": "string", "enum": ["accepted", "duplicate", "rejected"]},
        "field": {"type": "string", "nullable": True, "description": "Of a rejected event: the field at fault."},
        "reason": {"type": "string", "description": "Of a rejected event: what is wrong with it."},
    }
    problem = {
        "type": {"type": "string", "description": "urn:tallyledger:problem:<code>, which never changes its meaning."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "request_id": {"type": "string"},
    }
    more = {
        "landed": {
            "type": "string",
            "enum": ["nothing", "unknown"],
            "description": "Of a 503: what is known of the events.",
        },
        "limit": {"type": "integer", "description": "Of a 413: the limit that was passed."},
        "position": {"type": "integer", "description": "Of broken JSON: where it breaks, from 0."},
        "errors": {"type": "array", "items": {"type": "object", "properties": fault}},
    }
    return {
        "Event": {
            "type": "object",
            "required": required,
            "properties": properties,
            "additionalProperties": False,
            "example": _EXAMPLE,
        },
        "EventBatch": {
            "type": "object",
            "required": ["events"],
            "properties": {"events": events, "tenant_id": properties["tenant_id"]},
            "additionalProperties": False,
        },
        "Result": {"type": "object", "required": ["index", "idempotency_key", "status"], "properties": result},
        "Answer": {"type": "object", "required": list(_RESULTS), "properties": _RESULTS},
        "Problem": {"type": "object", "required": list(problem), "properties": {**problem, **more}},
        "NothingAccepted": {"type": "object", "required": list(problem), "properties": {**problem, **more, **_RESULTS}},
    }


def _responses(settings: Settings) -> dict[str, Schema]:
    problems = {
        "400": "The body is not usable, or every event in it is rejected: then `results` says why, event by event.",
        "401": "The API key is missing, malformed, unknown, expired or revoked.",
        "403": "The API key lacks the scope events:write, or the request names another tenant. Nothing landed.",
        "405": "Only POST is taken.",
        "408": "The body did not arrive in time.",
        "413": f"More than {settings.max_batch_events} events or {settings.max_body_bytes} bytes. Nothing landed.",
        "415": "Not application/json, or compressed.",
        "503": "The queue is full or the database does not answer. Send the same again after Retry-After seconds.",
    }
    answers: dict[str, Schema] = {
        "200": _answer("Every event is accepted or a duplicate.", "application/json", "Answer"),
        "207": _answer("Some events are rejected; the others landed.", "application/json", "Answer"),
    }
    for status, description in problems.items():
        schema = "NothingAccepted" if status == "400" else "Problem"
        answers[status] = _answer(description, "application/problem+json", schema)
    answers["503"]["headers"] |= {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}}
    answers["405"]["headers"] |= {"Allow": {"schema": {"type": "string"}}}
    answers["401"]["headers"] |= {"WWW-Authenticate": {"schema": {"type": "string"}}}
    return answers


def _answer(description: str, media_type: str, schema: str) -> Schema:
    return {
        "description": description,
        "headers": {"X-Request-Id": {"schema": {"type": "string"}}},
        "content": {media_type: {"schema": {"$ref": f"#/components/schemas/{schema}"}}},
    }
