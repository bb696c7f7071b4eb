"""Replay: landed events counted again by today's periods, meters and decisions; shown first, applied as shown."""

from tally.replay.changes import Change
from tally.replay.errors import ReplayBusy, ReplayRefused, UnknownHash
from tally.replay.records import EventsInScope, Replay
from tally.replay.recount import recount_events
from tally.replay.replays import ReplayChanged, Replays
from tally.replay.request import Request

__all__ = [
    "Change",
    "EventsInScope",
    "Replay",
    "ReplayBusy",
    "ReplayChanged",
    "ReplayRefused",
    "Replays",
    "Request",
    "UnknownHash",
    "recount_events",
]
