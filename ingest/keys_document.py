"""The OpenAPI text of /v1/keys."""

from typing import Final

from ingest.acceptance import MAX_TEXT
from ingest.document_parts import REQUEST_ID, SECURITY, Schema, answer, refusals
from ingest.keys_body import Overlap
from ingest.keys_routes import SCOPE
from tally.api_key_rotation import MAX_OVERLAP
from tally.api_keys import MAX_LIMIT, SCOPES

_TIME: Final = {"type": "string", "format": "date-time"}
_TENANT: Final = {"type": "string", "nullable": True, "description": "Not needed. Refused unless the API key's own."}
_LIMIT: Final = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "nullable": True}
_KEY_ID: Final = {
    "name": "key_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "minLength": 1, "pattern": "^[0-9a-z]+$"},
}


def keys_paths() -> dict[str, Schema]:
    """The operations by path and method."""
    create = {
        **_operation("CreateKey", "Make a key", "The new key is in this answer and nowhere else."),
        "requestBody": _body("NewKey", True),
        "responses": {"201": answer("The key.", "ShownKey"), **_refusals("GET or POST")},
    }
    listed = {
        **_operation("ListKeys", "List the keys", "All keys of the tenant, ended ones too, without their secrets."),
        "responses": {"200": answer("The keys.", "Keys"), **_refusals("GET or POST")},
    }
    limit = {
        **_operation("LimitKey", "Change a key's limits", "Every door holds to them within five seconds.", _KEY_ID),
        "requestBody": _body("NewLimits", True),
        "responses": {"200": answer("The key as it is now.", "Key"), **_refusals("PATCH or DELETE", _404=_NONE)},
    }
    revoke = {
        **_operation("RevokeKey", "Revoke a key", "For good; every door refuses it within five seconds.", _KEY_ID),
        "responses": {
            "200": answer("It is revoked.", "RevokedKey"),
            **_refusals("PATCH or DELETE", bodies=False, _404=_NONE),
        },
    }
    rotate = {
        **_operation("RotateKey", "Put a new key in a key's place", "The old one works on for the overlap.", _KEY_ID),
        "requestBody": _body("Overlap", False),
        "responses": {"201": answer("The new key.", "ShownKey"), **_refusals("POST", _404=_NONE)},
    }
    return {
        "/v1/keys": {"get": listed, "post": create},
        "/v1/keys/{key_id}": {"patch": limit, "delete": revoke},
        "/v1/keys/{key_id}/rotate": {"post": rotate},
    }


def keys_components() -> dict[str, Schema]:
    """The schemas of bodies and answers."""
    text = {"type": "string"}
    moment = {**_TIME, "nullable": True}
    scopes = {"type": "array", "minItems": 1, "items": {"type": "string", "enum": list(SCOPES)}}
    stored = {
        "key_id": {**text, "description": "The public part, for recognition."},
        "tenant_id": text,
        "name": text,
        "scopes": scopes,
        "created_at": _TIME,
        "expires_at": moment,
        "revoked_at": moment,
        "last_used_at": {**moment, "description": "True to the minute; null until the first use."},
        "events_per_second": {**_LIMIT, "description": "Null: the doors' own setting."},
        "burst": {**_LIMIT, "description": "Null: the doors' own setting."},
        "replaces": {**text, "nullable": True, "description": "The key_id that was rotated into this one."},
    }
    shown = {"key": {**text, "description": "The whole key, shown this once."}, **stored}
    new = {
        "name": {**text, "minLength": 1, "maxLength": MAX_TEXT, "description": "Who or what uses it."},
        "scopes": {**scopes, "default": ["events:write"], "description": "Each one a scope of the asking key."},
        "expires_at": {**moment, "description": "Never, when left out."},
        "events_per_second": {**_LIMIT, "description": "The asking key's own when left out, and never above it."},
        "burst": {**_LIMIT, "description": "The asking key's own when left out, and never above it."},
        "tenant_id": _TENANT,
    }
    seconds = int(MAX_OVERLAP.total_seconds())
    overlap = {"type": "integer", "minimum": 0, "maximum": seconds, "default": Overlap().overlap_seconds}
    return {
        "Key": {"type": "object", "required": list(stored), "properties": stored},
        "ShownKey": {"type": "object", "required": list(shown), "properties": shown},
        "Keys": {
            "type": "object",
            "required": ["keys"],
            "properties": {"keys": {"type": "array", "items": {"$ref": "#/components/schemas/Key"}}},
        },
        "RevokedKey": {
            "type": "object",
            "required": ["key_id", "revoked"],
            "properties": {"key_id": text, "revoked": {"type": "boolean"}},
        },
        "NewKey": {
            "type": "object",
            "required": ["name"],
            "properties": new,
            "additionalProperties": False,
            "example": {"name": "checkout-service", "scopes": ["events:write"]},
        },
        "NewLimits": {
            "type": "object",
            "properties": {
                "events_per_second": {**_LIMIT, "description": _STAYS},
                "burst": {**_LIMIT, "description": _STAYS},
                "tenant_id": _TENANT,
            },
            "anyOf": [{"required": ["events_per_second"]}, {"required": ["burst"]}],
            "additionalProperties": False,
            "example": {"events_per_second": 500, "burst": 2000},
        },
        "Overlap": {
            "type": "object",
            "properties": {"overlap_seconds": overlap, "tenant_id": _TENANT},
            "additionalProperties": False,
            "example": {"overlap_seconds": 3600},
        },
    }


_STAYS: Final = "Stays when left out; null: the doors' own setting. Never above the asking key's own."
_NONE: Final = "The tenant has no key with this id."


def _operation(name: str, summary: str, description: str, *parameters: Schema) -> Schema:
    return {
        "operationId": name,
        "summary": summary,
        "description": description,
        "tags": ["keys"],
        "security": SECURITY,
        "parameters": [REQUEST_ID, *parameters],
    }


def _body(schema: str, required: bool) -> Schema:
    return {
        "required": required,
        "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}},
    }


def _refusals(methods: str, bodies: bool = True, **others: str) -> dict[str, Schema]:
    unread = {"_408": "The body did not arrive in time.", "_413": "The body is too large.", "_415": "Not taken so."}
    return refusals(SCOPE, methods, **(unread if bodies else {}), **others)
