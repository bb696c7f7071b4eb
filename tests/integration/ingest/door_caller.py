"""Running a real door and calling it, for the tests beside this file."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Thread
from time import monotonic, sleep
from typing import Any

import httpx
import psycopg

from ingest.server import DoorServer, configuration
from tally.database import database_url
from tally.settings import Settings

METERS = {"api_calls": "sum", "departures": "count", "peak": "max"}


@dataclass(frozen=True)
class Caller:
    """An HTTP client with a tenant's key, and the database behind the door."""

    http: httpx.Client
    connection: psycopg.Connection

    def post(self, body: Any, **headers: str) -> httpx.Response:
        """POST /v1/events with a JSON value."""
        return self.http.post("/v1/events", json=body, headers=headers)

    def send(self, body: bytes, **headers: str) -> httpx.Response:
        """POST /v1/events with a body as it is."""
        return self.http.post("/v1/events", content=body, headers={"content-type": "application/json", **headers})

    def landed(self) -> list[dict[str, Any]]:
        """Every landed row, in landing order."""
        with self.connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
            return cursor.execute("select * from raw.usage_events order by xid, seq").fetchall()


def event(**fields: Any) -> dict[str, Any]:
    """A sound event of now."""
    now = datetime.now(UTC).isoformat()
    sound = {"idempotency_key": "k-1", "customer_ref": "c-1", "metric": "api_calls", "quantity": 1, "event_time": now}
    return {**sound, **fields}


@contextmanager
def running_door(settings: Settings) -> Iterator[str]:
    """Run a door in this process; gives its URL."""
    server = DoorServer(configuration(settings, database_url(settings)))
    thread = Thread(target=server.run)
    thread.start()
    until = monotonic() + 20
    while not server.started and thread.is_alive() and monotonic() < until:
        sleep(0.01)
    assert server.started
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()
