"""The OpenAPI text of reading usage."""

from ingest.acceptance import MAX_TEXT
from ingest.document_parts import REQUEST_ID, SECURITY, Schema, answer, refusals
from ingest.parameters import DEFAULT_LIMIT, MAX_LIMIT
from ingest.usage_routes import MAX_DIMENSIONS, SCOPE

_TEXT = {"type": "string", "minLength": 1, "maxLength": MAX_TEXT}
_TIME = {"type": "string", "format": "date-time"}
_NUMBER = {"type": "string", "nullable": True, "description": "Decimal text, exact."}
_PARAMETERS: list[tuple[str, Schema, str]] = [
    ("customer_ref", _TEXT, "Of one customer."),
    ("metric", _TEXT, "Of one metric."),
    ("from", _TIME, "Windows that start at or after this."),
    ("to", _TIME, "Windows that start before this."),
    ("window", {"type": "string", "enum": ["hour", "day", "period"], "default": "day"}, "What a line is of."),
    ("group_by", {"type": "string", "minLength": 1}, f"Up to {MAX_DIMENSIONS} dimensions, as `region,model`."),
    ("limit", {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}, "Lines of a page."),
    ("cursor", {"type": "string"}, "`next_cursor` of the page before; everything else stays the same."),
]


def usage_paths() -> dict[str, Schema]:
    """The operation."""
    listed = {
        "operationId": "ListUsage",
        "summary": "Read what was used",
        "description": (
            "Counted usage of the key's own tenant by hour or day on the tenant's wall clock, or by billing period, in "
            "the order of customer, metric, start and dimensions. A period without `group_by` is the counter that is "
            "billed, adjustments included; everything else is made of counted events alone. What has landed within the "
            "last seconds may not be in it yet."
        ),
        "tags": ["usage"],
        "security": SECURITY,
        "parameters": [
            REQUEST_ID,
            *(
                {"name": name, "in": "query", "schema": schema, "description": description}
                for name, schema, description in _PARAMETERS
            ),
        ],
        "responses": {"200": answer("A page.", "UsagePage"), **refusals(SCOPE, "GET")},
    }
    return {"/v1/usage": {"get": listed}}


def usage_components() -> dict[str, Schema]:
    """The schemas of the answer."""
    line = {
        "customer_ref": {"type": "string"},
        "metric": {"type": "string"},
        "start": _TIME,
        "end": {
            **_TIME,
            "nullable": True,
            "description": "Exclusive. Null for periods by dimensions.",
        },
        "dimensions": {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "description": 'The values of the dimensions in `group_by`; "" where an event had none.',
        },
        "event_count": {"type": "integer"},
        "value": {
            **_NUMBER,
            "description": (
                "What the meter makes of it, decimal text. Null where unique, percentile or time_weighted_sum would "
                "have to be added up from hours: ask for the whole period."
            ),
        },
        "unit": {"type": "string", "nullable": True},
        "aggregation": {"type": "string", "nullable": True},
        "quantity_sum": _NUMBER,
        "quantity_min": _NUMBER,
        "quantity_max": _NUMBER,
        "last_quantity": _NUMBER,
    }
    page = {
        "usage": {"type": "array", "items": {"$ref": "#/components/schemas/UsageLine"}},
        "next_cursor": {"type": "string", "nullable": True, "description": "Null on the last page."},
        "hours_deleted_up_to": {
            "type": "string",
            "format": "date-time",
            "nullable": True,
            "description": (
                "Billing periods that ended by then have no hours or days any more; window=period without "
                "group_by still has them. "
                "Null when nothing was deleted."
            ),
        },
    }
    return {
        "UsageLine": {"type": "object", "required": list(line), "properties": line},
        "UsagePage": {"type": "object", "required": list(page), "properties": page},
    }
