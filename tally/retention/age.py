"""Ages as an operator writes them."""

import re
from datetime import timedelta

from tally.retention.errors import RetentionRefused


def parse_age(text: str) -> timedelta:
    """`400d` as 400 days; days are the only unit.

    Raises:
        RetentionRefused: it is something else, or less than a day.
    """
    if not re.fullmatch(r"[1-9][0-9]{0,4}d", text):
        raise RetentionRefused(f"age {text!r}: a number of days, at least 1, such as 400d")
    return timedelta(days=int(text[:-1]))
