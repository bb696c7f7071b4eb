"""The bodies of /v1/keys: what may be asked of a new key, of its limits, or of a rotation."""

from datetime import datetime

import msgspec
from msgspec import UNSET, UnsetType

from ingest.acceptance import MAX_TEXT
from ingest.event_time import event_time
from ingest.problem import Problem
from ingest.refusal import Refusal


class NewKey(msgspec.Struct, forbid_unknown_fields=True):
    """A key to be made. Limits that are left out are those of the asking key."""

    name: str
    scopes: list[str] = msgspec.field(default_factory=lambda: ["events:write"])
    expires_at: str | None = None
    events_per_second: int | None = None
    burst: int | None = None
    tenant_id: str | None = None


class Overlap(msgspec.Struct, forbid_unknown_fields=True):
    """How a key is rotated; everything may be left out."""

    overlap_seconds: int = 86_400
    tenant_id: str | None = None


class NewLimits(msgspec.Struct, forbid_unknown_fields=True):
    """Limits of a key that are to change; null leaves one to the doors' settings, and what is left out stays."""

    events_per_second: int | UnsetType | None = UNSET
    burst: int | UnsetType | None = UNSET
    tenant_id: str | None = None


_new_limits = msgspec.json.Decoder(NewLimits)
_new_key = msgspec.json.Decoder(NewKey)
_overlap = msgspec.json.Decoder(Overlap)


def new_key_in(body: bytes) -> NewKey:
    """The key that a body asks for.

    Raises:
        Problem: 400, it is not such a body, or its name cannot be kept.
    """
    try:
        wanted = _new_key.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _unusable(str(error)) from None
    name = wanted.name
    if not 1 <= len(name) <= MAX_TEXT or name != name.strip() or not name.isprintable():
        raise _unusable(f"name takes 1 to {MAX_TEXT} printable characters without white space at the ends")
    return wanted


def new_limits_in(body: bytes) -> NewLimits:
    """The limits that a body asks for.

    Raises:
        Problem: 400, it is not such a body.
    """
    try:
        return _new_limits.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _unusable(str(error)) from None


def overlap_in(body: bytes) -> Overlap:
    """How a body asks to rotate; an empty one asks for nothing special.

    Raises:
        Problem: 400, it is not such a body.
    """
    try:
        return _overlap.decode(body) if body.strip() else Overlap()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _unusable(str(error)) from None


def expiry_of(wanted: NewKey, now: datetime) -> datetime | None:
    """When the key is to expire, UTC.

    Raises:
        Problem: 400, it is no time, or in the past.
    """
    if wanted.expires_at is None:
        return None
    try:
        expires_at = event_time(wanted.expires_at)
    except Refusal as refusal:
        raise _unusable(f"expires_at {refusal.reason}") from None
    if expires_at <= now:
        raise _unusable("expires_at is not in the future")
    return expires_at


def _unusable(reason: str) -> Problem:
    return Problem(400, "bad-request", f"the body cannot be used: {reason}")
