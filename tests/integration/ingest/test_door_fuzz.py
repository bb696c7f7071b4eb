"""Whatever is sent, the door answers with a sentence, and what it accepts has landed."""

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from backports import zstd
from door_caller import Caller, event
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text() | st.characters(categories=["Cs", "Cc", "Cf"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)
NOW = st.just(datetime.now(UTC).isoformat())
NUMBERS = st.floats() | st.integers() | st.decimals().map(str) | st.from_regex(r"-?[0-9]{1,17}([.][0-9]{1,14})?")
# Nearly sound events, so that the fuzz gets past the first check.
EVENTS = st.fixed_dictionaries(
    {},
    optional={
        "idempotency_key": st.text(max_size=8) | VALUES,
        "customer_ref": st.text(min_size=1, max_size=8),
        "metric": st.sampled_from(["api_calls", "departures", "peak"]) | VALUES,
        "quantity": NUMBERS | VALUES,
        "event_time": NOW | st.datetimes(timezones=st.timezones()).map(datetime.isoformat) | VALUES,
        "properties": st.dictionaries(st.text(max_size=4), VALUES, max_size=3) | VALUES,
        "tenant_id": st.sampled_from(["acme", None]) | VALUES,
        "extra": VALUES,
    },
)
COMPLETE = EVENTS.map(lambda fields: {**event(), **fields})
SOUND = st.text(min_size=1, max_size=8).map(lambda key: event(idempotency_key=key))
BODIES = (
    (
        st.lists(EVENTS | COMPLETE | SOUND | VALUES, max_size=6).map(lambda events: {"events": events})
        | COMPLETE
        | VALUES
    )
    .map(lambda value: json.dumps(value).encode())
    .flatmap(lambda body: st.just(body) | st.integers(0, len(body)).map(lambda cut: body[:cut] + b"\xff" + body[cut:]))
)
BODIES_SENT = pytest.mark.parametrize("examples", [120, pytest.param(1500, marks=pytest.mark.thorough)])
PROMISED = {200, 207, 400, 403, 413}


COMPRESS: dict[str, Callable[[bytes], bytes]] = {"identity": bytes, "gzip": gzip.compress, "zstd": zstd.compress}


def encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


# The same fields under the names that a CloudEvent has for them, and some of its own.
CLOUD_EVENTS = st.builds(
    lambda fields, own: {
        "specversion": "1.0",
        "id": fields["idempotency_key"],
        "source": "/s",
        "type": fields["metric"],
        "subject": fields["customer_ref"],
        "time": fields["event_time"],
        "data": {name: fields[name] for name in ("quantity", "properties") if name in fields},
        **own,
    },
    COMPLETE | SOUND,
    st.fixed_dictionaries(
        {},
        optional={
            "id": st.text(max_size=4) | VALUES,
            "source": st.sampled_from(["/s", "", "a b"]) | VALUES,
            "specversion": st.sampled_from(["1.0", "0.3"]) | VALUES,
            "data": VALUES,
            "data_base64": VALUES,
            "datacontenttype": st.sampled_from(["application/json", "a/b+json", "text/xml"]) | VALUES,
            "tenantid": st.sampled_from(["acme", None]) | VALUES,
        },
    ),
)
LINES = st.lists(COMPLETE | SOUND | EVENTS | VALUES, max_size=6).map(lambda sent: b"\n".join(map(encoded, sent)))
FORMATS = {
    "application/x-ndjson": LINES,
    "application/cloudevents+json": (CLOUD_EVENTS | VALUES).map(encoded),
    "application/cloudevents-batch+json": (st.lists(CLOUD_EVENTS | VALUES, max_size=6) | VALUES).map(encoded),
}


def check(door: Caller, body: bytes, **headers: str) -> None:
    before = count(door)
    answer = door.send(body, **headers)
    said: dict[str, Any] = answer.json()
    assert answer.status_code in PROMISED, answer.text
    accepted = said.get("accepted", 0)
    assert count(door) - before == accepted
    if answer.status_code in {200, 207}:
        assert accepted + said["rejected"] + said["duplicates"] == len(said["results"])
        assert all(result["reason"] for result in said["results"] if result["status"] == "rejected")
    else:
        assert accepted == 0
        assert said["detail"]


def count(door: Caller) -> int:
    row = door.connection.execute("select count(*) from raw.usage_events").fetchone()
    assert row is not None
    return int(row[0])


def fuzzed(examples: int) -> settings:
    return settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))


@BODIES_SENT
def test_no_body_breaks_the_door_and_what_it_accepts_has_landed(door: Caller, examples: int) -> None:
    @fuzzed(examples)
    @given(BODIES | st.binary(max_size=200))
    def fuzz(body: bytes) -> None:
        check(door, body)

    fuzz()
    # What landed must be readable by the ledger, which casts the properties.
    door.connection.execute("select properties::jsonb, trim_scale(quantity) from raw.usage_events")
    assert count(door) > 0
    assert 'status="500"' not in door.http.get("/metrics").text


@BODIES_SENT
@pytest.mark.parametrize("media_type", FORMATS)
def test_no_body_of_another_format_does_either(door: Caller, media_type: str, examples: int) -> None:
    @fuzzed(examples)
    @given(FORMATS[media_type], st.sampled_from(["identity", "gzip", "zstd"]), st.none() | st.text("ab:", min_size=1))
    def fuzz(body: bytes, encoding: str, stem: str | None) -> None:
        headers = {} if stem is None else {"idempotency-key": stem}
        sent = COMPRESS[encoding](body)
        check(door, sent, **{"content-type": media_type, "content-encoding": encoding}, **headers)

    fuzz()
    door.connection.execute("select properties::jsonb, trim_scale(quantity) from raw.usage_events")
    assert count(door) > 0
    assert 'status="500"' not in door.http.get("/metrics").text


@BODIES_SENT
@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_no_compressed_body_breaks_the_door(door: Caller, encoding: str, examples: int) -> None:
    whole = COMPRESS[encoding](encoded(event()))

    @fuzzed(examples)
    @given(st.integers(0, len(whole) - 1), st.binary(max_size=4))
    def fuzz(place: int, put: bytes) -> None:
        check(door, whole[:place] + put + whole[place + len(put) :], **{"content-encoding": encoding})

    fuzz()
    assert 'status="500"' not in door.http.get("/metrics").text
