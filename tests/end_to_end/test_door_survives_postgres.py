"""Postgres dies under load and comes back: nothing acknowledged is lost, and the door recovers by itself.

The server has its durability on. `--kill-seeds N` runs N seeds of each kind of kill.
"""

import asyncio
import ctypes
import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from door_load import CLIENTS, Load, door_process

from tally.database import connect
from tally.embedded_postgres import EmbeddedPostgres
from tally.migrations import migrate


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    seeds = range(metafunc.config.getoption("kill_seeds"))
    metafunc.parametrize("how", [*(f"kill {seed}" for seed in seeds), "restart"])


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """A server of this test's own, so that it may die."""
    adopt_orphans()
    server = EmbeddedPostgres(tmp_path / "postgres", {"shared_buffers": "64MB"})
    with connect(server.ensure_running()) as connection:
        migrate(connection)
    yield server
    server.stop()


async def test_nothing_acknowledged_is_lost(server: EmbeddedPostgres, how: str) -> None:
    load = Load(random.Random(how), persistent=True)
    async with door_process(server.url()) as (_, http):
        clients = asyncio.create_task(load.run(http))
        await asyncio.sleep(load.chance.uniform(0.3, 0.8))
        before = len(load.acknowledged)
        if how == "restart":
            await asyncio.to_thread(server.stop)
        else:
            kill_all(server)
        await asyncio.sleep(load.chance.uniform(0.1, 0.6))
        await asyncio.to_thread(server.ensure_running)
        back = len(load.acknowledged)
        async with asyncio.timeout(20):
            while len(load.acknowledged) < back + 3 * CLIENTS:
                assert not clients.done(), clients
                await asyncio.sleep(0.05)
        load.stopped = True
        await clients
    assert before > CLIENTS
    assert load.refused["database-lost"] > 0
    with connect(server.url()) as connection:
        load.check(connection)


def kill_all(server: EmbeddedPostgres) -> None:
    """`kill -9` of the postmaster and each of its children at once, as when the machine dies under them."""
    postmaster = int((server.data / "postmaster.pid").read_text().split()[0])
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    processes = [postmaster, *map(int, children)]
    for process in processes:
        os.kill(process, signal.SIGKILL)
    for process in processes:  # a dead process that nobody waits for looks alive to pg_ctl
        os.waitpid(process, 0)


def adopt_orphans() -> None:
    """Make this process the parent of the servers it starts, so that it can wait for them."""
    set_child_subreaper = 36
    assert ctypes.CDLL(None, use_errno=True).prctl(set_child_subreaper, 1, 0, 0, 0) == 0
