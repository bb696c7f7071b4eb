"""Each service's command of docker-compose.yml, and its health check, as they stand there but for what Docker gives:
the database's host, the home folder, and ports that are free here."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import yaml

from tally.database import connect
from tally.embedded_postgres import EmbeddedPostgres

ROOT = Path(__file__).parents[3]
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
_GIVEN = re.compile(r"\$\{(\w+)(?::[-?]([^{}]*))?\}")
_numbers = count(1)


@pytest.fixture
def empty_database_url(postgres: EmbeddedPostgres) -> Iterator[str]:
    """A database without anything in it, as the postgres service makes one."""
    name = f"compose_{next(_numbers)}"
    with connect(postgres.url("postgres"), autocommit=True) as admin:
        admin.execute(f"create database {name}")
    yield postgres.url(name)
    with connect(postgres.url("postgres"), autocommit=True) as admin:
        admin.execute(f"drop database {name} with (force)")


class Machine:
    """Runs services of the file on one database and home folder, without Docker."""

    def __init__(self, url: str, home: Path, port: int) -> None:
        self._url, self._home, self._port = url, home, port

    def once(self, service: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """What `docker compose run --rm SERVICE ARGUMENTS` does."""
        described = SERVICES[service]
        command = [*described.get("entrypoint", []), *(arguments or described.get("command", []))]
        return self._run(service, command)

    def is_healthy(self, service: str) -> bool:
        return self._run(service, SERVICES[service]["healthcheck"]["test"][1:]).returncode == 0

    @contextmanager
    def up(self, service: str, wait_seconds: float = 60) -> Iterator[None]:
        """The service, once it is healthy; it ends well within its grace when it is asked to."""
        with (self._home / f"{service}.log").open("wb") as log:
            started = subprocess.Popen(
                self._here(SERVICES[service]["command"]), env=self._environment(service), cwd=ROOT, stdout=log,
                stderr=log,
            )  # fmt: skip
        try:
            deadline = time.monotonic() + wait_seconds
            while not self.is_healthy(service):
                assert started.poll() is None, (self._home / f"{service}.log").read_text()
                assert time.monotonic() < deadline, f"{service} is not healthy"
            yield
            started.terminate()
            assert started.wait(20) in (0, -15)
        finally:
            started.kill()
            started.wait()

    def _run(self, service: str, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self._here(command), env=self._environment(service), cwd=ROOT, capture_output=True, text=True, check=False,
            timeout=120,
        )  # fmt: skip

    def _here(self, command: list[str]) -> list[str]:
        ports = re.compile(r"127\.0\.0\.1:(?:8080|8081|8082|3000)\b")
        here = [ports.sub(f"127.0.0.1:{self._port}", part) for part in command]
        return ["127.0.0.1" if part == "0.0.0.0" else part for part in here]

    def _environment(self, service: str) -> dict[str, str]:
        described = {name: value for name, value in SERVICES[service]["environment"].items() if value is not None}
        given = {name: _GIVEN.sub(lambda found: found[2] or "", str(value)) for name, value in described.items()}
        port = str(self._port)
        return given | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(self._home),
            "DATABASE_URL": self._url,
            "TALLY_HOME": str(self._home),
            "TALLY_DOOR_HOST": "127.0.0.1",
            "TALLY_METRICS_HOST": "127.0.0.1",
            "TALLY_PAGES_HOST": "127.0.0.1",
            "TALLY_DOOR_PORT": port,
            "TALLY_METRICS_PORT": port,
            "TALLY_PAGES_PORT": port,
            "TALLY_DAGSTER_PORT": port,
        }


@pytest.fixture
def machine(empty_database_url: str, tmp_path: Path, free_port: int) -> Machine:
    return Machine(empty_database_url, tmp_path, free_port)


def test_the_schema_the_door_the_metrics_and_a_backup(machine: Machine, tmp_path: Path) -> None:
    assert not machine.is_healthy("ingest")
    migrated = machine.once("migrate")
    assert migrated.returncode == 0, migrated.stderr
    with machine.up("ingest"):
        pass
    with machine.up("metrics"):
        pass
    with machine.up("pages"):
        pass
    written = machine.once("backup", str(tmp_path / "month.backup"))
    assert written.returncode == 0, written.stderr
    assert (tmp_path / "month.backup").stat().st_size > 0


@pytest.mark.thorough
@pytest.mark.parametrize("service", ["loop", "dagster-webserver", "dagster-daemon"])
def test_what_takes_long_to_start(machine: Machine, service: str) -> None:
    assert machine.once("migrate").returncode == 0
    with machine.up(service, wait_seconds=150):
        pass


@pytest.mark.thorough
def test_a_backup_is_restored_into_an_empty_database(
    machine: Machine, postgres: EmbeddedPostgres, tmp_path: Path, free_port: int
) -> None:
    file = str(tmp_path / "month.backup")
    assert machine.once("migrate").returncode == 0
    assert machine.once("backup", file).returncode == 0
    with connect(postgres.url("postgres"), autocommit=True) as admin:
        admin.execute("create database compose_restored")
    restored = Machine(postgres.url("compose_restored"), tmp_path, free_port)
    assert restored.once("restore", file).returncode == 0
    status = restored.once("tally", "migrate", "--dry-run")
    assert (status.returncode, "the schema is current" in status.stdout) == (0, True)
