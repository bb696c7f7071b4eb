"""`kill -9` of the door in the middle of a load: what it acknowledged is there, whole, and exactly as it was sent.

`--kill-seeds N` runs N seeds of each kind of kill.
"""

import asyncio
import random
import signal

import psycopg
import pytest
from door_load import CLIENTS, Load, door_process

from tally.database import connect


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    metafunc.parametrize("seed", range(metafunc.config.getoption("kill_seeds")))


async def test_nothing_acknowledged_is_lost(database_url: str, connection: psycopg.Connection, seed: int) -> None:
    load = Load(random.Random(seed), persistent=False)
    async with door_process(database_url) as (door, http):
        clients = asyncio.create_task(load.run(http))
        await asyncio.sleep(load.chance.uniform(0.3, 0.8))
        with connect(database_url) as blocker:
            if seed % 2:  # kill while commits hang, so that nothing on its way has landed yet
                blocker.execute("lock table raw.usage_events")
                await asyncio.sleep(0.1)
            door.send_signal(signal.SIGKILL)
            await clients
    _settle(connection)
    assert len(load.acknowledged) > CLIENTS
    assert not load.refused
    load.check(connection)


def _settle(connection: psycopg.Connection) -> None:
    """Wait until the dead door's sessions have finished: a COPY on its way may still commit."""
    ours = "datname = current_database() and application_name like 'tallyledger door%'"
    for _ in range(200):
        alive = connection.execute(f"select count(*) from pg_stat_activity where {ours}").fetchone()
        if alive == (0,):
            return
        connection.execute("select pg_sleep(0.05)")
    raise AssertionError("the dead door's sessions did not end")
