"""The OpenAPI text of POST /v1/replay."""

from typing import Final

from ingest.acceptance import MAX_TEXT
from ingest.document_parts import REQUEST_ID, SECURITY, Schema, answer, refusals
from ingest.replay_body import MAX_NAMES
from ingest.replay_routes import PATH, SCOPE

_TEXT: Final = {"type": "string"}
_COUNT: Final = {"type": "integer", "minimum": 0}
_TIME: Final = {"type": "string", "format": "date-time"}
_MAYBE_TIME: Final = {**_TIME, "nullable": True}
_DECIMAL: Final = {"type": "string", "description": "Decimal text, exact."}
_MAYBE_DECIMAL: Final = {"type": "string", "nullable": True, "description": "Decimal text; null: there is no counter."}
_HASH: Final = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_DESCRIPTION: Final = (
    "Landed events of the key's own tenant, counted again by today's periods, meters and decisions. `dry-run` shows "
    "what would change; `apply` with the `hash` of that answer changes exactly this, in one transaction, or nothing. "
    "Without a hash `apply` changes whatever it finds. A closed counter stays as it is unless `closed` says otherwise."
)


def replay_paths() -> dict[str, Schema]:
    """The operation by path and method."""
    operation = {
        "operationId": "Replay",
        "summary": "Count landed events again",
        "description": _DESCRIPTION,
        "tags": ["replay"],
        "security": SECURITY,
        "parameters": [REQUEST_ID],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ReplayRequest"}}},
        },
        "responses": {
            "200": answer("What changes, or has changed.", "Replay"),
            **refusals(
                SCOPE,
                "POST",
                _408="The body did not arrive in time.",
                _409="Another replay is at work; the ledger's models are apart after an interrupted tick; or the "
                "difference is no longer the one shown, and `hash` is that of the new one.",
                _413="The body is too large.",
                _415="Not taken so.",
            ),
        },
    }
    return {PATH: {"post": operation}}


def replay_components() -> dict[str, Schema]:
    """The schemas of the body and the answer."""
    return {"ReplayRequest": _request(), "Replay": _answer(), "ReplayedCounter": _counter()}


def _request() -> Schema:
    names = {
        "type": "array",
        "nullable": True,
        "minItems": 1,
        "maxItems": MAX_NAMES,
        "items": {"type": "string", "minLength": 1, "maxLength": MAX_TEXT},
    }
    moment = "2013-01-31, 2013-01-31T05:00:00Z, now, or a duration before now: -PT24H, -P7D."
    return {
        "type": "object",
        "properties": {
            "mode": {"type": "string", "enum": ["dry-run", "apply"], "default": "dry-run"},
            "metrics": {**names, "description": "All, when left out."},
            "customers": {**names, "description": "All, when left out."},
            "since": {
                **_TEXT,
                "nullable": True,
                "description": f"Event time from, extended to whole periods: {moment}",
            },
            "until": {**_TEXT, "nullable": True, "description": f"Event time before, extended likewise: {moment}"},
            "closed": {"type": "boolean", "default": False, "description": "Change closed counters too."},
            "hash": {**_HASH, "nullable": True, "description": "Of a dry run's answer; nothing else is needed then."},
            "tenantId": {**_TEXT, "nullable": True, "description": "Not needed. Refused unless the API key's own."},
        },
        "additionalProperties": False,
        "example": {"mode": "dry-run", "metrics": ["api_calls"], "since": "-PT24H", "until": "now"},
    }


def _answer() -> Schema:
    metric = _object(
        eventsFound=_COUNT,
        lateEvents=_COUNT,
        counterDelta={**_DECIMAL, "description": "What its counters gain, those that are held left out."},
        affectedCustomers={"type": "array", "items": _TEXT},
    )
    return _object(
        mode={"type": "string", "enum": ["dry-run", "apply"]},
        timeRange=_object(since=_MAYBE_TIME, until=_MAYBE_TIME),
        changes={"type": "object", "additionalProperties": metric, "description": "By metric, of all events in scope."},
        counters={"type": "array", "items": {"$ref": "#/components/schemas/ReplayedCounter"}},
        cursor={**_TEXT, "description": "The replay's id in tally.replays."},
        watermark={**_TIME, "description": "What landed before this had been read when the difference was made."},
        applied={"type": "boolean"},
        summary=_object(events=_COUNT, counters=_COUNT, held=_COUNT, withoutLanding=_COUNT, decided=_COUNT),
        hash=_HASH,
    )


def _counter() -> Schema:
    return _object(
        customerRef=_TEXT,
        metric=_TEXT,
        periodStart=_TIME,
        periodEnd=_MAYBE_TIME,
        closesAt=_MAYBE_TIME,
        valueBefore=_MAYBE_DECIMAL,
        valueAfter=_MAYBE_DECIMAL,
        eventsBefore=_COUNT,
        eventsAfter=_COUNT,
        lateBefore=_COUNT,
        lateAfter=_COUNT,
        moved={**_COUNT, "description": "Events whose period, outcome or measured value differs."},
        told={**_MAYBE_DECIMAL, "description": "What Stripe was told; null for a metric that is not mapped."},
        wouldPush={
            **_MAYBE_DECIMAL,
            "description": "What it would be told next; null for a metric that is not mapped.",
        },
        isClosed={"type": "boolean"},
        isHeld={"type": "boolean", "description": "Left as it is: closed, or sharing moved events with a closed one."},
    )


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "required": list(properties), "properties": properties}
