"""Some rows of a file in order, as events."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ingest.batch import Undecodable
from ingest.event import Event

# One commit: large enough for COPY to run at its speed, small enough that the ledger never waits long for it.
ROWS: Final = 20_000


@dataclass(frozen=True)
class Chunk:
    """`rows` are the places of the events in the file, from 1, `last` the last place that was read for them;
    `original(index)` is a row as the file has it."""

    events: Sequence[Event | Undecodable]
    rows: Sequence[int]
    last: int
    original: Callable[[int], Any]
