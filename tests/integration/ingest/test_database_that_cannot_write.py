"""A disk that is full, a database that is read-only, a queue that is full: a clear 503, and nothing is lost."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic, sleep

import httpx
import psycopg
import pytest
from door_caller import Caller, event, running_door

from tally.api_keys import create_key
from tally.database import connect
from tally.settings import Settings

_UNSHARE = ("--user", "--map-root-user", "--mount")


@pytest.fixture
def filling_disk(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """The server of `disk_that_fills.py`; its stdout says the URL."""
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, *_UNSHARE, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this kernel gives no user and mount namespaces: there is no way to a full disk of one's own")
    script = Path(__file__).with_name("disk_that_fills.py")
    command = [unshare, *_UNSHARE, sys.executable, str(script), str(tmp_path / "disk"), str(192 << 20)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ) as server:
        yield server
        assert server.stdin is not None
        server.stdin.close()
        assert server.wait(30) == 0


def batch(name: int) -> list[dict[str, object]]:
    return [event(idempotency_key=f"{name}-{index}", properties={"filler": "x" * 200}) for index in range(1000)]


def test_a_full_disk_is_a_503_and_loses_nothing(filling_disk: subprocess.Popen[str], tmp_path: Path) -> None:
    assert filling_disk.stdout is not None
    assert filling_disk.stdin is not None
    url = filling_disk.stdout.readline().strip()
    with connect(url) as connection:
        connection.execute("insert into tally.tenants (tenant_id, name) values ('acme', 'Acme')")
        connection.execute(
            "insert into tally.meters (tenant_id, metric, aggregation) values ('acme', 'api_calls', 'sum')"
        )
        headers = {"authorization": f"Bearer {create_key(connection, 'acme', 'test')}"}
    settings = Settings.model_validate({"DATABASE_URL": url, "TALLY_HOME": tmp_path, "TALLY_DOOR_PORT": 0})
    with running_door(settings) as base, httpx.Client(base_url=base, headers=headers, timeout=60) as http:
        acknowledged, unknown = set(), set()
        for name in range(300):
            answer = http.post("/v1/events", json={"events": batch(name)})
            if answer.status_code != 200:
                break
            acknowledged.add(name)
        said = answer.json()
        assert answer.status_code == 503, answer.text
        assert answer.headers["retry-after"] == "1"
        assert said["type"] == "urn:tallyledger:problem:database-lost"
        if said["landed"] == "unknown":
            unknown.add(name)
        filling_disk.stdin.write("free\n")
        filling_disk.stdin.flush()
        assert filling_disk.stdout.readline() == "freed\n"
        until = monotonic() + 20
        while (answer := http.post("/v1/events", json={"events": batch(1000)})).status_code != 200:
            assert monotonic() < until, answer.text
            if answer.json()["landed"] == "unknown":
                unknown.add(1000)
            sleep(0.2)
    with connect(url) as connection:
        landed = dict(
            connection.execute(
                "select split_part(idempotency_key, '-', 1)::int, count(*) from raw.usage_events group by 1"
            ).fetchall()
        )
    assert len(acknowledged) > 5
    assert {name: landed.get(name) for name in acknowledged} == dict.fromkeys(acknowledged, 1000)
    assert landed[1000] == 1000 or 1000 in unknown
    assert landed.keys() - acknowledged - unknown - {1000} == set()


def test_a_database_that_turns_read_only_is_a_503_until_it_turns_back(
    door: Caller, connection: psycopg.Connection
) -> None:
    assert door.post(event(idempotency_key="before")).status_code == 200
    name = psycopg.sql.Identifier(connection.info.dbname)
    ours = "datname = current_database() and application_name like 'tallyledger door%'"
    connection.execute(psycopg.sql.SQL("alter database {} set default_transaction_read_only = on").format(name))
    connection.execute(f"select pg_terminate_backend(pid) from pg_stat_activity where {ours}")
    sleep(0.2)
    refused = door.post(event(idempotency_key="meanwhile"))
    ready = door.http.get("/health/ready")
    connection.execute(psycopg.sql.SQL("alter database {} reset default_transaction_read_only").format(name))
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert refused.json()["landed"] == "nothing"
    assert ready.status_code == 503
    assert ready.json()["faults"] == ["Postgres is read-only"]
    until = monotonic() + 10
    while door.post(event(idempotency_key="after")).status_code != 200:
        assert monotonic() < until
        sleep(0.1)
    assert {row["idempotency_key"] for row in door.landed()} == {"before", "after"}


def test_a_full_queue_is_a_503_and_takes_no_memory(call: Callable[..., Caller], database_url: str) -> None:
    door = call(TALLY_MAX_QUEUED_EVENTS=2000)
    assert door.post(event(idempotency_key="first")).status_code == 200

    def post(name: int) -> tuple[int, httpx.Response]:
        with httpx.Client(base_url=door.http.base_url, headers=door.http.headers, timeout=30) as http:
            return name, http.post("/v1/events", json={"events": batch(name)[:500]})

    with connect(database_url) as blocker, ThreadPoolExecutor(16) as pool:
        blocker.execute("lock table raw.usage_events")
        posted = [pool.submit(post, name) for name in range(40)]
        until = monotonic() + 20
        while sum(answer.done() for answer in posted) < 36:
            assert monotonic() < until
            sleep(0.05)
        waiting = [answer for answer in posted if not answer.done()]
        queued = door.http.get("/metrics").text
        blocker.rollback()
        answers = [answer.result() for answer in posted]
    assert len(waiting) == 4
    assert "tally_door_queued_events 2000.0" in queued
    refused = [answer for _, answer in answers if answer.status_code == 503]
    assert len(refused) == 36
    assert {answer.headers["retry-after"] for answer in refused} == {"1"}
    assert {(answer.json()["type"], answer.json()["landed"]) for answer in refused} == {
        ("urn:tallyledger:problem:overloaded", "nothing")
    }
    taken = {name for name, answer in answers if answer.status_code == 200}
    landed = {row["idempotency_key"] for row in door.landed()} - {"first"}
    assert landed == {f"{name}-{index}" for name in taken for index in range(500)}
    assert door.post(event(idempotency_key="later")).status_code == 200
