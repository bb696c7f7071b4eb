"""kill -9 of an import at any moment: started again it lands every row once, and says each reject once."""

import json
import os
import subprocess
import sys
from pathlib import Path
from random import Random
from time import monotonic, sleep

import psycopg
import pytest

from ingest.importing.chunk import ROWS

REJECTED_EVERY = 1000


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.thorough) for seed in (1, 2))])
def test_a_killed_import_lands_every_row_once(
    database_url: str, connection: psycopg.Connection, tmp_path: Path, seed: int
) -> None:
    connection.execute("insert into tally.tenants (tenant_id, name) values ('acme', 'Acme')")
    connection.execute("insert into tally.meters values ('acme', 'api_calls', 'sum')")
    count, random = 12 * ROWS, Random(seed)
    path = tmp_path / "usage.csv"
    with path.open("w") as file:
        file.write("idempotency_key,customer_ref,metric,quantity,event_time\n")
        for row in range(1, count + 1):
            quantity = "NaN" if row % REJECTED_EVERY == 0 else "1"
            file.write(f"k{row},c,api_calls,{quantity},2026-11-03T04:05:06Z\n")
    environment = {**os.environ, "DATABASE_URL": database_url, "TALLY_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "ingest.importing", str(path), "--json"]
    kills = 0
    until = monotonic() + 120
    while monotonic() < until:
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
            if kills < 3:
                before = rows_done(connection)
                while running.poll() is None and rows_done(connection) == before:
                    sleep(0.002)
                sleep(random.uniform(0, 0.08))
                kills += running.poll() is None
                running.kill()
            said, errors = running.communicate()
        if running.returncode == 1 and b"somebody else" not in errors:
            break
    rejected = list(range(REJECTED_EVERY, count + 1, REJECTED_EVERY))
    assert kills == 3
    assert json.loads(said)["accepted"] == count - len(rejected)
    landed = connection.execute("select count(*), count(distinct idempotency_key) from raw.usage_events").fetchone()
    assert landed == (count - len(rejected),) * 2
    lines = (tmp_path / "usage.csv.rejects.jsonl").read_text().splitlines()
    assert [json.loads(line)["row"] for line in lines] == rejected


def rows_done(connection: psycopg.Connection) -> int:
    found = connection.execute("select coalesce(max(rows_done), 0) from tally.imports").fetchone()
    assert found is not None
    return int(found[0])
