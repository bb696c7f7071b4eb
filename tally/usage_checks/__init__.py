"""Does usage arrive as it should? Checks of silence, volume, repeats, lateness, conflicts, integrity.

None of them judges an amount: parity does. They say early that an amount is going to be wrong.
"""

from tally.usage_checks.check import UsageCheck
from tally.usage_checks.deliveries import (
    conflicts_are_decided,
    counters_hold_what_was_delivered,
    deliveries_are_rarely_repeated,
    events_are_rarely_late,
)
from tally.usage_checks.silence import usage_keeps_arriving
from tally.usage_checks.volume import usage_volume_is_usual

__all__ = [
    "UsageCheck",
    "conflicts_are_decided",
    "counters_hold_what_was_delivered",
    "deliveries_are_rarely_repeated",
    "events_are_rarely_late",
    "usage_keeps_arriving",
    "usage_volume_is_usual",
]
