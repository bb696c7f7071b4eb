"""`python -m ingest`: how it starts, and how it stops."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from time import sleep

import httpx
import psycopg
from door_caller import event

from tally.database import connect


@contextmanager
def process(**environment: str) -> Iterator[subprocess.Popen[str]]:
    given = {**os.environ, "TALLY_DOOR_PORT": "0", "TALLY_LOG_LEVEL": "INFO", **environment}
    with subprocess.Popen(
        [sys.executable, "-m", "ingest"], env=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as door:
        try:
            yield door
        finally:
            door.kill()


def test_it_says_where_it_listens_and_drains_when_told_to_stop(
    database_url: str, connection: psycopg.Connection, key: str
) -> None:
    with process(DATABASE_URL=database_url) as door, connect(database_url) as blocker, ThreadPoolExecutor(8) as pool:
        assert door.stdout is not None
        said = door.stdout.readline()
        assert said.startswith("ingest door listening on http://127.0.0.1:")
        url = said.split()[-1]

        def post(number: int) -> int:
            headers = {"authorization": f"Bearer {key}"}
            body = event(idempotency_key=str(number), properties={"secret": "pass\u00adword"})
            return httpx.post(f"{url}/v1/events", json=body, headers=headers, timeout=20).status_code

        assert post(0) == 200
        blocker.execute("lock table raw.usage_events")
        answers = [pool.submit(post, number) for number in range(1, 9)]
        sleep(0.5)
        door.send_signal(signal.SIGTERM)
        sleep(0.5)
        assert door.poll() is None
        assert not any(answer.done() for answer in answers)
        blocker.rollback()
        assert [answer.result() for answer in answers] == [200] * 8
        assert door.wait(10) == 0
        assert door.stderr is not None
        logs = door.stderr.read()
    assert connection.execute("select count(*) from raw.usage_events").fetchone() == (9,)
    assert key not in logs
    assert key.split("_", 2)[2] not in logs
    assert "secret" not in logs
    assert all(line.startswith("{") for line in logs.splitlines())


def test_it_will_not_start_on_a_schema_that_is_not_its_own(database_url: str, connection: psycopg.Connection) -> None:
    connection.execute("delete from tally_schema.migrations where name like '0005%'")
    with process(DATABASE_URL=database_url) as door:
        _, errors = door.communicate(timeout=20)
        assert door.returncode == 1
    assert (
        "the ingest door cannot start: 1 migrations are pending, first 0005_model_bounds: run `tally migrate`" in errors
    )
    assert "Traceback" not in errors
