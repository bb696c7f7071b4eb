"""Idempotency keys from the request: `<Idempotency-Key header>:<index>` for events that bring none of their own.

The index is part of the key, because one key for a whole request would make one event of all its events.
"""

import re

import msgspec
from msgspec import Raw

from ingest.problem import Problem

HEADER = b"idempotency-key"
# What is left of an event's 255 characters once a colon and an index have their place.
MAX_HEADER = 240
_TOKEN = re.compile(rb"[!#-~](?:[ -~]*[!#-~])?")
_members = msgspec.json.Decoder(dict[str, Raw])


def key_stem(header: bytes | None) -> str | None:
    """What the keys of a request's events begin with; None without the header. Quotes around it do not count.

    Raises:
        Problem: 400, it is empty, too long, or holds more than printable ASCII.
    """
    if header is None:
        return None
    stem = header.strip()
    if len(stem) >= 2 and stem[:1] == stem[-1:] == b'"':
        stem = stem[1:-1]
    if len(stem) > MAX_HEADER or _TOKEN.fullmatch(stem) is None:
        detail = f"the header Idempotency-Key takes 1 to {MAX_HEADER} printable ASCII characters, in quotes or without"
        raise Problem(400, "bad-idempotency-key", detail)
    return stem.decode("ascii")


def with_key(raw: Raw | bytes, stem: str, index: int) -> Raw | bytes:
    """The event's JSON with the derived key in it, unless it brings a key, or is no object."""
    try:
        members = _members.decode(raw)
    except msgspec.ValidationError:
        return raw
    if "idempotency_key" in members:
        return raw
    return msgspec.json.encode({"idempotency_key": f"{stem}:{index}", **members})
