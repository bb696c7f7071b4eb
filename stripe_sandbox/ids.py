"""Ids shaped like Stripe's: a prefix that says what it is, then letters and digits."""

import hashlib
import random
import string

ALPHABET = string.ascii_letters + string.digits
_random = random.SystemRandom()


def new_id(prefix: str, length: int = 24) -> str:
    return f"{prefix}_{''.join(_random.choices(ALPHABET, k=length))}"


def derived_id(prefix: str, *parts: object) -> str:
    """The same parts give the same id, for things that are computed again at each read."""
    digest = hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()
    return f"{prefix}_{digest[:24]}"
