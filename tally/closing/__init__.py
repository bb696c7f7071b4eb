"""Closing periods: the last push, drafts held until everything on them is settled, and what a final invoice missed."""

from tally.closing.by_hand import settle_by_hand
from tally.closing.deciding import approve, reject
from tally.closing.due import Due, closing_due
from tally.closing.errors import ClosingRefused, NoSuchHold, NoSuchRest
from tally.closing.hold import Hold, holds
from tally.closing.holding_by_hand import hold_by_hand, release
from tally.closing.overview import Overview, overview
from tally.closing.rest import Rest, events_of, list_rests, read
from tally.closing.run import CloseResult, close_periods
from tally.closing.watching import VERDICTS, DraftState

__all__ = [
    "VERDICTS",
    "CloseResult",
    "ClosingRefused",
    "DraftState",
    "Due",
    "Hold",
    "NoSuchHold",
    "NoSuchRest",
    "Overview",
    "Rest",
    "approve",
    "close_periods",
    "closing_due",
    "events_of",
    "hold_by_hand",
    "holds",
    "list_rests",
    "overview",
    "read",
    "reject",
    "release",
    "settle_by_hand",
]
