"""Where a page of deliveries ended: opaque to callers, so that it can change."""

import base64
import binascii
import re
from typing import NamedTuple

from ingest.query import bad_parameter

_POSITION = re.compile(r"1\.([0-9]{1,20})\.([0-9]{1,19})")
_MAX_XID = 2**64 - 1
_MAX_SEQ = 2**63 - 1


class Position(NamedTuple):
    """The landing transaction and number of a delivery; the next page has the ones that landed before it."""

    xid: int
    seq: int


def cursor_of(position: Position) -> str:
    """The position as callers hand it back."""
    return base64.urlsafe_b64encode(f"1.{position.xid}.{position.seq}".encode()).decode().rstrip("=")


def position_of(cursor: str) -> Position:
    """The position in a cursor.

    Raises:
        Problem: 400, no door has given it out.
    """
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        text = ""
    match = _POSITION.fullmatch(text)
    if match is not None:
        position = Position(int(match[1]), int(match[2]))
        if position.xid <= _MAX_XID and position.seq <= _MAX_SEQ:
            return position
    raise bad_parameter("cursor", "is not one that a page gave out as next_cursor")
