"""Group commit: together when there is a crowd, and nobody pays for another's rows."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest

from ingest.door_clock import PlainClock
from ingest.landing import Landing, Overloaded
from ingest.link import DatabaseLost, Link, RowsRefused
from ingest.metrics import Metrics
from tally.clock import SystemClock
from tally.database import connect


def line(key: str) -> bytes:
    return f"acme\t{key}\tc\tm\t1\t2026-11-21T11:00:00Z\t\\N\n".encode()


@pytest.fixture
async def links(database_url: str) -> AsyncIterator[list[Link]]:
    made = [Link(database_url, "test 1"), Link(database_url, "test 2")]
    yield made
    for link in made:
        await link.close()


def landing(links: list[Link], max_queued: int = 1000) -> tuple[Landing, Metrics]:
    metrics = Metrics(100)
    return Landing(links, PlainClock(SystemClock()), metrics, max_queued), metrics


async def over_both(door: Landing, first: str, second: str) -> None:
    """Land two rows over two links."""
    one = asyncio.create_task(door.land(line(first), 1))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await door.land(line(second), 1)
    await one


def transactions(connection: psycopg.Connection) -> dict[str, str]:
    """Idempotency key to landing transaction."""
    rows = connection.execute("select idempotency_key, xid::text from raw.usage_events").fetchall()
    return dict(rows)


async def test_a_crowd_shares_commits(links: list[Link], connection: psycopg.Connection) -> None:
    door, metrics = landing(links)
    await asyncio.gather(*(door.land(line(str(n)), 1) for n in range(200)))
    landed = transactions(connection)
    assert len(landed) == 200
    assert len(set(landed.values())) == 1
    assert b"tally_door_commit_rows_count 1.0" in metrics.text()
    assert b"tally_door_queued_events 0.0" in metrics.text()


async def test_who_comes_while_commits_are_in_flight_shares_the_next(
    links: list[Link], connection: psycopg.Connection, database_url: str
) -> None:
    door, _ = landing(links)
    with connect(database_url) as blocker:
        blocker.execute("lock table raw.usage_events")
        waiting = []
        # 2 rows; 1 is fewer than are in flight and waits; with 2 more it is worth the second link; 3 wait for a link.
        for keys in (["a1", "a2"], ["b1"], ["b2", "b3"], ["c1"], ["c2"], ["c3"]):
            waiting.append(asyncio.create_task(door.land(b"".join(map(line, keys)), len(keys))))
            await asyncio.sleep(0.02)
        blocker.rollback()
        await asyncio.gather(*waiting)
    landed = transactions(connection)
    assert len(set(landed.values())) == 3
    assert all(len({xid for key, xid in landed.items() if key[0] == group}) == 1 for group in "abc")


async def test_rows_that_postgres_refuses_fail_alone(links: list[Link], connection: psycopg.Connection) -> None:
    door, _ = landing(links)
    rows = [line(str(n)) for n in range(9)]
    rows[4] = line("bad").replace(b"\t1\t", b"\tnot a number\t")
    outcomes = await asyncio.gather(*(door.land(row, 1) for row in rows), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes if outcome is not None] == [RowsRefused]
    assert isinstance(outcomes[4], RowsRefused)
    assert set(transactions(connection)) == {str(n) for n in range(9)} - {"4"}
    assert door.queued == 0


class BrokenClock(PlainClock):
    """A fault of the door's own, met on the way to the commit."""

    async def landed_at(self) -> None:
        raise ValueError("a fault")


async def test_a_fault_of_the_door_leaves_nobody_waiting(links: list[Link], connection: psycopg.Connection) -> None:
    door = Landing(links, BrokenClock(SystemClock()), Metrics(100), 1000)
    async with asyncio.timeout(5):
        outcomes = await asyncio.gather(*(door.land(line(str(n)), 1) for n in range(3)), return_exceptions=True)
    assert [(type(outcome), getattr(outcome, "landed", "")) for outcome in outcomes] == [(DatabaseLost, "unknown")] * 3
    assert door.queued == 0
    assert transactions(connection) == {}


async def test_the_queue_is_bounded(links: list[Link], connection: psycopg.Connection) -> None:
    door, _ = landing(links, max_queued=5)
    outcomes = await asyncio.gather(
        *(door.land(line(f"{n}a") + line(f"{n}b"), 2) for n in range(4)), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [type(None), type(None), Overloaded, Overloaded]
    assert set(transactions(connection)) == {"0a", "0b", "1a", "1b"}
    await door.land(line("later"), 1)


async def test_what_is_known_of_a_lost_commit_is_said(
    links: list[Link], connection: psycopg.Connection, database_url: str
) -> None:
    door, _ = landing(links)
    await door.land(line("first"), 1)
    with connect(database_url) as blocker:
        blocker.execute("lock table raw.usage_events")
        waiting = asyncio.ensure_future(door.land(line("lost"), 1))
        await asyncio.sleep(0.2)
        terminated = connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where datname = current_database() and wait_event_type = 'Lock' and query like 'COPY%'"
        ).fetchall()
        assert terminated == [(True,)]
        with pytest.raises(DatabaseLost) as caught:
            await waiting
    assert caught.value.landed == "unknown"
    await door.land(line("after"), 1)
    assert set(transactions(connection)) == {"first", "after"}


async def test_a_read_only_database_lands_nothing_and_says_so(
    links: list[Link], connection: psycopg.Connection, database_url: str
) -> None:
    door, _ = landing(links)
    name = psycopg.sql.Identifier(connection.info.dbname)
    connection.execute(psycopg.sql.SQL("alter database {} set default_transaction_read_only = on").format(name))
    with pytest.raises(DatabaseLost) as caught:
        await door.land(line("k"), 1)
    assert caught.value.landed == "nothing"
    connection.execute(psycopg.sql.SQL("alter database {} reset default_transaction_read_only").format(name))
    await door.land(line("k"), 1)
    assert set(transactions(connection)) == {"k"}


async def test_a_connection_lost_while_idle_is_made_anew(links: list[Link], connection: psycopg.Connection) -> None:
    door, _ = landing(links)
    await over_both(door, "a", "b")
    ours = "datname = current_database() and application_name like 'tallyledger door%'"
    ended = connection.execute(f"select pg_terminate_backend(pid) from pg_stat_activity where {ours}").fetchall()
    assert ended == [(True,), (True,)]
    await asyncio.sleep(0.2)
    await over_both(door, "c", "d")
    assert set(transactions(connection)) == {"a", "b", "c", "d"}


async def test_acknowledged_means_flushed(links: list[Link], connection: psycopg.Connection) -> None:
    """The tests' server defaults to synchronous_commit=off; the door's own sessions do not."""
    assert connection.execute("show synchronous_commit").fetchone() == ("off",)
    (row,) = await links[0].fetch("select current_setting('synchronous_commit') as setting")
    assert row["setting"] == "on"
