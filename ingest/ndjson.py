"""NDJSON: one event a line, so a line that is broken is one event rejected and not a request refused."""

import msgspec

from ingest.batch import Batch, Undecodable, check_size, decoded
from ingest.broken_json import broken_json
from ingest.event import Event
from ingest.refusal import Refusal

_event = msgspec.json.Decoder(Event)
_BROKEN = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def decode_ndjson(body: bytes, max_events: int, key_stem: str | None = None) -> Batch:
    """The events of the lines that hold more than white space; an event's index counts those lines alone.

    Raises:
        Problem: 400 when there is no event, 413 when there are too many.
    """
    lines = [line for line in body.split(b"\n") if line.strip()]
    check_size(len(lines), max_events)
    return Batch([event_of_line(line, index, key_stem) for index, line in enumerate(lines)])


def event_of_line(line: bytes, index: int, key_stem: str | None) -> Event | Undecodable:
    """The event of one line, or why it is none."""
    try:
        # Most lines are sound events with a key; a line without one is refused here and seen again below.
        return _event.decode(line)
    except _BROKEN:
        pass
    try:
        line.decode()
        msgspec.json.decode(line, type=msgspec.Raw)
        return decoded(line, index, key_stem)
    except _BROKEN:
        reason = broken_json(line).detail.removeprefix("the body ").replace("line 1, ", "")
        return Undecodable(None, Refusal(None, "not_json", reason))
