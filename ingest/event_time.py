"""Event times: RFC 3339 with a zone, microseconds kept, finer refused."""

import re
from datetime import UTC, datetime

from ingest.refusal import Refusal

_RFC3339 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]((?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9])"
    r"(?:\.([0-9]+))?([Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])?"
)


def event_time(text: str) -> datetime:
    """The instant that `text` names, in UTC.

    Raises:
        Refusal: not RFC 3339, no zone, no such day, or finer than a microsecond.
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise Refusal("event_time", "bad_time", "is not an RFC 3339 time such as 2026-01-31T23:59:59.123456Z")
    day, clock, fraction, zone = match.groups()
    if zone is None:
        raise Refusal("event_time", "bad_time", "has no time zone: end it with Z or an offset such as +02:00")
    fraction = (fraction or "").rstrip("0")
    if len(fraction) > 6:
        raise Refusal("event_time", "bad_time", "is finer than a microsecond; nothing is rounded")
    try:
        return datetime.fromisoformat(f"{day}T{clock}.{fraction:0<6}{zone.upper()}").astimezone(UTC)
    except (ValueError, OverflowError):
        raise Refusal("event_time", "bad_time", "names a day or hour that does not exist") from None
