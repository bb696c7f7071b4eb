"""Adjustments: signed, reasoned corrections of counters, from a proposal to what is billed, and back."""

from tally.adjustments.adjustment import REASONS, Adjustment, read
from tally.adjustments.creation import Request, create
from tally.adjustments.errors import (
    AdjustmentRefused,
    AmountChanged,
    NoSuchAdjustment,
    NotBookable,
    SecondPersonNeeded,
    WrongState,
)
from tally.adjustments.late import LateProposal, propose_late_adjustments
from tally.adjustments.lifecycle import Booking, approve, counter_value, reject, revert
from tally.adjustments.listing import AdjustedEvent, events_of, list_adjustments
from tally.adjustments.people import require_person

__all__ = [
    "REASONS",
    "AdjustedEvent",
    "Adjustment",
    "AdjustmentRefused",
    "AmountChanged",
    "Booking",
    "LateProposal",
    "NoSuchAdjustment",
    "NotBookable",
    "Request",
    "SecondPersonNeeded",
    "WrongState",
    "approve",
    "counter_value",
    "create",
    "events_of",
    "list_adjustments",
    "propose_late_adjustments",
    "read",
    "reject",
    "require_person",
    "revert",
]
