"""CloudEvents 1.0 in JSON, one (structured mode) or an array of them (batch): usage in another envelope.

    id, source -> idempotency_key "<source> <id>"   (only the two together are unique among CloudEvents)
    subject -> customer_ref, type -> metric, time -> event_time
    data.quantity, data.properties -> the same

A source holds no white space, so two different pairs never make the same key. Other attributes are left aside.
"""

import re
from typing import Final

import msgspec
from msgspec import Raw

from ingest.batch import Batch, Undecodable, check_size
from ingest.broken_json import broken_json
from ingest.event import ABSENT, Event, kind
from ingest.problem import Problem
from ingest.refusal import Refusal

# How a refusal names a field to somebody who sent a CloudEvent.
FIELDS: Final = {
    "idempotency_key": "id", "customer_ref": "subject", "metric": "type", "event_time": "time",
    "quantity": "data.quantity", "properties": "data.properties",
}  # fmt: skip
_REQUIRED = ("specversion", "id", "source", "type", "subject", "time")
_TAKEN_DATA = ("quantity", "properties")
_JSON_TYPE = re.compile(r"[^/;\s]+/(?:[^/;\s]+\+)?json\s*(?:;.*)?", re.IGNORECASE)
_SOURCE = re.compile(r"\S+")
_UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class _Data(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    quantity: Raw = ABSENT
    properties: Raw = ABSENT


class _CloudEvent(msgspec.Struct, gc=False):
    specversion: str
    id: str
    source: str
    type: str
    subject: str
    time: str
    data: _Data | None = None
    datacontenttype: str | None = None
    data_base64: str | None = None
    tenant_id: str | None = None
    tenantid: str | None = None


_cloud_event = msgspec.json.Decoder(_CloudEvent)
_raw_batch = msgspec.json.Decoder(list[Raw])
_members = msgspec.json.Decoder(dict[str, Raw])


def decode_cloud_event(body: bytes, max_events: int, key_stem: str | None = None) -> Batch:
    """The event of a structured-mode body. A CloudEvent always has an id, so `key_stem` is not needed.

    Raises:
        Problem: 400, the body is not JSON.
    """
    _check_json(body)
    return Batch((_decoded(body),))


def decode_cloud_events(body: bytes, max_events: int, key_stem: str | None = None) -> Batch:
    """The events of a batch-mode body.

    Raises:
        Problem: 400 when the body is not an array of one or more, 413 when it holds too many.
    """
    _check_json(body)
    try:
        raws = _raw_batch.decode(body)
    except msgspec.ValidationError:
        raise Problem(400, "not-events", f"the body is {kind(body)}: send an array of CloudEvents") from None
    check_size(len(raws), max_events)
    return Batch([_decoded(raw) for raw in raws])


def _check_json(body: bytes) -> None:
    try:
        body.decode()
        msgspec.json.decode(body, type=Raw)
    except _UNDECODABLE:
        raise broken_json(body) from None


def _decoded(raw: Raw | bytes) -> Event | Undecodable:
    try:
        sent = _cloud_event.decode(raw)
    except RecursionError:
        return Undecodable(None, Refusal(None, "not_json", "is nested too deeply"))
    except msgspec.DecodeError:
        return Undecodable(None, _explanation(raw))
    key = f"{sent.source} {sent.id}"
    refusal = _fault(sent)
    if refusal is not None:
        return Undecodable(key, refusal)
    data = sent.data or _Data()
    tenant = sent.tenant_id if sent.tenant_id is not None else sent.tenantid
    return Event(key, sent.subject, sent.type, sent.time, data.quantity, data.properties, tenant)


def _fault(sent: _CloudEvent) -> Refusal | None:
    if sent.specversion != "1.0":
        return Refusal("specversion", "bad_text", "is not 1.0, the version that is taken")
    if not sent.id:
        return Refusal("id", "bad_text", "is empty")
    if _SOURCE.fullmatch(sent.source) is None:
        return Refusal("source", "bad_text", "is not a URI reference: it is empty or holds white space")
    if sent.data_base64 is not None:
        return Refusal("data_base64", "unknown_field", "is not taken; send data as a JSON object")
    if sent.datacontenttype is not None and _JSON_TYPE.fullmatch(sent.datacontenttype) is None:
        return Refusal("datacontenttype", "wrong_type", "is not JSON")
    return None


def _explanation(raw: Raw | bytes) -> Refusal:
    try:
        members = _members.decode(raw)
    except msgspec.DecodeError:
        return Refusal(None, "not_an_object", f"a CloudEvent is an object, this is {kind(raw)}")
    for name in _REQUIRED:
        found = kind(members[name]) if name in members else "null"
        if found == "null":
            return Refusal(name, "missing_field", "is missing")
        if found != "a string":
            return Refusal(name, "wrong_type", f"is {found}; a string is needed")
    found = kind(members["data"]) if "data" in members else "null"
    if found not in ("an object", "null"):
        return Refusal("data", "wrong_type", f"is {found}; an object is needed")
    for name in _members.decode(members["data"]) if found == "an object" else ():
        if name not in _TAKEN_DATA:
            reason = "is not taken; data holds quantity and properties"
            return Refusal(f"data.{name}"[:255], "unknown_field", reason)
    wrong = [name for name in ("datacontenttype", "data_base64", "tenant_id", "tenantid") if name in members]
    return Refusal(next(iter(wrong), None), "wrong_type", "is not a string")
