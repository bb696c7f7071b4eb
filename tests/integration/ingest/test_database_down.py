"""The database goes away and comes back; the door says so, loses nothing, and recovers by itself."""

from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, sleep

import httpx
import pytest
from door_caller import Caller, event

from tally.database import connect
from tally.embedded_postgres import EmbeddedPostgres
from tally.migrations import migrate


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """A server of this test's own, so that it may be stopped."""
    server = EmbeddedPostgres(tmp_path / "postgres", {"fsync": "off", "shared_buffers": "64MB"})
    server.ensure_running()
    yield server
    server.stop()


@pytest.fixture
def database_url(server: EmbeddedPostgres) -> str:
    """Its database, in place of the shared one."""
    with connect(server.url()) as connection:
        migrate(connection)
    return server.url()


def eventually(answer: Callable[[], httpx.Response], status: int) -> httpx.Response:
    until = monotonic() + 10
    while (got := answer()).status_code != status and monotonic() < until:
        sleep(0.1)
    assert got.status_code == status, got.text
    return got


def test_the_door_waits_out_a_database_that_is_down(door: Caller, server: EmbeddedPostgres, database_url: str) -> None:
    assert door.post(event(idempotency_key="before")).status_code == 200
    port = (server.folder / "port").read_text()
    server.stop()
    try:
        down = door.post(event(idempotency_key="meanwhile"))
        ready = door.http.get("/health/ready")
        alive = door.http.get("/health/live")
    finally:
        server.ensure_running()
    assert (server.folder / "port").read_text() == port
    assert down.status_code == 503
    assert down.headers["retry-after"] == "1"
    assert down.json()["type"] == "urn:tallyledger:problem:database-lost"
    assert down.json()["landed"] == "nothing"
    assert "nothing of this request landed" in down.json()["detail"]
    assert ready.status_code == 503
    assert "does not answer" in ready.json()["faults"][0]
    assert alive.status_code == 200

    eventually(lambda: door.post(event(idempotency_key="after")), 200)
    eventually(lambda: door.http.get("/health/ready"), 200)
    with connect(database_url) as connection:
        keys = connection.execute("select idempotency_key from raw.usage_events").fetchall()
    assert sorted(keys) == [("after",), ("before",)]
