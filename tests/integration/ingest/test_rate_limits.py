"""A key posts so many events a second and no more, however they are packed."""

from collections.abc import Callable
from time import sleep

import httpx
from door_caller import Caller, event

from tally.api_keys import create_key


def post(door: Caller, key: str, events: int) -> httpx.Response:
    body = {"events": [event(idempotency_key=f"k{number}") for number in range(events)]}
    return door.http.post("/v1/events", json=body, headers={"authorization": f"Bearer {key}"})


def test_events_are_limited_below_at_and_above(door: Caller) -> None:
    key = create_key(door.connection, "acme", "slow", events_per_second=2, burst=10)
    assert post(door, key, 9).headers["ratelimit-remaining"] == "1"
    answer = post(door, key, 1)
    assert answer.status_code == 200
    assert (answer.headers["ratelimit-limit"], answer.headers["ratelimit-policy"]) == ("10", "2;w=1;burst=10")
    answer = post(door, key, 5)
    assert answer.status_code == 429
    said = answer.json()
    assert (said["type"], said["landed"]) == ("urn:tallyledger:problem:rate-limited", "nothing")
    assert 1 <= int(answer.headers["retry-after"]) <= 3
    assert 1 <= int(answer.headers["ratelimit-reset"]) <= 5
    assert len(door.landed()) == 10
    sleep(int(answer.headers["retry-after"]))
    assert post(door, key, 5).status_code == 200
    assert 'tally_door_events_total{outcome="limited",tenant="acme"} 5.0' in door.http.get("/metrics").text


def test_more_than_the_burst_can_never_be_posted_at_once(door: Caller) -> None:
    key = create_key(door.connection, "acme", "slow", events_per_second=2, burst=10)
    answer = post(door, key, 11)
    assert (answer.status_code, answer.json()["limit"]) == (413, 10)
    assert post(door, key, 10).status_code == 200


def test_keys_do_not_share_a_bucket_and_the_setting_is_the_default(call: Callable[..., Caller]) -> None:
    door = call(TALLY_KEY_EVENTS_PER_SECOND=1, TALLY_KEY_BURST=3)
    first, second = (create_key(door.connection, "acme", name) for name in ("a", "b"))
    fast = create_key(door.connection, "acme", "c", events_per_second=500, burst=500)
    assert [post(door, first, 3).status_code, post(door, first, 2).status_code] == [200, 429]
    assert post(door, second, 3).status_code == 200
    assert post(door, fast, 100).status_code == 200


def test_a_key_without_a_limit_has_no_such_headers(door: Caller) -> None:
    answer = door.post({"events": [event()] * 1000})
    assert answer.status_code == 200
    assert [name for name in answer.headers if name.startswith("ratelimit")] == []


def test_a_repeat_and_a_rejected_event_take_their_part_too(door: Caller) -> None:
    key = create_key(door.connection, "acme", "slow", events_per_second=1, burst=3)
    headers = {"authorization": f"Bearer {key}"}
    answer = door.http.post("/v1/events", json={"events": [event(), event(), 7]}, headers=headers)
    assert (answer.status_code, answer.headers["ratelimit-remaining"]) == (207, "0")
    assert post(door, key, 2).status_code == 429
