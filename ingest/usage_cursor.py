"""Where a page of usage ended: opaque to callers, so that it can change."""

import base64
import binascii
from datetime import UTC, datetime
from typing import Literal

import msgspec

from ingest.query import bad_parameter

Window = Literal["hour", "day", "period"]


class Place(msgspec.Struct, frozen=True, array_like=True):
    """A line of usage; the next page has the ones behind it. `dimensions` is the text that lines are ordered by."""

    window: Window
    customer_ref: str
    metric: str
    start: datetime
    dimensions: str


def cursor_of(place: Place) -> str:
    """The place as callers hand it back."""
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def place_of(cursor: str, window: Window) -> Place:
    """The place in a cursor of the same window.

    Raises:
        Problem: 400, no page of this window has given it out.
    """
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        place = msgspec.json.decode(raw, type=Place)
        place.start.astimezone(UTC)
    except (binascii.Error, ValueError, OverflowError):
        place = None
    text = "" if place is None else place.customer_ref + place.metric + place.dimensions
    if place is None or place.window != window or place.start.tzinfo is None or "\x00" in text:
        raise bad_parameter("cursor", "is not one that a page of this window gave out as next_cursor")
    return place
