"""Parameters that several reading routes take, read from the query."""

from datetime import datetime

from ingest.acceptance import MAX_TEXT
from ingest.event_time import event_time
from ingest.query import bad_parameter
from ingest.refusal import Refusal
from ingest.route import Call

DEFAULT_LIMIT = 100
MAX_LIMIT = 1000


def text_in(call: Call, name: str) -> str | None:
    """The text, of 1 to 255 characters; None when it is not given. Raises a 400."""
    value = call.query.get(name)
    if value is not None and not 1 <= len(value) <= MAX_TEXT:
        raise bad_parameter(name, f"has {len(value)} characters; 1 to {MAX_TEXT} are taken")
    return value


def time_in(call: Call, name: str) -> datetime | None:
    """The instant, UTC; None when it is not given. Raises a 400."""
    value = call.query.get(name)
    try:
        return None if value is None else event_time(value)
    except Refusal as refusal:
        hint = "; in a query, + is written %2B" if value is not None and " " in value else ""
        raise bad_parameter(name, f"{refusal.reason}{hint}") from None


def limit_in(call: Call) -> int:
    """How many lines a page has. Raises a 400."""
    text = call.query.get("limit", str(DEFAULT_LIMIT))
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and 1 <= int(text) <= MAX_LIMIT):
        raise bad_parameter("limit", f"is not a whole number from 1 to {MAX_LIMIT}")
    return int(text)
