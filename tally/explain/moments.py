"""Moments and periods as a person writes them: 2013-01, 2013-01-15, 2013-01-15T09:30Z."""

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from tally.errors import TallyError
from tally.months import bounds


def moment_of(text: str, zone: ZoneInfo, name: str = "PERIOD") -> datetime:
    """The instant, in UTC. Without a zone it is one on the tenant's wall clock; a day is its first moment.

    Raises:
        TallyError: `text` is no time; the message names the argument.
    """
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise TallyError(
            f"{name}: {text!r} is no time: write 2013-01-15, 2013-01-15T09:30Z or 2013-01-15T09:30-05:00"
        ) from None


def month_of(text: str, name: str = "PERIOD") -> tuple[datetime, datetime] | None:
    """The UTC bounds of a month written like 2013-01; None when the text is written otherwise.

    Raises:
        TallyError: there is no such month.
    """
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}", text):
        return None
    try:
        return bounds(text)
    except ValueError:
        raise TallyError(f"{name}: there is no month {text!r}: write 2013-01") from None
