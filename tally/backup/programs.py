"""pg_dump and pg_restore: which of the installed ones fits a server, and how they are run."""

import os
import re
import shutil
import subprocess
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tally.backup.errors import BackupRefused
from tally.embedded_postgres import binaries
from tally.errors import DatabaseUnavailable

Report = Callable[[str], None]
# "pg_dump: dumping contents of table "raw.usage_events_20240301"", "pg_restore: processing data for table "..."".
_DATA_OF_TABLE = re.compile(r'(?:dumping contents of|processing data for) table "(.+)"')


def program(name: str, server_version: int) -> Path:
    """The oldest installed `name` that knows a server of this major version.

    Raises:
        BackupRefused: none does.
    """
    found = {path: _major_version(path) for path in _installed(name)}
    fitting = [path for path, major in found.items() if major >= server_version]
    if not fitting:
        seen = ", ".join(f"{path} is {major}" for path, major in found.items()) or "none is installed"
        raise BackupRefused(f"{name} {server_version} or newer is needed for this server ({seen}): install it on PATH")
    return min(fitting, key=lambda path: found[path])


def run(path: Path, url: str, arguments: Sequence[str], report: Report) -> None:
    """Run a Postgres program against `url`, whose password stays off the command line; report each table it comes to.

    Raises:
        BackupRefused: it failed, with the end of what it said.
    """
    parts = conninfo_to_dict(url)
    password = parts.pop("password", None)
    environment = {**os.environ, **({"PGPASSWORD": str(password)} if password is not None else {})}
    command = [str(path), "--no-password", f"--dbname={make_conninfo('', **parts)}", *arguments]
    said: deque[str] = deque(maxlen=5)
    with subprocess.Popen(
        command, env=environment, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    ) as child:
        assert child.stderr is not None
        for line in child.stderr:
            if table := _DATA_OF_TABLE.search(line):
                report(table[1])
            said.append(line.strip())
    if child.returncode != 0:
        raise BackupRefused(f"{path.name} failed: " + " ".join(said))


def contents(path: Path, file: Path) -> str:
    """The table of contents of a backup file.

    Raises:
        BackupRefused: it is not one that `path` (pg_restore) can read.
    """
    listed = subprocess.run([str(path), "--list", str(file)], capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        raise BackupRefused(f"{file}: {listed.stderr.strip()}")
    return listed.stdout


def _installed(name: str) -> Iterator[Path]:
    if on_path := shutil.which(name):
        yield Path(on_path)
    with suppress(DatabaseUnavailable):
        yield binaries() / name


def _major_version(path: Path) -> int:
    said = subprocess.run([str(path), "--version"], capture_output=True, text=True, check=False).stdout
    number = re.search(r"(\d+)", said)
    return int(number[1]) if number else 0
