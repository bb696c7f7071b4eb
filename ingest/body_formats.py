"""The forms in which events may be posted, by media type."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from ingest.batch import Batch, decode_batch
from ingest.cloud_events import FIELDS, decode_cloud_event, decode_cloud_events
from ingest.ndjson import decode_ndjson
from ingest.problem import Problem


class BodyFormat(NamedTuple):
    """How a body becomes events: `decode(body, max_events, key_stem)`, and what its senders call an event's fields."""

    decode: Callable[[bytes, int, str | None], Batch]
    fields: Mapping[str, str] = {}


FORMATS: Final[Mapping[bytes, BodyFormat]] = {
    b"application/json": BodyFormat(decode_batch),
    b"application/x-ndjson": BodyFormat(decode_ndjson),
    b"application/cloudevents+json": BodyFormat(decode_cloud_event, FIELDS),
    b"application/cloudevents-batch+json": BodyFormat(decode_cloud_events, FIELDS),
}


def format_of(media_type: bytes) -> BodyFormat:
    """The format of a media type in lower case.

    Raises:
        Problem: 415, events are not taken in it.
    """
    found = FORMATS.get(media_type)
    if found is None:
        taken = ", ".join(name.decode() for name in FORMATS)
        detail = f"send JSON with the header Content-Type: application/json; taken are {taken}"
        raise Problem(415, "unsupported-media-type", detail, ((b"accept", taken.encode()),))
    return found
