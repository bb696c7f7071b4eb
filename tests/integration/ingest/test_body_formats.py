"""NDJSON, CloudEvents, compressed bodies and derived keys: every way in lands the same rows."""

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from backports import zstd
from door_caller import Caller, event

NDJSON = {"content-type": "application/x-ndjson"}
ONE = {"content-type": "application/cloudevents+json"}
MANY = {"content-type": "application/cloudevents-batch+json; charset=utf-8"}


def cloud_event(**attributes: Any) -> dict[str, Any]:
    sound = {
        "specversion": "1.0",
        "id": "1",
        "source": "https://app.example/checkout",
        "type": "api_calls",
        "subject": "c-1",
        "time": datetime.now(UTC).isoformat(),
        "data": {"quantity": "1.5", "properties": {"region": "eu"}},
    }
    return {**sound, **attributes}


def without(name: str) -> dict[str, Any]:
    return {given: value for given, value in cloud_event().items() if given != name}


def lines(*events: Any) -> bytes:
    return b"\n".join(json.dumps(sent).encode() for sent in events) + b"\n"


def test_every_line_of_ndjson_is_an_event(door: Caller) -> None:
    answer = door.send(lines(*(event(idempotency_key=f"k{n}") for n in range(3))) + b"\r\n\n", **NDJSON)
    assert (answer.status_code, answer.json()["accepted"]) == (200, 3)
    assert [row["idempotency_key"] for row in door.landed()] == ["k0", "k1", "k2"]


def test_a_broken_line_is_one_event_rejected(door: Caller) -> None:
    broken = [
        (b"{", None, "is not JSON: "),
        (b'{"a": "\xff"}', None, "is not UTF-8: byte 7"),
        (json.dumps(event()).encode() * 2, None, "is not JSON: Extra data at column"),
        (b'{"quantity": NaN}', None, "quantity is NaN"),
        (b'{"idempotency_key": "k", "amount": 1}', "amount", "is not a field"),
        (b"[" * 100_000, None, ""),
        (b"7", None, "an event is an object, this is a number"),
        (b"\x00", None, "is not JSON"),
    ]
    good = [json.dumps(event(idempotency_key=f"good-{n}")).encode() for n in range(2)]
    for line, field, reason in broken:
        answer = door.send(b"\n".join([good[0], line, b"", good[1]]), **NDJSON)
        assert answer.status_code == 207, answer.text
        first, bad, last = answer.json()["results"]
        assert (first["status"], bad["status"], last["status"]) == ("accepted", "rejected", "accepted")
        assert (bad["index"], bad["field"], last["index"]) == (1, field, 2)
        assert reason in bad["reason"]
    assert len(door.landed()) == 2 * len(broken)


def test_ndjson_without_an_event_or_with_too_many_is_refused(call: Callable[..., Caller]) -> None:
    door = call(TALLY_MAX_BATCH_EVENTS=2)
    assert door.send(b" \n\n", **NDJSON).status_code == 400
    assert door.send(lines(event(), event()), **NDJSON).status_code == 200
    assert door.send(lines(event(), event(), event()), **NDJSON).status_code == 413


def test_a_cloud_event_lands_as_usage(door: Caller) -> None:
    sent = cloud_event(datacontenttype="application/json", traceparent="00-1", dataschema="x:y", tenantid="acme")
    answer = door.send(json.dumps(sent).encode(), **ONE)
    assert answer.status_code == 200, answer.text
    (result,) = answer.json()["results"]
    assert result["idempotency_key"] == "https://app.example/checkout 1"
    (row,) = door.landed()
    assert (row["idempotency_key"], row["customer_ref"], row["metric"]) == (
        "https://app.example/checkout 1",
        "c-1",
        "api_calls",
    )
    assert (str(row["quantity"]), row["properties"]) == ("1.5", '{"region": "eu"}')
    assert row["event_time"] == datetime.fromisoformat(sent["time"])


def test_the_same_id_of_another_source_is_another_event(door: Caller) -> None:
    answer = door.send(json.dumps([cloud_event(source="a"), cloud_event(source="b")]).encode(), **MANY)
    assert answer.json()["accepted"] == 2
    assert [row["idempotency_key"] for row in door.landed()] == ["a 1", "b 1"]


def test_a_counting_metric_needs_no_data(door: Caller) -> None:
    for sent in (without("data"), cloud_event(data=None), cloud_event(data={})):
        assert door.send(json.dumps({**sent, "type": "departures"}).encode(), **ONE).status_code == 200
    assert [row["quantity"] for row in door.landed()] == [1, 1, 1]


BAD_CLOUD_EVENTS = [
    (without("id"), "id", "is missing"),
    (without("source"), "source", "is missing"),
    (without("specversion"), "specversion", "is missing"),
    (without("subject"), "subject", "is missing"),
    (without("time"), "time", "is missing"),
    (without("data"), "data.quantity", "is missing"),
    (cloud_event(specversion="0.3"), "specversion", "is not 1.0"),
    (cloud_event(id=""), "id", "is empty"),
    (cloud_event(id=7), "id", "is a number; a string is needed"),
    (cloud_event(id="x" * 250), "id", "1 to 255"),
    (cloud_event(source=""), "source", "URI reference"),
    (cloud_event(source="a b"), "source", "white space"),
    (cloud_event(subject=None), "subject", "is missing"),
    (cloud_event(subject=" c"), "subject", "white space"),
    (cloud_event(type="calls"), "type", "is not a metric"),
    (cloud_event(time="2026-11-21T11:00:00"), "time", "no time zone"),
    (cloud_event(data=[1]), "data", "is an array; an object is needed"),
    (cloud_event(data={"amount": 1}), "data.amount", "data holds quantity and properties"),
    (cloud_event(data={"quantity": "NaN"}), "data.quantity", "NaN"),
    (cloud_event(data={"quantity": 1, "properties": 7}), "data.properties", "not an object"),
    (cloud_event(data_base64="eA=="), "data_base64", "is not taken"),
    (cloud_event(datacontenttype="text/xml"), "datacontenttype", "is not JSON"),
    (7, None, "a CloudEvent is an object"),
]


def test_a_bad_cloud_event_is_named_in_its_own_words(door: Caller) -> None:
    for bad, field, reason in BAD_CLOUD_EVENTS:
        answer = door.send(json.dumps([cloud_event(), bad, cloud_event(id="2")]).encode(), **MANY)
        assert answer.status_code == 207, answer.text
        refused = answer.json()["results"][1]
        assert (refused["index"], refused["field"]) == (1, field)
        assert reason in refused["reason"]
    assert len(door.landed()) == 2 * len(BAD_CLOUD_EVENTS)


def test_a_cloud_event_of_another_tenant_is_refused(door: Caller) -> None:
    for name in ("tenantid", "tenant_id"):
        assert door.send(json.dumps(cloud_event(**{name: "other"})).encode(), **ONE).status_code == 403
    assert door.landed() == []


@pytest.mark.parametrize(
    ("headers", "bodies"), [(ONE, [b"", b"{", b"\xff"]), (MANY, [b"", b"[", b"[]", b"{}", b'"x"'])]
)
def test_what_is_no_cloud_event_at_all_is_a_problem(door: Caller, headers: dict[str, str], bodies: list[bytes]) -> None:
    for body in bodies:
        answer = door.send(body, **headers)
        assert answer.status_code == 400
        assert answer.json()["detail"]


COMPRESSIONS: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("gzip", gzip.compress),
    ("GZIP", gzip.compress),
    ("zstd", zstd.compress),
    ("gzip", lambda body: gzip.compress(body[:9]) + gzip.compress(body[9:])),
    ("zstd", lambda body: zstd.compress(body[:9]) + zstd.compress(body[9:])),
    ("identity", bytes),
]


@pytest.mark.parametrize(("encoding", "compress"), COMPRESSIONS)
def test_a_compressed_body_is_taken(door: Caller, encoding: str, compress: Callable[[bytes], bytes]) -> None:
    answer = door.send(compress(json.dumps(event()).encode()), **{"content-encoding": encoding})
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_body_is_bounded_after_decompression_too(call: Callable[..., Caller], encoding: str) -> None:
    compress = dict(COMPRESSIONS[:1] + COMPRESSIONS[2:3])[encoding]
    door = call(TALLY_MAX_BODY_BYTES=2048)
    sound = json.dumps(event()).encode()
    for size, status in ((2047, 200), (2048, 200), (2049, 413), (64_000_000, 413)):
        answer = door.send(compress(sound + b" " * (size - len(sound))), **{"content-encoding": encoding})
        # 64 MB of nothing are more than 2048 bytes of gzip; zstd sends them in fewer.
        assert answer.status_code == status, (size, answer.text)
    assert answer.json()["limit"] == 2048


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_body_that_does_not_decompress_is_a_problem(door: Caller, encoding: str) -> None:
    whole = dict(COMPRESSIONS[:1] + COMPRESSIONS[2:3])[encoding](json.dumps(event()).encode())
    for body in (b"", whole[:-3], whole + b"x", b"{}", whole[:10] + b"\x00\xff" + whole[12:]):
        answer = door.send(body, **{"content-encoding": encoding})
        assert answer.status_code == 400, body
        assert answer.json()["type"].endswith(":not-decompressible")
    assert door.landed() == []


def test_an_unknown_compression_says_which_are_known(door: Caller) -> None:
    for encoding in ("br", "gzip, zstd", "deflate"):
        answer = door.send(b"{}", **{"content-encoding": encoding})
        assert (answer.status_code, answer.headers["accept-encoding"]) == (415, "gzip, zstd")


def test_keys_are_derived_from_the_header_and_the_index(door: Caller) -> None:
    bare = {name: value for name, value in event().items() if name != "idempotency_key"}
    body = {"events": [bare, event(idempotency_key="own"), bare]}
    for header in ("req-7", '"req-7"'):
        answer = door.post(body, **{"idempotency-key": header})
        assert answer.status_code == 200
        assert [result["idempotency_key"] for result in answer.json()["results"]] == ["req-7:0", "own", "req-7:2"]
    assert door.post(bare, **{"idempotency-key": "one"}).json()["results"][0]["idempotency_key"] == "one:0"
    answer = door.send(lines(bare, bare), **NDJSON, **{"idempotency-key": "nd"})
    assert [result["idempotency_key"] for result in answer.json()["results"]] == ["nd:0", "nd:1"]
    assert len(door.landed()) == 9


def test_a_derived_key_leaves_the_other_rules_alone(door: Caller) -> None:
    wrong = [7, {}, {**event(), "idempotency_key": None}, {**event(), "quantity": 1.5, "idempotency_key": "k"}]
    answer = door.post({"events": wrong}, **{"idempotency-key": "req"})
    first, second, third, fourth = answer.json()["results"]
    assert (first["field"], second["field"], third["field"]) == (None, "customer_ref", "idempotency_key")
    assert second["idempotency_key"] == "req:1"
    assert fourth["status"] == "accepted"


def test_an_event_without_any_key_is_told_why_it_needs_one(door: Caller) -> None:
    bare = {name: value for name, value in event().items() if name != "idempotency_key"}
    for answer in (door.post(bare), door.send(lines(bare), **NDJSON)):
        assert answer.status_code == 400
        refused = answer.json()["results"][0]
        assert refused["field"] == "idempotency_key"
        assert "no header Idempotency-Key" in refused["reason"]
        assert "could not be told from a new one" in refused["reason"]
    assert door.landed() == []


def test_the_header_is_bounded(door: Caller) -> None:
    bare = {name: value for name, value in event().items() if name != "idempotency_key"}
    for header, status in (("x" * 240, 200), ("x" * 241, 400), ('""', 400), ("a b", 200), ("\xe9", 400)):
        answer = door.http.post("/v1/events", json=bare, headers={b"idempotency-key": header.encode("latin-1")})
        assert answer.status_code == status, header


def test_another_media_type_says_which_are_taken(door: Caller) -> None:
    answer = door.send(b"{}", **{"content-type": "text/csv"})
    assert answer.status_code == 415
    assert "application/x-ndjson" in answer.headers["accept"]
