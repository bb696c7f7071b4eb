"""JSONL, line by line, by the door's own decoder: Polars would make floats of the numbers."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Raw

from ingest.batch import Undecodable
from ingest.event import Event
from ingest.importing.chunk import ROWS, Chunk
from ingest.importing.reading import FIELDS, ImportRefused, Reading
from ingest.importing.tables import with_zone
from ingest.ndjson import event_of_line

_members = msgspec.json.Decoder(dict[str, Raw])


def line_chunks(path: Path, reading: Reading, skip: int) -> Iterator[Chunk]:
    """The lines behind the first `skip`; a line of white space is no row."""
    plain = reading == Reading(key_stem=reading.key_stem)
    if wrong := sorted({*reading.columns, *reading.values} - set(FIELDS)):
        raise ImportRefused(f"{wrong[0]} is not a field of an event; the fields are {', '.join(FIELDS)}")
    with path.open("rb") as file:
        numbered = islice(enumerate(file, 1), skip, None)
        while part := list(islice(numbered, ROWS)):
            rows = [(row, line.rstrip(b"\r\n")) for row, line in part if line.strip()]
            events = [_event(line, row, reading, plain) for row, line in rows]
            lines = [line for _, line in rows]
            yield Chunk(events, [row for row, _ in rows], part[-1][0], partial(_shown, lines))


def _event(line: bytes, row: int, reading: Reading, plain: bool) -> Event | Undecodable:
    if plain:
        return event_of_line(line, row, reading.key_stem)
    try:
        sent = _members.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return event_of_line(line, row, None)
    return event_of_line(_mapped(sent, reading), row, reading.key_stem)


def _mapped(sent: dict[str, Raw], reading: Reading) -> bytes:
    renamed = {column: name for name, column in reading.columns.items()}
    members: dict[str, Any] = {renamed.get(name, name): value for name, value in sent.items()}
    if kept := {name: members.pop(name) for name in reading.property_columns if name in members}:
        members["properties"] = kept
    if reading.ignore_others:
        members = {name: value for name, value in members.items() if name in FIELDS}
    if reading.utc and bytes(members.get("event_time", b"")).startswith(b'"'):
        members["event_time"] = with_zone(msgspec.json.decode(members["event_time"]))
    return msgspec.json.encode({**members, **reading.values})


def _shown(lines: Sequence[bytes], index: int) -> str:
    return lines[index].decode("utf-8", "replace")
