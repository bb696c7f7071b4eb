"""The wire event: what one JSON object must look like before its values are judged."""

from typing import Final

import msgspec
from msgspec import Raw

from ingest.refusal import Refusal

ABSENT: Final = Raw()
NULL: Final = b"null"


class Event(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """One delivery as sent. `quantity` and `properties` stay JSON text, so that no number passes through a float."""

    idempotency_key: str
    customer_ref: str
    metric: str
    event_time: str
    quantity: Raw = ABSENT
    properties: Raw = ABSENT
    tenant_id: str | None = None


_FIELDS = Event.__struct_fields__
_WITHOUT_KEY = (
    "is missing, and the request has no header Idempotency-Key to derive one from: "
    "without either, an event that is sent again could not be told from a new one"
)
_REQUIRED = ("idempotency_key", "customer_ref", "metric", "event_time")
_event = msgspec.json.Decoder(Event)
_members = msgspec.json.Decoder(dict[str, Raw])


def decode_event(raw: Raw | bytes) -> Event:
    """An event from valid JSON text.

    Raises:
        Refusal: not an object, a field unknown, missing or of another type; the first such field is named.
    """
    try:
        return _event.decode(raw)
    except msgspec.ValidationError:
        raise _explanation(raw) from None


def key_of(raw: Raw | bytes) -> str | None:
    """The idempotency key of an event that was refused, when it has one that can be read."""
    try:
        return msgspec.json.decode(_members.decode(raw)["idempotency_key"], type=str)
    except (msgspec.ValidationError, KeyError):
        return None


def kind(raw: Raw | bytes) -> str:
    """What a JSON text is, in a word."""
    kinds = {b'"': "a string", b"{": "an object", b"[": "an array", b"t": "a boolean", b"f": "a boolean", b"n": "null"}
    return kinds.get(bytes(raw).lstrip()[:1], "a number")


def _explanation(raw: Raw | bytes) -> Refusal:
    try:
        members = _members.decode(raw)
    except msgspec.ValidationError:
        return Refusal(None, "not_an_object", f"an event is an object, this is {kind(raw)}")
    for name in members:
        if name not in _FIELDS:
            return Refusal(
                name[:255], "unknown_field", f"is not a field of an event; the fields are {', '.join(_FIELDS)}"
            )
    for name in _REQUIRED:
        if name not in members:
            return Refusal(name, "missing_field", _WITHOUT_KEY if name == "idempotency_key" else "is missing")
    for name in (*_REQUIRED, "tenant_id"):
        if name in members and (found := kind(members[name])) != "a string":
            return Refusal(name, "wrong_type", f"is {found}; a string is needed")
    return Refusal(None, "wrong_type", "is not an event")
