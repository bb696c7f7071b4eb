"""Conflicts: one key, different payloads. The first delivery counts until a person decides otherwise."""

from tally.conflicts.conflict import Conflict, Delivery, deliveries_of, list_conflicts
from tally.conflicts.decision import Decision, keep_first, replace
from tally.conflicts.errors import AlreadyDecided, NoConflict, UnclearChoice
from tally.conflicts.recount import recount

__all__ = [
    "AlreadyDecided",
    "Conflict",
    "Decision",
    "Delivery",
    "NoConflict",
    "UnclearChoice",
    "deliveries_of",
    "keep_first",
    "list_conflicts",
    "recount",
    "replace",
]
