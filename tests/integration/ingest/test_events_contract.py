"""POST /v1/events: what is taken, what is refused, and what each answer says."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from door_caller import Caller, event

PROBLEM = "application/problem+json"


def ago(**distance: float) -> str:
    return (datetime.now(UTC) - timedelta(**distance)).isoformat()


def without(field: str) -> dict[str, Any]:
    return {name: value for name, value in event().items() if name != field}


def test_one_event_lands_as_it_was_sent(door: Caller) -> None:
    when = "-05:00".join((ago(hours=6)[:-6], ""))
    sent = event(quantity="0.123456789012", event_time=when, properties={"a": [1.50, "ü\t\\n"]}, tenant_id="acme")
    answer = door.post(sent, **{"x-request-id": "mine-1"})
    assert answer.status_code == 200
    assert answer.headers["x-request-id"] == "mine-1"
    assert answer.json() == {
        "request_id": "mine-1",
        "accepted": 1,
        "rejected": 0,
        "duplicates": 0,
        "results": [{"index": 0, "idempotency_key": "k-1", "status": "accepted"}],
    }
    (row,) = door.landed()
    assert (row["tenant_id"], row["idempotency_key"], row["customer_ref"], row["metric"]) == (
        "acme",
        "k-1",
        "c-1",
        "api_calls",
    )
    assert row["quantity"] == Decimal("0.123456789012")
    assert row["event_time"] == datetime.fromisoformat(when)
    assert row["properties"] == '{"a":[1.5,"ü\\t\\\\n"]}'
    assert abs((row["landed_at"] - datetime.now(UTC)).total_seconds()) < 60


def test_a_quantity_lands_to_the_digit(door: Caller) -> None:
    numbers = [
        (b"123456789012345", "123456789012345"),
        (b"0.1", "0.1"),
        (b"-1.000000000001", "-1.000000000001"),
        (b"9007199254740.93", "9007199254740.93"),
        (b'"9007199254740.93"', "9007199254740.93"),
        (b"1.5e-3", "0.0015"),
        (b"100.00", "100.00"),
    ]
    body = (
        b'{"events":[{"idempotency_key":"k","customer_ref":"c","metric":"api_calls","event_time":"%s","quantity":%s}]}'
    )
    for number, _ in numbers:
        assert door.send(body % (ago().encode(), number)).status_code == 200
    assert [row["quantity"] for row in door.landed()] == [Decimal(landed) for _, landed in numbers]


BAD_EVENTS = [
    (without("idempotency_key"), "idempotency_key", "is missing"),
    (without("customer_ref"), "customer_ref", "is missing"),
    (without("metric"), "metric", "is missing"),
    (without("quantity"), "quantity", "is missing"),
    (without("event_time"), "event_time", "is missing"),
    (event(idempotency_key=1), "idempotency_key", "a string is needed"),
    (event(customer_ref=["c"]), "customer_ref", "a string is needed"),
    (event(metric=None), "metric", "a string is needed"),
    (event(quantity=True), "quantity", "not a number"),
    (event(quantity={"value": 1}), "quantity", "not a number"),
    (event(event_time=1357016400), "event_time", "a string is needed"),
    (event(properties="x"), "properties", "not an object"),
    (event(idempotency_key=""), "idempotency_key", "1 to 255"),
    (event(idempotency_key="x" * 256), "idempotency_key", "256 characters"),
    (event(idempotency_key=" k"), "idempotency_key", "white space"),
    (event(customer_ref="c\n"), "customer_ref", "white space"),
    (event(customer_ref="a\x00b"), "customer_ref", "NUL"),
    (event(quantity="NaN"), "quantity", "NaN"),
    (event(quantity="Infinity"), "quantity", "not a decimal number"),
    (event(quantity=1234567890123456), "quantity", "16 digits"),
    (event(quantity="0.1234567890123"), "quantity", "13 decimals"),
    (event(event_time="2026-11-21T11:00:00"), "event_time", "no time zone"),
    (event(event_time=ago(days=36)), "event_time", "more than 35 days old"),
    (event(event_time=ago(days=-1)), "event_time", "300 seconds ahead"),
    (event(metric="secret"), "metric", "declared are api_calls, departures, peak"),
    (event(properties={"a": "x" * 4096}), "properties", "at most 4096"),
    (event(properties={"a": "\x00"}), "properties", "NUL"),
    (event(amount=1), "amount", "is not a field of an event"),
    (7, None, "an event is an object"),
]


def test_bad_events_are_named_and_the_good_ones_land(door: Caller) -> None:
    for number, (bad, field, reason) in enumerate(BAD_EVENTS):
        place = number % 4
        good = [event(idempotency_key=f"good-{number}-{index}") for index in range(3)]
        answer = door.post({"events": [*good[:place], bad, *good[place:]]})
        assert answer.status_code == 207, answer.text
        said = answer.json()
        assert (said["accepted"], said["rejected"], said["duplicates"]) == (3, 1, 0)
        assert [result["status"] for result in said["results"]].index("rejected") == place
        refused = said["results"][place]
        assert (refused["index"], refused["field"]) == (place, field)
        assert reason in refused["reason"]
    keys = {row["idempotency_key"] for row in door.landed()}
    assert keys == {f"good-{number}-{index}" for number in range(len(BAD_EVENTS)) for index in range(3)}


def test_a_bad_event_alone_is_a_problem_that_names_it(door: Caller) -> None:
    for bad, field, reason in BAD_EVENTS:
        answer = door.post(bad if isinstance(bad, dict) else {"events": [bad]})
        assert answer.status_code == 400, answer.text
        assert answer.headers["content-type"] == PROBLEM
        said = answer.json()
        assert said["type"] == "urn:tallyledger:problem:nothing-accepted"
        assert (said["accepted"], said["rejected"], said["results"][0]["field"]) == (0, 1, field)
        assert reason in said["detail"]
    assert door.landed() == []


def test_a_repeat_within_a_request_is_a_duplicate_only_when_it_says_the_same(door: Caller) -> None:
    first, other = event(), event(quantity=2)
    answer = door.post({"events": [first, first, other]})
    assert [result["status"] for result in answer.json()["results"]] == ["accepted", "duplicate", "accepted"]
    assert door.post(first).json()["accepted"] == 1
    assert [row["quantity"] for row in door.landed()] == [1, 2, 1]


def test_a_counting_metric_may_leave_the_quantity_out(door: Caller) -> None:
    assert door.post({**without("quantity"), "metric": "departures"}).status_code == 200
    assert door.landed()[0]["quantity"] == 1


def test_another_tenant_is_refused_and_nothing_lands(door: Caller) -> None:
    requests: list[tuple[Any, str]] = [
        ({"events": [event(idempotency_key="a"), event(idempotency_key="b", tenant_id="other")]}, ""),
        (event(tenant_id="other"), ""),
        ({"events": [event()], "tenant_id": "other"}, ""),
        (event(), "?tenant_id=other"),
        (event(), "?tenant_id=acme&tenant_id=other"),
        (event(), "?tenant_id="),
    ]
    for body, query in requests:
        answer = door.http.post(f"/v1/events{query}", json=body)
        assert answer.status_code == 403
        assert answer.json()["type"] == "urn:tallyledger:problem:foreign-tenant"
        assert "tenant" in answer.json()["detail"]
    assert door.landed() == []


def test_naming_the_keys_own_tenant_is_allowed(door: Caller) -> None:
    body = {"events": [event(tenant_id="acme")], "tenant_id": "acme"}
    assert door.http.post("/v1/events?tenant_id=acme", json=body).status_code == 200


def test_limits_hold_below_at_and_above(call: Callable[..., Caller]) -> None:
    door = call(TALLY_MAX_BATCH_EVENTS=1000)
    assert door.post({"events": [event(idempotency_key=f"k{n}") for n in range(1000)]}).json()["accepted"] == 1000
    answer = door.post({"events": [event()] * 1001})
    assert answer.status_code == 413
    assert answer.json()["limit"] == 1000
    assert "1001 events in one request; at most 1000" in answer.json()["detail"]
    assert len(door.landed()) == 1000


def test_a_body_may_be_as_large_as_the_limit_and_no_larger(call: Callable[..., Caller]) -> None:
    door = call(TALLY_MAX_BODY_BYTES=2048)
    sound = b'{"events":[]}'
    for chunked in (False, True):
        for size, status in ((2048, 400), (2049, 413)):
            body = sound + b" " * (size - len(sound))
            content: Any = iter([body[:1000], body[1000:]]) if chunked else body
            answer = door.http.post("/v1/events", content=content, headers={"content-type": "application/json"})
            assert answer.status_code == status
        assert answer.json()["limit"] == 2048
    assert door.post(event()).status_code == 200


def test_a_body_that_cannot_be_read_is_a_problem(door: Caller) -> None:
    requests: list[tuple[bytes, dict[str, str], int, str]] = [
        (b'{"events": [', {}, 400, "not JSON: Expecting value at line 1, column 13"),
        (b'{"events": [{"quantity": NaN}]}', {}, 400, "event 0, quantity is NaN"),
        (b"", {}, 400, "not JSON"),
        (b"[]", {}, 400, "the body is an array"),
        (b"{}", {"content-type": "text/plain"}, 415, "Content-Type: application/json"),
        (b"{}", {"content-encoding": "br"}, 415, "Content-Encoding may be gzip, zstd, or left out"),
        (b"{}", {"content-encoding": "gzip"}, 400, "the body's gzip cannot be read"),
    ]
    for body, headers, status, detail in requests:
        answer = door.send(body, **headers)
        assert answer.status_code == status
        assert detail in answer.json()["detail"]


def test_every_error_has_the_one_shape_on_every_route(door: Caller) -> None:
    answers = [
        door.http.put("/v1/events"),
        door.http.delete("/v1/events"),
        door.http.post("/v1/events", headers={"authorization": ""}),
        door.send(b"{"),
        door.http.get("/"),
        door.http.get("/v1/event"),
        door.http.get("/docs/assets/nothing.js"),
        door.http.get("/docs/nothing"),
        door.http.post("/health/live"),
        door.http.post("/health/ready"),
        door.http.post("/metrics"),
        door.http.put("/docs/openapi.json"),
    ]
    assert [answer.status_code for answer in answers] == [405, 405, 401, 400, 404, 404, 404, 404, 405, 405, 405, 405]
    for answer in answers:
        assert answer.headers["content-type"] == PROBLEM
        said = answer.json()
        assert said["type"].startswith("urn:tallyledger:problem:")
        assert said["status"] == answer.status_code
        assert said["request_id"] == answer.headers["x-request-id"]
        assert said["title"]
        assert said["detail"]


def test_an_unusable_request_id_is_replaced(door: Caller) -> None:
    for given in ("a b", "x" * 129):
        assert door.post(event(), **{"x-request-id": given}).json()["request_id"] != given
    assert door.http.get("/health/live", headers={"x-request-id": "mine"}).headers["x-request-id"] == "mine"


def test_a_metric_declared_while_the_door_runs_is_taken_up(door: Caller) -> None:
    assert door.post(event()).status_code == 200
    door.connection.execute("insert into tally.meters (tenant_id, metric, aggregation) values ('acme', 'new', 'sum')")
    assert door.post(event(metric="new")).status_code == 200
