"""Counters over time: as known now, as known at a past moment, as billed then, and what lies between."""

from tally.history.billed import Billed, billed_at
from tally.history.counters import KnownCounter, Selection, known_at, known_now
from tally.history.differences import Difference, Reason, differences

__all__ = [
    "Billed",
    "Difference",
    "KnownCounter",
    "Reason",
    "Selection",
    "billed_at",
    "differences",
    "known_at",
    "known_now",
]
