"""`tally import`: what a file holds lands once, as the door would have judged it, however often it is stopped."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import psycopg
import pytest
from tally_command import run_tally

from ingest.importing.chunk import ROWS
from ingest.importing.command import main

HEADER = "idempotency_key,customer_ref,metric,quantity,event_time,properties"
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def tenant(connection: psycopg.Connection) -> str:
    connection.execute("insert into tally.tenants (tenant_id, name) values ('acme', 'Acme')")
    for metric, aggregation in {"api_calls": "sum", "departures": "count"}.items():
        connection.execute("insert into tally.meters values ('acme', %s, %s)", (metric, aggregation))
    return "acme"


@pytest.fixture
def run(database_url: str, tenant: str, tmp_path: Path) -> Run:
    """Runs the command that `tally import` becomes with these arguments."""

    def ran(*arguments: str | Path, **settings: str) -> subprocess.CompletedProcess[str]:
        environment = {"DATABASE_URL": database_url, "TALLY_HOME": str(tmp_path), **settings}
        return run_tally(environment, *map(str, arguments), entry=main)

    return ran


@pytest.fixture
def process(database_url: str, tenant: str, tmp_path: Path) -> Run:
    """Runs `tally import` as a shell does."""

    def ran(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "DATABASE_URL": database_url, "TALLY_HOME": str(tmp_path)}
        command = [str(Path(sys.executable).with_name("tally")), "import", *map(str, arguments)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)

    return ran


def summary(done: "subprocess.CompletedProcess[str]") -> dict[str, Any]:
    assert done.stdout, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def landed(connection: psycopg.Connection) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
        return cursor.execute("select * from raw.usage_events order by xid, seq").fetchall()


def csv(path: Path, rows: Sequence[str], header: str = HEADER) -> Path:
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def many(count: int) -> list[str]:
    return [f"k{number},c{number % 7},api_calls,{number}.5,2025-11-03T04:05:06Z," for number in range(count)]


def test_a_csv_lands_to_the_digit_and_older_than_the_door_takes(
    process: Run, tmp_path: Path, connection: psycopg.Connection
) -> None:
    rows = [
        'k-1,c-1,api_calls,0.100000000001,2025-11-03T04:05:06.123456Z,"{""region"": ""eu""}"',
        "k-2,Ünal & Söhne,departures,,2025-11-03T05:05:06+01:00,",
    ]
    done = process(csv(tmp_path / "usage.csv", rows), "--json")
    assert done.returncode == 0, done.stderr
    assert summary(done)["accepted_by_metric"] == {"api_calls": 1, "departures": 1}
    first, second = landed(connection)
    assert (first["quantity"], first["properties"]) == (Decimal("0.100000000001"), '{"region": "eu"}')
    assert first["event_time"] == datetime(2025, 11, 3, 4, 5, 6, 123456, tzinfo=UTC)
    assert (second["customer_ref"], second["quantity"], second["properties"]) == ("Ünal & Söhne", 1, None)
    assert second["event_time"] == datetime(2025, 11, 3, 4, 5, 6, tzinfo=UTC)


BAD_ROWS = [
    (",c,api_calls,1,2025-11-03T04:05:06Z,", "idempotency_key", "is missing"),
    ("k,,api_calls,1,2025-11-03T04:05:06Z,", "customer_ref", "is missing"),
    ("k,c,calls,1,2025-11-03T04:05:06Z,", "metric", "is not a metric"),
    ("k,c,api_calls,,2025-11-03T04:05:06Z,", "quantity", "is missing"),
    ("k,c,api_calls,NaN,2025-11-03T04:05:06Z,", "quantity", "NaN"),
    ("k,c,api_calls,true,2025-11-03T04:05:06Z,", "quantity", "not a decimal number"),
    ("k,c,api_calls,1234567890123456,2025-11-03T04:05:06Z,", "quantity", "16 digits"),
    ("k,c,api_calls,1,2025-11-03 04:05:06,", "event_time", "no time zone"),
    ("k,c,api_calls,1,1999-01-01T00:00:00Z,", "event_time", "more than 3650 days old"),
    ("k,c,api_calls,1,2199-01-01T00:00:00Z,", "event_time", "seconds ahead"),
    ("k,c,api_calls,1,2025-11-03T04:05:06Z,{", "properties", "is not JSON"),
    ("k,c,api_calls,1,2025-11-03T04:05:06Z,7", "properties", "not an object"),
    (" k,c,api_calls,1,2025-11-03T04:05:06Z,", "idempotency_key", "white space"),
]


def test_rejected_rows_go_to_a_file_with_their_reasons(
    run: Run, tmp_path: Path, connection: psycopg.Connection
) -> None:
    good = many(len(BAD_ROWS))
    rows = [row for pair in zip(good, (bad for bad, _, _ in BAD_ROWS), strict=True) for row in pair]
    path = csv(tmp_path / "usage.csv", rows)
    done = run(path, "--json")
    assert done.returncode == 1
    assert (summary(done)["accepted"], summary(done)["rejected"]) == (len(good), len(BAD_ROWS))
    rejects = [json.loads(line) for line in (tmp_path / "usage.csv.rejects.jsonl").read_text().splitlines()]
    assert len(rejects) == len(BAD_ROWS)
    for number, (reject, (_, field, reason)) in enumerate(zip(rejects, BAD_ROWS, strict=True)):
        assert (reject["row"], reject["field"]) == (2 * number + 2, field)
        assert reason in reject["reason"]
        assert set(reject["original"]) == set(HEADER.split(","))
    assert len(landed(connection)) == len(good)


def test_columns_may_be_called_anything(run: Run, tmp_path: Path, connection: psycopg.Connection) -> None:
    path = csv(tmp_path / "x.csv", ["7,acme,3,2025-11-03 04:05:06,eu,gold,x"], "no,account,amount,at,region,plan,noise")
    mapping = ["--map", "customer_ref=account", "--map", "quantity=amount", "--map", "event_time=at"]
    mapping += ["--set", "metric=api_calls", "--property", "region", "--property", "plan"]
    for missing, said in (
        (mapping, "no column idempotency_key"),
        ([*mapping, "--map", "idempotency_key=no"], "the column 'noise' is no field"),
        ([*mapping, "--map", "idempotency_key=number"], "no column 'number'"),
        ([*mapping, "--map", "key=no"], "key is not a field"),
        ([*mapping, "--set", "customer_ref=x"], "customer_ref is given a column and a value"),
    ):
        refused = run(path, *missing)
        assert refused.returncode == 1
        assert said in refused.stderr.replace("\n", " ")
    assert landed(connection) == []
    done = run(path, *mapping, "--map", "idempotency_key=no", "--ignore-others", "--utc")
    assert done.returncode == 0, done.stderr
    assert "1 rows: 1 accepted, 0 duplicates, 0 rejected" in done.stdout
    (row,) = landed(connection)
    said = [row[name] for name in ("idempotency_key", "customer_ref", "metric", "quantity")]
    assert said == ["7", "acme", "api_calls", 3]
    assert json.loads(row["properties"]) == {"region": "eu", "plan": "gold"}
    assert row["event_time"] == datetime(2025, 11, 3, 4, 5, 6, tzinfo=UTC)


def test_rows_without_a_key_are_named_only_when_asked(run: Run, tmp_path: Path, connection: psycopg.Connection) -> None:
    path = csv(
        tmp_path / "x.csv", ["c,api_calls,1,2025-11-03T04:05:06Z"] * 2, "customer_ref,metric,quantity,event_time"
    )
    assert "--key-stem" in run(path).stderr
    assert run(path, "--key-stem", "october").returncode == 0
    assert [row["idempotency_key"] for row in landed(connection)] == ["october:1", "october:2"]


def test_a_dry_run_says_what_would_happen_and_lands_nothing(
    run: Run, tmp_path: Path, connection: psycopg.Connection
) -> None:
    path = csv(tmp_path / "usage.csv", [*many(5), BAD_ROWS[4][0]])
    done = run(path, "--dry-run")
    assert done.returncode == 1
    assert "6 rows: 5 accepted, 0 duplicates, 1 rejected (dry run: nothing landed)" in done.stdout
    assert "NaN" in done.stdout
    assert landed(connection) == []
    assert not (tmp_path / "usage.csv.rejects.jsonl").exists()
    assert connection.execute("select count(*) from tally.imports").fetchone() == (0,)


def test_parquet_keeps_its_types(run: Run, tmp_path: Path, connection: psycopg.Connection) -> None:
    times = [datetime(2025, 11, 3, 4, 5, 6, 123456), datetime(2025, 11, 3)]  # noqa: DTZ001
    frame = pl.DataFrame(
        {
            "idempotency_key": ["a", "b"],
            "customer_ref": ["c", "c"],
            "metric": ["api_calls", "api_calls"],
            "quantity": pl.Series([Decimal("123456789.123456"), Decimal("0.1")], dtype=pl.Decimal(18, 6)),
            "event_time": pl.Series(times).dt.replace_time_zone("America/New_York"),
            "properties": [{"region": "eu", "n": 1}, None],
        }
    )
    frame.write_parquet(tmp_path / "usage.parquet")
    assert run(tmp_path / "usage.parquet").returncode == 0
    first, second = landed(connection)
    assert (first["quantity"], second["quantity"]) == (Decimal("123456789.123456"), Decimal("0.1"))
    assert first["event_time"] == datetime(2025, 11, 3, 9, 5, 6, 123456, tzinfo=UTC)
    assert json.loads(first["properties"]) == {"region": "eu", "n": 1}
    assert second["properties"] is None


def test_a_time_finer_than_a_microsecond_is_rejected_and_not_cut(run: Run, tmp_path: Path) -> None:
    column = pl.Series([1_762_142_706_123_456_789]).cast(pl.Datetime("ns", "UTC"))
    frame = pl.DataFrame(
        {"idempotency_key": ["a"], "customer_ref": ["c"], "metric": ["departures"], "event_time": column}
    )
    frame.write_parquet(tmp_path / "usage.parquet")
    assert "finer than a microsecond" in run(tmp_path / "usage.parquet").stdout.replace("\n", " ")


def test_jsonl_is_read_as_the_door_reads_it(run: Run, tmp_path: Path, connection: psycopg.Connection) -> None:
    sound = {"customer_ref": "c", "metric": "api_calls", "event_time": "2025-11-03T04:05:06Z"}
    path = tmp_path / "usage.jsonl"
    number = '{"idempotency_key":"a","quantity":9007199254740.93,' + json.dumps(sound)[1:]
    path.write_text(f"{number}\n\n{{\n{json.dumps({**sound, 'idempotency_key': 'b', 'amount': 2})}\n")
    done = run(path, "--json")
    assert (summary(done)["accepted"], summary(done)["rejected"]) == (1, 2)
    rejects = [json.loads(line) for line in (tmp_path / "usage.jsonl.rejects.jsonl").read_text().splitlines()]
    assert [(reject["row"], reject["field"]) for reject in rejects] == [(3, None), (4, "amount")]
    assert rejects[0]["original"] == "{"
    mapped = tmp_path / "mapped.ndjson"
    mapped.write_text(json.dumps({**sound, "id": "b", "amount": 2, "zone": "eu", "noise": [1]}) + "\n")
    mapping = ["--map", "idempotency_key=id", "--map", "quantity=amount", "--property", "zone", "--ignore-others"]
    assert run(mapped, *mapping).returncode == 0
    first, second = landed(connection)
    assert first["quantity"] == Decimal("9007199254740.93")
    assert (second["idempotency_key"], second["quantity"], json.loads(second["properties"])) == ("b", 2, {"zone": "eu"})


def test_a_finished_import_lands_nothing_again(run: Run, tmp_path: Path, connection: psycopg.Connection) -> None:
    path = csv(tmp_path / "usage.csv", [*many(3), BAD_ROWS[4][0]])
    run(path)
    same = path.rename(tmp_path / "renamed.csv")
    done = run(same, "--json", "--rejects", tmp_path / "usage.csv.rejects.jsonl")
    assert (summary(done)["accepted"], summary(done)["resumed_behind_row"]) == (3, 4)
    assert len(landed(connection)) == 3
    assert len((tmp_path / "usage.csv.rejects.jsonl").read_text().splitlines()) == 1
    assert connection.execute("select count(*) from tally.imports where finished_at is not null").fetchone() == (1,)


@pytest.mark.parametrize("suffix", [".csv", pytest.param(".jsonl", marks=pytest.mark.thorough)])
def test_a_stopped_import_goes_on_where_it_was(
    process: Run, run: Run, tmp_path: Path, connection: psycopg.Connection, suffix: str
) -> None:
    """The second chunk holds a row that Postgres is told to refuse: the run dies with the first one committed."""
    count = ROWS + 500
    rows = many(count)
    rows[ROWS - 1], rows[ROWS + 9] = BAD_ROWS[4][0], BAD_ROWS[5][0]
    path = csv(tmp_path / f"usage{suffix}", rows)
    if suffix == ".jsonl":
        names = HEADER.split(",")[:5]
        path.write_text("".join(json.dumps(dict(zip(names, row.split(","), strict=False))) + "\n" for row in rows))
    connection.execute(f"alter table raw.usage_events add constraint broken check (idempotency_key <> 'k{ROWS + 3}')")
    stopped = process(path)
    assert stopped.returncode == 1
    assert "run the same command again" in stopped.stderr.replace("\n", " ")
    assert len(landed(connection)) == ROWS - 1
    connection.execute("alter table raw.usage_events drop constraint broken")
    done = run(path, "--json")
    assert summary(done)["resumed_behind_row"] == ROWS
    assert (summary(done)["accepted"], summary(done)["rejected"], done.returncode) == (count - 2, 2, 1)
    keys = [row["idempotency_key"] for row in landed(connection)]
    assert len(keys) == len(set(keys)) == count - 2
    rejects = (tmp_path / f"usage{suffix}.rejects.jsonl").read_text().splitlines()
    assert [json.loads(line)["row"] for line in rejects] == [ROWS, ROWS + 10]


def test_two_imports_of_one_file_do_not_run_at_once(
    run: Run, tmp_path: Path, database_url: str, connection: psycopg.Connection
) -> None:
    from ingest.importing.checkpoint import Checkpoint
    from ingest.importing.reading import Reading

    path = csv(tmp_path / "usage.csv", many(3))
    with psycopg.connect(database_url, autocommit=True) as other:
        Checkpoint.of("acme", path, Reading()).claim(other, "usage.csv")
        assert "is being imported by somebody else" in run(path).stderr.replace("\n", " ")
    assert run(path).returncode == 0
    assert len(landed(connection)) == 3


def test_what_is_no_table_is_refused_in_a_sentence(run: Run, tmp_path: Path) -> None:
    for name, content in (
        ("a.csv", b""),
        ("b.parquet", b"PAR1"),
        ("c.csv", f"{HEADER}\n1,2\n1,2,3,4,5,6,7\n".encode()),
    ):
        (tmp_path / name).write_bytes(content)
        refused = run(tmp_path / name)
        assert refused.returncode == 1, name
        assert "cannot be read as a table" in refused.stderr.replace("\n", " ")
        assert "Traceback" not in refused.stderr


def test_rows_land_in_the_day_of_the_clock(run: Run, tmp_path: Path, connection: psycopg.Connection) -> None:
    assert run(csv(tmp_path / "a.csv", many(1))).returncode == 0
    assert connection.execute("select count(*) from only raw.usage_events_default").fetchone() == (0,)
    simulated = datetime(2025, 11, 5, tzinfo=UTC)
    connection.execute("insert into tally.simulated_clock (now) values (%s)", (simulated,))
    rows = ["k,c,api_calls,1,2025-11-05T00:05:00Z,", "ahead,c,api_calls,1,2025-11-05T00:05:01Z,"]
    assert run(csv(tmp_path / "b.csv", rows), TALLY_CLOCK="simulated").returncode == 1
    _, second = landed(connection)
    assert (second["idempotency_key"], second["landed_at"]) == ("k", simulated)
