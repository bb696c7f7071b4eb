"""The door holds so many connections open and no more, and says so to whoever comes too many."""

import json
import socket
from collections.abc import Callable
from contextlib import closing
from time import monotonic, sleep
from urllib.parse import urlsplit

from door_caller import Caller, event


def opened(door: Caller) -> socket.socket:
    place = urlsplit(str(door.http.base_url))
    return socket.create_connection((place.hostname, place.port), timeout=10)


def said(client: socket.socket) -> bytes:
    found = b""
    while chunk := client.recv(65536):
        found += chunk
    return found


def test_connections_are_bounded_below_at_and_above(call: Callable[..., Caller]) -> None:
    door = call(TALLY_MAX_CONNECTIONS=3)
    assert door.post(event()).status_code == 200
    with closing(opened(door)) as second, closing(opened(door)) as third:
        for client in (second, third):
            client.sendall(b"GET /health/live HTTP/1.1\r\nhost: door\r\n\r\n")
            assert client.recv(65536).startswith(b"HTTP/1.1 200 OK")
        for _ in range(3):
            with closing(opened(door)) as fourth:
                head, _, body = said(fourth).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
            assert b"\r\nretry-after: 1\r\n" in head
            problem = json.loads(body)
            assert (problem["type"], problem["landed"]) == ("urn:tallyledger:problem:too-many-connections", "nothing")
            assert "3 connections" in problem["detail"]
        assert door.post(event(idempotency_key="k-2")).status_code == 200
        assert "tally_door_refused_connections_total 3.0" in door.http.get("/metrics").text
    until = monotonic() + 5
    while not (answer := _tried(door)).startswith(b"HTTP/1.1 200 OK") and monotonic() < until:
        sleep(0.05)
    assert answer.startswith(b"HTTP/1.1 200 OK")


def test_what_is_sent_over_a_connection_too_many_is_not_read(call: Callable[..., Caller]) -> None:
    door = call(TALLY_MAX_CONNECTIONS=1)
    assert door.post(event(idempotency_key="first")).status_code == 200
    body = json.dumps(event(idempotency_key="too many")).encode()
    key = door.http.headers["authorization"].encode()
    head = b"POST /v1/events HTTP/1.1\r\nhost: door\r\nauthorization: %b\r\ncontent-length: %d\r\n" % (key, len(body))
    for _ in range(20):
        with closing(opened(door)) as client:
            client.sendall(head + b"content-type: application/json\r\n\r\n" + body)
            assert client.recv(65536).startswith(b"HTTP/1.1 503 ")
    assert [row["idempotency_key"] for row in door.landed()] == ["first"]


def _tried(door: Caller) -> bytes:
    with closing(opened(door)) as client:
        client.sendall(b"GET /health/live HTTP/1.1\r\nhost: door\r\n\r\n")
        return client.recv(65536)
