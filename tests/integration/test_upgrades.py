"""Upgrades: migrations go forward under load, and nobody starts on a schema that is not its own."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from threading import Event, Timer
from time import monotonic, sleep

import httpx
import psycopg
import pytest
from door_process import STARTED_EARLIER, running_door_process
from typer.testing import CliRunner

from dagster_project.defs.resources import Tally
from tally.api_keys import create_key
from tally.cli.app import app
from tally.database import connect
from tally.embedded_postgres import EmbeddedPostgres
from tally.errors import SchemaError
from tally.ledger import Ledger
from tally.metrics.server import serve
from tally.migrations import LOCK_TIMEOUT_MILLISECONDS, declared, migrate, require_current
from tally.settings import load_settings

# A version from which a door may still run when this version migrates; it knows nothing of what came since.
OLD = "0021_shadow"
LATER = {
    "9001_widen_what_lands": "alter table raw.usage_events add column later text;",
    "9002_widen_keys": "alter table tally.api_keys add column later text; create table tally.later (id integer);",
    "9003_widen_meters": "alter table tally.meters add column later text not null default 'x';",
}
READER_HOLDS_SECONDS = 2.2


@pytest.fixture
def old_url(postgres: EmbeddedPostgres) -> Iterator[str]:
    """A database at the old state, with a tenant and what it meters."""
    with connect(postgres.url("postgres"), autocommit=True) as admin:
        admin.execute("create database upgraded")
    with connect(postgres.url("upgraded"), autocommit=True) as connection:
        migrate(connection, [migration for migration in declared() if migration.name <= OLD])
        connection.execute("insert into tally.tenants (tenant_id, name) values ('acme', 'Acme')")
        connection.execute("insert into tally.meters (tenant_id, metric, aggregation) values ('acme', 'calls', 'sum')")
    yield postgres.url("upgraded")
    with connect(postgres.url("postgres"), autocommit=True) as admin:
        admin.execute("drop database upgraded with (force)")


class Load:
    """Steady posts from a few clients; `slowest` is the longest that one took, in seconds."""

    def __init__(self, door: str, key: str) -> None:
        self._door = door
        self._headers = {"authorization": f"Bearer {key}"}
        self._stop = Event()
        self.acknowledged: set[str] = set()
        self.failed: list[str] = []
        self.slowest = 0.0

    def __enter__(self) -> "Load":
        self._pool = ThreadPoolExecutor(3)
        self._clients = [self._pool.submit(self._post, number) for number in range(3)]
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for client in self._clients:
            client.result(30)
        self._pool.shutdown()

    def _post(self, number: int) -> None:
        with httpx.Client(base_url=self._door, headers=self._headers, timeout=20) as http:
            sent = 0
            while not self._stop.is_set():
                key = f"{number}-{sent}"
                event = {
                    "idempotency_key": key, "customer_ref": "globex", "metric": "calls", "quantity": 1,
                    "event_time": datetime.now(UTC).isoformat(),
                }  # fmt: skip
                began = monotonic()
                answer = http.post("/v1/events", json=event)
                self.slowest = max(self.slowest, monotonic() - began)
                if answer.status_code == 200:
                    self.acknowledged.add(key)
                else:
                    self.failed.append(answer.text)
                sent += 1
                sleep(0.01)


def test_migrations_go_forward_under_load(old_url: str, tmp_path: Path) -> None:
    """A reader holds the table that two migrations want: they step back, and no landing waits for the reader's end."""
    for name, text in LATER.items():
        (tmp_path / f"{name}.sql").write_text(text)
    said: list[str] = []
    with connect(old_url, autocommit=True) as connection, connect(old_url) as reader:
        key = create_key(connection, "acme", "load")
        with running_door_process(old_url, STARTED_EARLIER) as door, Load(door, key) as load:
            sleep(0.3)
            reader.execute("select count(*) from raw.usage_events")
            release = Timer(READER_HOLDS_SECONDS, reader.rollback)
            release.start()
            applied = migrate(connection, [*declared(), *declared(tmp_path)], said.append)
            release.join()
            sleep(0.3)
            assert httpx.get(f"{door}/health/ready").json() == {"status": "ready", "faults": []}
        assert [name for name in applied if name > OLD] == applied
        assert set(LATER) <= set(applied)
        landed = {row[0] for row in connection.execute("select idempotency_key from raw.usage_events")}
    assert load.failed == []
    assert len(load.acknowledged) > 50
    assert load.acknowledged <= landed
    assert any("steps back" in message and "process" in message for message in said)
    # Far less than the reader held on, which is what a landing behind a waiting migration would have taken.
    assert load.slowest < READER_HOLDS_SECONDS * 0.7
    assert LOCK_TIMEOUT_MILLISECONDS < READER_HOLDS_SECONDS * 1000 / 2


def test_what_fails_leaves_what_was_applied_before_it(connection: psycopg.Connection, tmp_path: Path) -> None:
    (tmp_path / "9001_good.sql").write_text("create table tally.good (id integer);")
    (tmp_path / "9002_bad.sql").write_text("create table tally.half (id integer); select 1 / 0;")
    known = [*declared(), *declared(tmp_path)]
    with pytest.raises(psycopg.errors.DivisionByZero):
        migrate(connection, known)
    found = connection.execute(
        "select to_regclass('tally.good') is not null, to_regclass('tally.half') is null"
    ).fetchone()
    assert found == (True, True)
    (tmp_path / "mended").mkdir()
    (tmp_path / "mended" / "9002_bad.sql").write_text("create table tally.half (id integer);")
    assert migrate(connection, [*known[:-1], *declared(tmp_path / "mended")]) == ["9002_bad"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("insert into tally_schema.migrations values ('9999_later', 'x')", r"9999_later.*upgrade Tallyledger"),
        ("delete from tally_schema.migrations where name like '0025%'", r"0025_.*run `tally migrate`"),
    ],
    ids=["ahead", "behind"],
)
def test_nothing_starts_on_another_schema(
    database_url: str, connection: psycopg.Connection, change: str, said: str, monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:  # fmt: skip
    """The door and the loop ask `require_current` too; their own tests start them as processes."""
    connection.execute(change)
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("TALLY_HOME", str(tmp_path))
    load_settings.cache_clear()

    def dagster() -> None:
        with Tally().connect():
            pass

    starts: list[Callable[[], object]] = [
        lambda: require_current(connection),
        dagster,
        lambda: Ledger(database_url, tmp_path).tick(),
        *(
            partial(CliRunner().invoke, app, [*command], catch_exceptions=False)
            for command in (("tick",), ("dbt", "build"), ("metrics", "--once"))
        ),
        lambda: serve(load_settings(), Event()),
    ]
    try:
        for start in starts:
            with pytest.raises(SchemaError, match=said):
                start()
    finally:
        load_settings.cache_clear()
