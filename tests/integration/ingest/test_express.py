"""The short way for plain requests keeps every promise of the ordinary one, and each test says which way was gone."""

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from threading import Timer
from time import monotonic, sleep
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
from door_caller import Caller, event, running_door

from ingest.events_route import EventsRoute, Ready
from ingest.express import MAX_HELD_BYTES
from tally.api_keys import create_key
from tally.database import connect
from tally.settings import Settings


@pytest.fixture
def express(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the requests that went the short way, as they go."""
    gone: list[str] = []
    land = EventsRoute.land

    def noted(self: EventsRoute, ready: Ready, *rest: object) -> None:
        gone.append(ready.judgement.answer.request_id)
        land(self, ready, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(EventsRoute, "land", noted)
    return gone


@pytest.fixture
def warm(express: list[str], door: Caller) -> Caller:
    """A door that knows the key and the meters already: the first request of all goes the ordinary way."""
    assert door.post(event(idempotency_key="warm")).status_code == 200
    assert express == []
    return door


def request(door: Caller, name: str, *more: str, key: str = "", body: bytes | None = None) -> bytes:
    """A request of one event whose key, and whose id, is `name`."""
    sent = json.dumps(event(idempotency_key=name)).encode() if body is None else body
    token = f"Bearer {key}" if key else door.http.headers["authorization"]
    lines = (f"authorization: {token}", f"x-request-id: {name}", "content-type: application/json", *more)
    length = f"content-length: {len(sent)}"
    return "\r\n".join(("POST /v1/events HTTP/1.1", "host: door", *lines, length, "", "")).encode() + sent


def opened(door: Caller) -> socket.socket:
    place = urlsplit(str(door.http.base_url))
    return socket.create_connection((place.hostname, place.port), timeout=10)


def answers(client: socket.socket, count: int = 1) -> list[tuple[int, dict[str, str], bytes]]:
    """The next answers of a connection: status, headers and body of each."""
    found, received = [], b""
    for _ in range(count):
        while b"\r\n\r\n" not in received:
            received += _more(client)
        head, _, received = received.partition(b"\r\n\r\n")
        status, *lines = head.decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        while len(received) < int(headers["content-length"]):
            received += _more(client)
        body, received = received[: int(headers["content-length"])], received[int(headers["content-length"]) :]
        found.append((int(status.split()[1]), headers, body))
    assert not received
    return found


def _more(client: socket.socket) -> bytes:
    chunk = client.recv(65536)
    assert chunk, "the door hung up"
    return chunk


@contextmanager
def no_commits(database_url: str) -> Iterator[psycopg.Connection]:
    """Nothing lands until this is left, or rolled back."""
    with connect(database_url) as blocker:
        blocker.execute("lock table raw.usage_events")
        sleep(0.05)
        yield blocker


def keys(door: Caller) -> set[str]:
    return {row["idempotency_key"] for row in door.landed()} - {"warm"}


def test_one_connection_takes_one_request_after_another(warm: Caller, express: list[str]) -> None:
    with closing(opened(warm)) as client:
        for name in ("a", "b", "c"):
            client.sendall(request(warm, name))
            ((status, headers, body),) = answers(client)
            assert (status, headers["content-type"], headers["x-request-id"]) == (200, "application/json", name)
            assert "date" in headers
            assert json.loads(body)["results"] == [{"index": 0, "idempotency_key": name, "status": "accepted"}]
    assert express == ["a", "b", "c"]
    assert keys(warm) == {"a", "b", "c"}
    text = warm.http.get("/metrics").text
    assert 'tally_door_requests_total{route="/v1/events",status="200"} 4.0' in text
    assert 'tally_door_events_total{outcome="accepted",tenant="acme"} 4.0' in text


def test_requests_sent_ahead_are_answered_in_order(warm: Caller, express: list[str]) -> None:
    names = [f"n{number}" for number in range(20)]
    empty = b"GET /health/live HTTP/1.1\r\nhost: door\r\nx-request-id: empty\r\n\r\n"
    with closing(opened(warm)) as client:
        client.sendall(b"".join(request(warm, name) for name in names) + empty + request(warm, "last"))
        found = answers(client, 22)
    assert [headers["x-request-id"] for _, headers, _ in found] == [*names, "empty", "last"]
    assert {status for status, _, _ in found} == {200}
    assert keys(warm) == {*names, "last"}
    assert express[:1] == ["n0"]


@pytest.mark.parametrize("pieces", ["head, body", "every byte"])
def test_a_request_may_come_in_pieces(warm: Caller, express: list[str], pieces: str) -> None:
    whole = request(warm, "a")
    cut = whole.index(b"\r\n\r\n") + 4
    parts = [whole[:cut], whole[cut:]] if pieces == "head, body" else [whole[at : at + 1] for at in range(len(whole))]
    with closing(opened(warm)) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for part in parts:
            client.sendall(part)
            sleep(0.1 if len(parts) == 2 else 0.002)
        assert answers(client)[0][0] == 200
    assert express == (["a"] if len(parts) == 2 else [])
    assert keys(warm) == {"a"}


def test_whatever_is_not_plain_goes_the_ordinary_way(warm: Caller, express: list[str]) -> None:
    slow = create_key(warm.connection, "acme", "slow", events_per_second=1, burst=1)
    reader = create_key(warm.connection, "acme", "reader", ["events:read"])
    chunked = request(warm, "chunked").replace(b"content-length: ", b"transfer-encoding: chunked\r\nx-length: ")
    head, _, body = chunked.partition(b"\r\n\r\n")
    wide = json.dumps(event(idempotency_key="wide")).encode()
    sent = [
        (200, b"%b\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (head, len(body), body)),
        (200, request(warm, "wide", body=wide + b" " * (MAX_HELD_BYTES + 1 - len(wide)))),
        (400, request(warm, "broken", body=b"{")),
        (400, request(warm, "refused", body=json.dumps(event(idempotency_key="refused", quantity="NaN")).encode())),
        (200, request(warm, "header", "idempotency-key: stem")),
        (400, request(warm, "not gzip", "content-encoding: gzip")),
        (401, request(warm, "nobody", key="tly_0_0")),
        (403, request(warm, "reader", key=reader)),
        (200, request(warm, "first", key=slow)),
        (429, request(warm, "second", key=slow)),
        (405, request(warm, "put").replace(b"POST", b"PUT", 1)),
        (403, request(warm, "query").replace(b"/v1/events", b"/v1/events?tenant_id=other", 1)),
    ]
    with closing(opened(warm)) as client:
        for status, whole in sent:
            client.sendall(whole)
            ((found, _, body),) = answers(client)
            assert found == status, (whole, body)
    assert express == []
    assert keys(warm) == {"chunked", "wide", "header", "first"}
    assert 'tally_door_events_total{outcome="limited",tenant="acme"} 1.0' in warm.http.get("/metrics").text


def test_a_limited_key_is_told_what_is_left(warm: Caller, express: list[str]) -> None:
    key = create_key(warm.connection, "acme", "slow", events_per_second=1, burst=3)
    with closing(opened(warm)) as client:
        for name, left in (("a", "2"), ("b", "1")):
            client.sendall(request(warm, name, key=key))
            assert answers(client)[0][1]["ratelimit-remaining"] == left
    assert express == ["b"]


def test_who_waits_for_leave_to_send_gets_it(warm: Caller, express: list[str]) -> None:
    whole = request(warm, "a", "expect: 100-continue")
    cut = whole.index(b"\r\n\r\n") + 4
    with closing(opened(warm)) as client:
        client.sendall(whole[:cut])
        assert client.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(whole[cut:])
        assert answers(client)[0][0] == 200
    assert express == []


def test_a_client_that_wants_to_close_is_let_go_after_its_answer(warm: Caller, express: list[str]) -> None:
    with closing(opened(warm)) as client:
        client.sendall(request(warm, "a", "connection: close"))
        ((status, headers, _),) = answers(client)
        assert (status, headers["connection"]) == (200, "close")
        assert client.recv(1) == b""
    assert express == ["a"]


def test_a_client_that_hangs_up_while_it_waits_disturbs_nobody(
    warm: Caller, express: list[str], database_url: str
) -> None:
    with closing(opened(warm)) as other, no_commits(database_url) as blocker:
        gone = opened(warm)
        gone.sendall(request(warm, "gone"))
        sleep(0.1)
        other.sendall(request(warm, "other"))
        sleep(0.1)
        gone.close()
        sleep(0.1)
        blocker.rollback()
        assert answers(other)[0][0] == 200
        other.sendall(request(warm, "later"))
        assert answers(other)[0][0] == 200
    assert express == ["gone", "other", "later"]
    assert keys(warm) == {"gone", "other", "later"}


def test_a_door_told_to_stop_answers_who_waits_and_hears_out_who_is_half_through(
    express: list[str], settings: Settings, connection: psycopg.Connection, key: str, database_url: str
) -> None:
    given = {"DATABASE_URL": database_url, "TALLY_HOME": settings.home, "TALLY_DOOR_PORT": 0}
    with ExitStack() as stack:
        with running_door(Settings.model_validate(given)) as url:
            http = stack.enter_context(httpx.Client(base_url=url, headers={"authorization": f"Bearer {key}"}))
            door = Caller(http, connection)
            assert door.post(event(idempotency_key="warm")).status_code == 200
            waiting, half, idle = (stack.enter_context(closing(opened(door))) for _ in range(3))
            blocker = stack.enter_context(no_commits(database_url))
            rest = request(door, "half")
            waiting.sendall(request(door, "waiting"))
            half.sendall(rest[:-1])
            sleep(0.2)
            later = [Timer(0.5, half.sendall, (rest[-1:],)), Timer(1.0, blocker.rollback)]
            for timer in later:
                timer.start()
        for client in (waiting, half):
            ((status, headers, _),) = answers(client)
            assert (status, headers["connection"]) == (200, "close")
        assert idle.recv(1) == b""
    assert express == ["waiting"]
    assert {row["idempotency_key"] for row in door.landed()} == {"warm", "waiting", "half"}


def test_a_lost_commit_is_answered_as_unknown_and_the_connection_goes_on(
    warm: Caller, express: list[str], database_url: str
) -> None:
    with closing(opened(warm)) as client:
        with no_commits(database_url):
            client.sendall(request(warm, "a"))
            _wait_for_copy(warm.connection)
            warm.connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where datname = current_database() and query like 'COPY%'"
            )
            ((status, headers, body),) = answers(client)
        problem = json.loads(body)
        assert (status, headers["content-type"], headers["retry-after"]) == (503, "application/problem+json", "1")
        assert (problem["landed"], problem["request_id"]) == ("unknown", "a")
        client.sendall(request(warm, "b"))
        assert answers(client)[0][0] == 200
    assert express == ["a", "b"]
    text = warm.http.get("/metrics").text
    assert 'tally_door_requests_total{route="/v1/events",status="503"} 1.0' in text


def test_a_fault_in_the_short_way_is_the_ordinary_ways_to_answer(warm: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(EventsRoute, "at_once", broken)
    assert warm.post(event(idempotency_key="a")).status_code == 200
    assert keys(warm) == {"a"}


def _wait_for_copy(connection: psycopg.Connection) -> None:
    waiting = (
        "select from pg_stat_activity where datname = current_database() and query like 'COPY%' and state = 'active'"
    )
    until = monotonic() + 5
    while connection.execute(waiting).fetchone() is None:
        assert monotonic() < until
        sleep(0.01)
