"""Which process is at work: found by what it holds, so that a kill hits it in the middle."""

import ctypes
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import psutil  # type: ignore[import-untyped]

from tally.embedded_postgres import EmbeddedPostgres
from tally.ledger.ledger import ADVISORY_LOCK
from tests.chaos.stage import Stage

LOOK_SECONDS = 0.02

_TICKING = """
select activity.client_port from pg_locks as held
inner join pg_stat_activity as activity using (pid)
where held.locktype = 'advisory' and held.granted and held.objsubid = 1
  and held.database = (select oid from pg_database where datname = current_database())
  and (held.classid::bigint << 32) | held.objid::bigint = %s
"""

Found = TypeVar("Found")


class NothingToKill(Exception):
    """What a fault wanted to hit did not happen in time; the message says what."""


def ticking(stage: Stage, among: list[psutil.Process]) -> psutil.Process | None:
    """The one of these processes that holds the ledger's lock: it is in mid-tick."""
    with stage.connect() as connection:
        row = connection.execute(_TICKING, (ADVISORY_LOCK,)).fetchone()
    return None if row is None else _with_connection(among, lambda each: each.laddr.port == row[0])


def calling_stripe(stage: Stage, among: list[psutil.Process]) -> psutil.Process | None:
    """The one of these processes that has a connection to the local Stripe."""
    port = stage.settings.sandbox_port
    return _with_connection(among, lambda each: bool(each.raddr) and each.raddr.port == port)


def until(found: Callable[[], Found | None], what: str, seconds: float = 60) -> Found:
    """Look until there is one.

    Raises:
        NothingToKill: there was none in time.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(psutil.NoSuchProcess):
            if (one := found()) is not None:
                return one
        time.sleep(LOOK_SECONDS)
    raise NothingToKill(f"{what} was not seen within {seconds:.0f} s")


def kill_postgres(server: EmbeddedPostgres) -> None:
    """SIGKILL to the postmaster and each of its children at once, as when the machine dies under them."""
    postmaster = psutil.Process(int((server.data / "postmaster.pid").read_text().split()[0]))
    family = [postmaster, *postmaster.children(recursive=True)]
    for process in family:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(family, timeout=10)


def adopt_orphans() -> None:
    """Make this process the parent of what its children leave behind: a dead server must be waited for by somebody."""
    set_child_subreaper = 36
    ctypes.CDLL(None, use_errno=True).prctl(set_child_subreaper, 1, 0, 0, 0)


def _with_connection(among: list[psutil.Process], is_meant: Callable[[Any], bool]) -> psutil.Process | None:
    for process in among:
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if any(is_meant(each) for each in process.net_connections("tcp")):
                return process
    return None
