"""Where a page of reports, or of a report's lines, ended: opaque to callers, so that it can change."""

import base64
import binascii
from datetime import UTC, datetime
from typing import TypeVar

import msgspec

from ingest.query import bad_parameter

MAX_RUN = 2**63 - 1


class RunPlace(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A run; the next page has the ones before it."""

    run_id: int


class LinePlace(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A line; the next page has the ones behind it. `mode` is 1 for live, 0 for test, -1 where there is no account."""

    customer_ref: str
    metric: str
    period_start: datetime
    account: str
    mode: int


Place = TypeVar("Place", RunPlace, LinePlace)


def cursor_of(place: RunPlace | LinePlace) -> str:
    """The place as callers hand it back."""
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def place_of(cursor: str, kind: type[Place]) -> Place:
    """The place in a cursor of this kind.

    Raises:
        Problem: 400, no page of this kind has given it out.
    """
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        place = msgspec.json.decode(raw, type=kind)
    except (binascii.Error, ValueError):
        place = None
    if place is None or not _is_sound(place):
        raise bad_parameter("cursor", "is not one that a page of this list gave out as next_cursor")
    return place


def _is_sound(place: RunPlace | LinePlace) -> bool:
    """Whether Postgres can compare with it."""
    if isinstance(place, RunPlace):
        return 0 < place.run_id <= MAX_RUN
    try:
        place.period_start.astimezone(UTC)
    except OverflowError:
        return False
    text = place.customer_ref + place.metric + place.account
    return place.period_start.tzinfo is not None and "\x00" not in text and -1 <= place.mode <= 1
