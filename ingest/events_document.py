"""The OpenAPI text of POST /v1/events, which the framework cannot see."""

import json

from ingest.acceptance import MAX_TEXT
from ingest.derived_keys import MAX_HEADER
from ingest.document_parts import REQUEST_ID, SECURITY, Schema, answer, problems
from ingest.quantity import MAX_DECIMALS, MAX_SIGNIFICANT_DIGITS
from tally.settings import Settings

_EXAMPLE = {
    "idempotency_key": "0197f3c2-6c1f-7d2e-9d5a-3f6f0c1d2e3f",
    "customer_ref": "acme",
    "metric": "api_calls",
    "quantity": "12.5",
    "event_time": "2026-01-31T23:59:59.123456Z",
    "properties": {"region": "eu"},
}
_CLOUD_EVENT = {
    "specversion": "1.0",
    "id": "0197f3c2-6c1f",
    "source": "https://app.example/checkout",
    "type": "api_calls",
    "subject": "acme",
    "time": "2026-01-31T23:59:59.123456Z",
    "data": {"quantity": "12.5", "properties": {"region": "eu"}},
}
_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_HEADER},
    "description": (
        "For events that bring no idempotency_key: theirs is `<this header>:<index>`. A request that is sent again "
        "keeps its header, another request has another."
    ),
}
_LEFT = {
    "RateLimit-Limit": {"schema": {"type": "integer"}, "description": "Events that may be posted at once."},
    "RateLimit-Remaining": {"schema": {"type": "integer"}, "description": "Events of them that are left now."},
    "RateLimit-Reset": {"schema": {"type": "integer"}, "description": "Seconds until all of them are back."},
    "RateLimit-Policy": {"schema": {"type": "string"}, "description": "`<events>;w=<seconds>;burst=<events>`"},
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
    return {
        "post": {
            "operationId": "PostEvents",
            "summary": "Take usage events",
            "description": (
                "One event, or a batch. Each event is judged on its own, and every accepted one is on disk before the "
                "answer. `idempotency_key` names an event within the tenant: sent again, it still counts once."
            ),
            "tags": ["events"],
            "security": SECURITY,
            "parameters": [REQUEST_ID, _IDEMPOTENCY_KEY],
            "requestBody": {
                "required": True,
                "description": (
                    f"At most {settings.max_batch_events} events and {settings.max_body_bytes} bytes, before and after "
                    "decompression; Content-Encoding may be gzip or zstd."
                ),
                "content": _bodies(),
            },
            "responses": _responses(settings),
        }
    }


def _bodies() -> Schema:
    batch, event = {"$ref": "#/components/schemas/EventBatch"}, {"$ref": "#/components/schemas/Event"}
    cloud_event = {"$ref": "#/components/schemas/CloudEvent"}
    examples = {"one event": {"value": _EXAMPLE}, "a batch": {"value": {"events": [_EXAMPLE]}}}
    line = json.dumps(_EXAMPLE)
    return {
        "application/json": {"schema": {"oneOf": [event, batch]}, "examples": examples},
        "application/x-ndjson": {
            "schema": {"type": "string", "description": "One Event a line; a broken line is one event rejected."},
            "example": f"{line}\n",
        },
        "application/cloudevents+json": {"schema": cloud_event, "example": _CLOUD_EVENT},
        "application/cloudevents-batch+json": {
            "schema": {"type": "array", "minItems": 1, "items": cloud_event},
            "example": [_CLOUD_EVENT],
        },
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
            "description": (
                "Names the event. Keys that sort by time (UUIDv7) are cheapest. May be left out when the header "
                "Idempotency-Key is sent."
            ),
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
    data = {name: properties[name] for name in ("quantity", "properties")}
    cloud_event = {
        "specversion": {"type": "string", "enum": ["1.0"]},
        "id": {**text, "description": "With source: the idempotency_key is `<source> <id>`."},
        "source": {**text, "description": "A URI reference, without white space."},
        "type": {**text, "description": "The metric."},
        "subject": {**text, "description": "The customer_ref."},
        "time": properties["event_time"],
        "data": {"type": "object", "nullable": True, "properties": data, "additionalProperties": False},
        "datacontenttype": {"type": "string", "description": "JSON, or left out."},
    }
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
        "CloudEvent": {
            "type": "object",
            "description": "CloudEvents 1.0; other attributes are left aside.",
            "required": ["specversion", "id", "source", "type", "subject", "time"],
            "properties": cloud_event,
            "example": _CLOUD_EVENT,
        },
        "Result": {"type": "object", "required": ["index", "idempotency_key", "status"], "properties": result},
        "Answer": {"type": "object", "required": list(_RESULTS), "properties": _RESULTS},
        "Problem": {"type": "object", "required": list(problem), "properties": {**problem, **more}},
        "NothingAccepted": {"type": "object", "required": list(problem), "properties": {**problem, **more, **_RESULTS}},
    }


def _responses(settings: Settings) -> dict[str, Schema]:
    described = {
        "400": "The body is not usable, or every event in it is rejected: then `results` says why, event by event.",
        "401": "The API key is missing, malformed, unknown, expired or revoked.",
        "403": "The API key lacks the scope events:write, or the request names another tenant. Nothing landed.",
        "405": "Only GET and POST are taken.",
        "408": "The body did not arrive in time.",
        "413": f"More than {settings.max_batch_events} events or {settings.max_body_bytes} bytes. Nothing landed.",
        "415": "Another media type or compression than those that are taken; the headers say which are.",
        "429": "The API key posts faster than it may. Nothing landed: send the same again after Retry-After seconds.",
        "503": "The queue is full or the database does not answer. Send the same again after Retry-After seconds.",
    }
    answers: dict[str, Schema] = {
        "200": answer("Every event is accepted or a duplicate. RateLimit headers where the key has a limit.", "Answer"),
        "207": answer("Some events are rejected; the others landed.", "Answer"),
        **problems(described),
    }
    answers["400"]["content"]["application/problem+json"]["schema"]["$ref"] = "#/components/schemas/NothingAccepted"
    answers["429"]["headers"] |= _LEFT
    return answers
