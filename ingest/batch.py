"""From a body to its events: one pass over a sound body, one by one when something in it is wrong."""

import re
from collections.abc import Sequence

import msgspec
from msgspec import Raw

from ingest.broken_json import broken_json
from ingest.derived_keys import with_key
from ingest.event import Event, decode_event, key_of, kind
from ingest.problem import Problem
from ingest.refusal import Refusal


class Undecodable(msgspec.Struct, frozen=True):
    """An event that is not shaped like one, and why."""

    idempotency_key: str | None
    refusal: Refusal


class Batch(msgspec.Struct, frozen=True):
    """The events of one request in order, and the tenant that the body names beside them, if any."""

    events: Sequence[Event | Undecodable]
    tenant_id: str | None = None


class _SoundBatch(msgspec.Struct, forbid_unknown_fields=True):
    events: list[Event]
    tenant_id: str | None = None


class _RawBatch(msgspec.Struct):
    events: list[Raw]
    tenant_id: str | None = None


_BATCH_AHEAD = re.compile(rb'\s*\{\s*"events"\s*:')
_event = msgspec.json.Decoder(Event)
_sound_batch = msgspec.json.Decoder(_SoundBatch)
_raw_batch = msgspec.json.Decoder(_RawBatch)
_members = msgspec.json.Decoder(dict[str, Raw])
_UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def decode_batch(body: bytes, max_events: int, key_stem: str | None = None) -> Batch:
    """The events of a body: one event object, or `{"events": [...]}`. Those without a key get one from `key_stem`.

    Raises:
        Problem: 400 when the body as a whole is not what the door takes, 413 when it holds too many events.
    """
    if key_stem is not None:
        return _decode_one_by_one(body, max_events, key_stem)
    try:
        if not _BATCH_AHEAD.match(body):
            return Batch((_event.decode(body),))
        batch = _sound_batch.decode(body)
    except _UNDECODABLE:
        return _decode_one_by_one(body, max_events, None)
    check_size(len(batch.events), max_events)
    return Batch(batch.events, batch.tenant_id)


def _decode_one_by_one(body: bytes, max_events: int, key_stem: str | None) -> Batch:
    try:
        body.decode()
        members = _members.decode(body)
    except msgspec.ValidationError:
        raise Problem(
            400, "not-events", f'the body is {kind(body)}: send one event object, or {{"events": [...]}}'
        ) from None
    except _UNDECODABLE:
        raise broken_json(body) from None
    if "events" not in members:
        return Batch((decoded(body, 0, key_stem),))
    if unknown := [name for name in members if name not in ("events", "tenant_id")]:
        raise _wrong_member(unknown[0][:255], "is not taken beside events")
    try:
        batch = _raw_batch.decode(body)
    except msgspec.ValidationError:
        name, needed = ("tenant_id", "a string") if kind(members["events"]) == "an array" else ("events", "an array")
        raise _wrong_member(name, f"is {kind(members[name])}; {needed} is needed") from None
    check_size(len(batch.events), max_events)
    events = [decoded(raw, index, key_stem) for index, raw in enumerate(batch.events)]
    return Batch(events, batch.tenant_id)


def decoded(raw: Raw | bytes, index: int, key_stem: str | None) -> Event | Undecodable:
    """One event of a batch, from valid JSON text."""
    if key_stem is not None:
        raw = with_key(raw, key_stem, index)
    try:
        return decode_event(raw)
    except Refusal as refusal:
        return Undecodable(key_of(raw), refusal)


def _wrong_member(name: str, reason: str) -> Problem:
    return Problem(400, "not-events", f"{name} {reason}", errors=[{"index": None, "field": name, "reason": reason}])


def check_size(count: int, max_events: int) -> None:
    """Refuse a request of no events (400) or of more than `max_events` (413)."""
    if count == 0:
        raise _wrong_member("events", f"is empty; 1 to {max_events} are taken")
    if count > max_events:
        detail = f"{count} events in one request; at most {max_events} are taken: send them in smaller batches"
        raise Problem(413, "too-many-events", detail, limit=max_events)
