"""Stripe's rule for metadata: a key with an empty value is removed, the others are merged."""

from typing import Any


def merged(old: dict[str, str], new: Any) -> dict[str, str]:
    if new is None:
        return {}
    result = {**old, **new}
    return {key: value for key, value in result.items() if value != ""}
