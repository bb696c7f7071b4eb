"""A crowd that posts to a door until it is told to stop, and keeps book of what it was told."""

import asyncio
import os
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import psycopg

from tally.api_keys import create_key
from tally.database import connect

CLIENTS = 12


@dataclass
class Load:
    """What was sent, request by request, and what was said of it."""

    chance: random.Random
    persistent: bool
    sent: dict[str, list[str]] = field(default_factory=dict)
    acknowledged: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    refused: Counter[str] = field(default_factory=Counter)
    stopped: bool = False

    async def run(self, http: httpx.AsyncClient) -> None:
        """Post with all clients until `stopped`, or until the door is gone."""
        await asyncio.gather(*(self._client(http, name) for name in range(CLIENTS)))

    async def _client(self, http: httpx.AsyncClient, name: int) -> None:
        number = 0
        while not self.stopped:
            request, number = f"{name}-{number}", number + 1
            keys = [f"{request}-{index}" for index in range(self.chance.choice((1, 1, 5, 200)))]
            self.sent[request] = keys
            try:
                while not await self._acknowledged(http, request, keys):
                    if not self.persistent or self.stopped:
                        return
                    await asyncio.sleep(0.05)
            except httpx.TransportError:
                return

    async def _acknowledged(self, http: httpx.AsyncClient, request: str, keys: Sequence[str]) -> bool:
        events = [_event(key) for key in keys]
        answer = await http.post("/v1/events", json=events[0] if len(events) == 1 else {"events": events})
        said = answer.json()
        if answer.status_code == 503:
            assert answer.headers["retry-after"] == "1"
            self.refused[said["type"].rpartition(":")[2]] += 1
            if said["landed"] == "unknown":
                self.unknown.add(request)
            return False
        assert answer.status_code == 200, answer.text
        assert said["accepted"] == len(keys)
        self.acknowledged.add(request)
        return True

    def check(self, connection: psycopg.Connection) -> None:
        """Hold what landed against what was said."""
        landed = Counter(row[0] for row in connection.execute("select idempotency_key from raw.usage_events"))
        assert [key for request in self.acknowledged for key in self.sent[request] if key not in landed] == []
        for request, keys in self.sent.items():
            times = {landed[key] for key in keys}
            # Each delivery landed whole or not at all, and "nothing" was said only where nothing had landed.
            assert len(times) == 1, f"{request} landed in part"
            assert request in self.unknown or times <= {0, 1}, f"{request} was said not to have landed, and had"
        wrong = connection.execute(
            "select count(*) from raw.usage_events where quantity <> length(idempotency_key)"
        ).fetchone()
        assert wrong == (0,)


def _event(key: str) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat()
    return {"idempotency_key": key, "customer_ref": key[:3], "metric": "calls", "quantity": len(key), "event_time": now}


@asynccontextmanager
async def door_process(database_url: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, httpx.AsyncClient]]:
    """A door of its own process, and a client with a key of its tenant; both end with the block."""
    with connect(database_url) as connection:
        connection.execute("insert into tally.tenants (tenant_id, name) values ('acme', 'Acme')")
        connection.execute("insert into tally.meters (tenant_id, metric, aggregation) values ('acme', 'calls', 'sum')")
        key = create_key(connection, "acme", "load")
    environment = {**os.environ, "DATABASE_URL": database_url, "TALLY_DOOR_PORT": "0", "TALLY_LOG_LEVEL": "ERROR"}
    door = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "ingest",
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        assert door.stdout is not None
        url = (await asyncio.wait_for(door.stdout.readline(), 20)).decode().split()[-1]
        headers = {"authorization": f"Bearer {key}"}
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=30) as http:
            yield door, http
    finally:
        if door.returncode is None:
            door.kill()
        await door.wait()
