"""The OpenAPI text of reading events."""

from ingest.acceptance import MAX_TEXT
from ingest.document_parts import REQUEST_ID, SECURITY, Schema, answer, refusals
from ingest.events_reading import SCOPE
from ingest.parameters import DEFAULT_LIMIT, MAX_LIMIT

_TEXT = {"type": "string", "minLength": 1, "maxLength": MAX_TEXT}
_TIME = {"type": "string", "format": "date-time"}
_PAGING: list[tuple[str, Schema, str]] = [
    (
        "limit",
        {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
        "Deliveries of a page.",
    ),
    ("cursor", {"type": "string"}, "`next_cursor` of the page before; the filters stay the same."),
]
_FILTERS: list[tuple[str, Schema, str]] = [
    ("customer_ref", _TEXT, "Of one customer."),
    ("metric", _TEXT, "Of one metric."),
    ("from", _TIME, "Event time at or after this."),
    ("to", _TIME, "Event time before this."),
    ("idempotency_key", _TEXT, "Of one event."),
    ("key_prefix", _TEXT, "Whose idempotency_key begins with this."),
]
_STANDINGS = {
    "counted": "it is in its period's counter",
    "duplicate": "a repeat, equal to the first delivery: counts no more",
    "conflict": "a repeat that says something else than the first delivery: kept, counts nothing",
    "late": "the first delivery, landed after the period's lateness window: waits for a decision",
    "filtered": "its meter's filter leaves it out",
    "unmeasurable": "the property that its meter measures is missing or no number",
    "unmetered": "its metric was not declared when the ledger read it; `tally replay` counts it once it is",
    "reversed": "a person took it out of its counter",
    "not_yet_counted": "landed, and not read by the ledger yet: seconds, as a rule",
}


def reading_paths() -> dict[str, Schema]:
    """The operations by path and method."""
    key = {"name": "key", "in": "path", "required": True, "schema": _TEXT}
    listed = {
        "operationId": "ListEvents",
        "summary": "Look up what landed",
        "description": (
            "Deliveries of the key's own tenant, newest landing first, each with its standing. Filters add up. There "
            "is no index of customers, metrics or keys where events land: what lies far back takes long to find."
        ),
        "tags": ["events"],
        "security": SECURITY,
        "parameters": [REQUEST_ID, *map(_parameter, _FILTERS), *map(_parameter, _PAGING)],
        "responses": {"200": answer("A page.", "EventPage"), **refusals(SCOPE, "GET or POST")},
    }
    one = {
        "operationId": "GetEvent",
        "summary": "All deliveries of one event",
        "description": "Percent-encode the key: `/` is `%2F`, a space `%20`.",
        "tags": ["events"],
        "security": SECURITY,
        "parameters": [REQUEST_ID, {**key, "description": "The idempotency_key."}, *map(_parameter, _PAGING)],
        "responses": {
            "200": answer("Its deliveries, newest landing first.", "EventPage"),
            **refusals(SCOPE, "GET", _404="Nothing has landed under this key."),
        },
    }
    return {"/v1/events": {"get": listed}, "/v1/events/{key}": {"get": one}}


def reading_components() -> dict[str, Schema]:
    """The schemas of the answers."""
    standings = "; ".join(f"`{name}`: {meaning}" for name, meaning in _STANDINGS.items())
    delivery = {
        "idempotency_key": {"type": "string"},
        "customer_ref": {"type": "string"},
        "metric": {"type": "string"},
        "quantity": {"type": "string", "description": "Decimal text, exactly as it landed."},
        "event_time": _TIME,
        "properties": {
            "type": "object",
            "nullable": True,
            "description": "The object that was sent; null when none was.",
        },
        "landed_at": _TIME,
        "standing": {"type": "string", "enum": list(_STANDINGS), "description": standings},
        "period": {
            "type": "object",
            "nullable": True,
            "description": "The billing period that the event was dated into, [start, end); null until it is read.",
            "required": ["start", "end"],
            "properties": {"start": _TIME, "end": _TIME},
        },
    }
    page = {
        "events": {"type": "array", "items": {"$ref": "#/components/schemas/Delivery"}},
        "next_cursor": {"type": "string", "nullable": True, "description": "Null on the last page."},
        "archived_before": {
            **_TIME,
            "nullable": True,
            "description": (
                "Of what landed before this time, whole days have been archived and are not listed here. "
                "Null when none have."
            ),
        },
    }
    return {
        "Delivery": {"type": "object", "required": list(delivery), "properties": delivery},
        "EventPage": {"type": "object", "required": list(page), "properties": page},
    }


def _parameter(described: tuple[str, Schema, str]) -> Schema:
    name, schema, description = described
    return {"name": name, "in": "query", "schema": schema, "description": description}
