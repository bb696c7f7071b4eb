"""A client that does not keep up loses its connection, and nobody else notices."""

import json
import socket
from collections.abc import Callable
from contextlib import suppress
from time import monotonic, sleep
from urllib.parse import urlsplit

import pytest
from door_caller import Caller, event

from ingest import connections
from tally.database import connect


@pytest.fixture(autouse=True)
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "PATIENCE_SECONDS", 1.0)


def opened(door: Caller) -> socket.socket:
    place = urlsplit(str(door.http.base_url))
    return socket.create_connection((place.hostname, place.port), timeout=10)


def until_closed(client: socket.socket) -> bytes:
    said = b""
    while chunk := client.recv(65536):
        said += chunk
    return said


def head(door: Caller, length: int) -> bytes:
    key = door.http.headers["authorization"]
    return (
        f"POST /v1/events HTTP/1.1\r\nhost: door\r\nauthorization: {key}\r\nx-request-id: slow-1\r\n"
        f"content-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    ).encode()


def test_a_connection_that_says_nothing_is_closed(door: Caller) -> None:
    with opened(door) as client:
        started = monotonic()
        assert until_closed(client) == b""
        assert 1 <= monotonic() - started < 4


@pytest.mark.parametrize("sent", ["some of the head", "some of the body", "the second request of a connection"])
def test_a_request_that_does_not_become_whole_is_answered_408(door: Caller, sent: str) -> None:
    body = json.dumps(event()).encode()
    whole = head(door, len(body)) + body
    with opened(door) as client:
        if sent.startswith("the second"):
            client.sendall(whole)
            assert client.recv(65536).startswith(b"HTTP/1.1 200 OK")
        client.sendall(whole[:60] if "head" in sent else whole[:-1])
        said, _, answer = until_closed(client).partition(b"\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 408 Request Timeout\r\ncontent-type: application/problem+json\r\n")
    problem = json.loads(answer)
    assert (problem["type"], problem["landed"]) == ("urn:tallyledger:problem:request-too-slow", "nothing")
    if "head" not in sent:
        assert problem["request_id"] == "slow-1"
    assert len(door.landed()) == sent.startswith("the second")


def test_a_body_that_trickles_does_not_buy_time(door: Caller) -> None:
    with opened(door) as client:
        client.sendall(head(door, 1000))
        started = monotonic()
        with suppress(ConnectionError):
            while monotonic() - started < 10:
                client.sendall(b" ")
                sleep(0.05)
        assert monotonic() - started < 4


def test_a_client_that_does_not_read_is_cut_off(door: Caller) -> None:
    path, times = "/docs/assets/swagger-ui-bundle.js", 24  # more than what the kernel's buffers hold
    size = len(door.http.get(path).content)
    with opened(door) as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nhost: door\r\n\r\n".encode() * times)
        sleep(3)
        received = 0
        with suppress(ConnectionError):
            while chunk := client.recv(1 << 20):
                received += len(chunk)
    assert size < received < times * size
    assert door.post(event()).status_code == 200


def test_waiting_for_a_commit_or_idle_between_requests_is_not_being_slow(
    call: Callable[..., Caller], database_url: str
) -> None:
    door = call()
    assert door.post(event(idempotency_key="first")).status_code == 200
    body = json.dumps(event(idempotency_key="second")).encode()
    with opened(door) as client, connect(database_url) as blocker:
        blocker.execute("lock table raw.usage_events")
        client.sendall(head(door, len(body)) + body)
        sleep(2.5)
        blocker.rollback()
        assert client.recv(65536).startswith(b"HTTP/1.1 200 OK")
        sleep(2.5)
        client.sendall(head(door, len(body)) + body)
        assert client.recv(65536).startswith(b"HTTP/1.1 200 OK")
