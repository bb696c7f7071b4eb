"""What everything stands on: the disk, the size of the database, and who holds the ledger's bound back."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg

from tally.finding import Finding

# Transaction ids are the cluster's: a writer in any database of it holds the bound back.
_WRITER = """
select clock_timestamp() - began, who
from (
    select
        xact_start as began,
        format('process %s of %s', pid, coalesce(nullif(application_name, ''), usename, 'somebody')) as who
    from pg_stat_activity
    where backend_xid is not null and pid <> pg_backend_pid()
    union all
    select prepared, format('prepared transaction %s', gid) from pg_prepared_xacts
) as writers
order by began
limit 1
"""
_SIZE = "select pg_database_size(current_database())"
# Both together: a tenth of a large disk is a lot, and so is most of a small one.
_LEAST_SHARE_FREE = 0.1
_LEAST_BYTES_FREE = 10 * 2**30


@dataclass(frozen=True)
class Machine:
    """Bytes of the file system that holds TALLY_HOME and of the database; `writer`: who has been writing longest."""

    free_bytes: int
    disk_bytes: int
    database_bytes: int
    writing_for: timedelta | None
    writer: str | None

    def findings(self, limit: timedelta) -> Iterator[Finding]:
        """What is wrong here; `limit`: how long a write transaction may be open."""
        if self.free_bytes < min(self.disk_bytes * _LEAST_SHARE_FREE, _LEAST_BYTES_FREE):
            sentence = f"{self.free_bytes / self.disk_bytes:.0%} of the disk under TALLY_HOME is free: make room"
            yield Finding("disk_full", "disk", sentence, is_global=True)
        if self.writing_for is not None and self.writing_for > limit:
            sentence = (
                f"{self.writer} has been writing for {self.writing_for}, longer than {limit}: what landed since cannot"
                " be counted; end it, or wait"
            )
            yield Finding("long_write", "postgres", sentence, is_global=True)


def machine(connection: psycopg.Connection[Any], home: Path) -> Machine:
    """As it is now. Transactions of other users are seen only with the role pg_read_all_stats."""
    # The folder may not be there yet: its parents lie on the file system on which it will be made.
    there = next(each for each in (home.absolute(), *home.absolute().parents) if each.exists())
    disk = shutil.disk_usage(there)
    [(size,)] = connection.execute(_SIZE).fetchall()
    writing_for, writer = connection.execute(_WRITER).fetchone() or (None, None)
    return Machine(disk.free, disk.total, size, writing_for, writer)
