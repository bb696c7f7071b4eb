"""`kill -9` of the door in the middle of a load: what it acknowledged is there, whole, and exactly as it was sent."""

import asyncio
import os
import random
import signal
import sys
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import psycopg
import pytest

from tally.api_keys import create_key
from tally.database import connect

CLIENTS = 12


@dataclass
class Load:
    """What twelve clients sent, request by request, and which requests were acknowledged."""

    chance: random.Random
    sent: dict[str, list[str]] = field(default_factory=dict)
    acknowledged: set[str] = field(default_factory=set)

    async def client(self, http: httpx.AsyncClient, name: int) -> None:
        """Post until the door is gone."""
        for number in range(100_000):
            request = f"{name}-{number}"
            keys = [f"{request}-{index}" for index in range(self.chance.choice((1, 1, 5, 200)))]
            events = [_event(key) for key in keys]
            self.sent[request] = keys
            try:
                answer = await http.post("/v1/events", json=events[0] if len(events) == 1 else {"events": events})
            except httpx.TransportError:
                return
            assert answer.status_code == 200, answer.text
            assert answer.json()["accepted"] == len(keys)
            self.acknowledged.add(request)


def _event(key: str) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat()
    return {"idempotency_key": key, "customer_ref": key[:3], "metric": "calls", "quantity": len(key), "event_time": now}


@pytest.mark.parametrize("seed", range(4))
async def test_nothing_acknowledged_is_lost(database_url: str, connection: psycopg.Connection, seed: int) -> None:
    connection.execute("insert into tally.tenants (tenant_id, name) values ('acme', 'Acme')")
    connection.execute("insert into tally.meters (tenant_id, metric, aggregation) values ('acme', 'calls', 'sum')")
    key = create_key(connection, "acme", "load")
    load = Load(random.Random(seed))
    environment = {**os.environ, "DATABASE_URL": database_url, "TALLY_DOOR_PORT": "0", "TALLY_LOG_LEVEL": "WARNING"}
    door = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ingest", env=environment, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert door.stdout is not None
        url = (await asyncio.wait_for(door.stdout.readline(), 20)).decode().split()[-1]
        headers = {"authorization": f"Bearer {key}"}
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=20) as http:
            clients = [asyncio.create_task(load.client(http, name)) for name in range(CLIENTS)]
            await asyncio.sleep(load.chance.uniform(0.3, 0.8))
            with connect(database_url) as blocker:
                if seed % 2:  # kill while commits hang, so that nothing on its way has landed yet
                    blocker.execute("lock table raw.usage_events")
                    await asyncio.sleep(0.1)
                door.send_signal(signal.SIGKILL)
                await asyncio.gather(*clients)
    finally:
        if door.returncode is None:
            door.kill()
        await door.wait()

    _settle(connection)
    landed = Counter(row[0] for row in connection.execute("select idempotency_key from raw.usage_events"))
    requests = Counter(key.rpartition("-")[0] for key in landed)
    assert len(load.acknowledged) > CLIENTS
    assert [key for request in load.acknowledged for key in load.sent[request] if key not in landed] == []
    # A request that was not acknowledged landed whole or not at all, and nothing landed twice.
    assert {request: count for request, count in requests.items() if count != len(load.sent[request])} == {}
    assert set(landed.values()) == {1}
    wrong = connection.execute(
        "select count(*) from raw.usage_events where quantity <> length(idempotency_key)"
    ).fetchone()
    assert wrong == (0,)


def _settle(connection: psycopg.Connection) -> None:
    """Wait until the dead door's sessions have finished: a COPY on its way may still commit."""
    ours = "datname = current_database() and application_name like 'tallyledger door%'"
    for _ in range(200):
        alive = connection.execute(f"select count(*) from pg_stat_activity where {ours}").fetchone()
        if alive == (0,):
            return
        connection.execute("select pg_sleep(0.05)")
    raise AssertionError("the dead door's sessions did not end")
