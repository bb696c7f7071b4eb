"""One file with everything that cannot be computed again, and back from it into an empty database."""

import os
from dataclasses import dataclass
from pathlib import Path

import psycopg

from tally import dagster_home
from tally.backup.errors import BackupRefused
from tally.backup.programs import Report, contents, program, run
from tally.backup.restamp import is_foreign
from tally.database import connect
from tally.migrations import migrate
from tally.push.accounts import stop_all

# What was pushed after the backup, Stripe has and this ledger has lost: the next push would send it again.
_PUSHED_SINCE = "restored from a backup: `tally push adopt` takes over what Stripe was told since"
_USER_RELATIONS = """
select format('%%I.%%I', namespace.nspname, relation.relname)
from pg_class as relation
inner join pg_namespace as namespace on namespace.oid = relation.relnamespace
where relation.relkind in ('r', 'p', 'v', 'm', 'S', 'f')
    and namespace.nspname not in ('pg_catalog', 'information_schema', %(dagster)s)
    and namespace.nspname not like 'pg\\_%%'
    and not exists (
        select from pg_depend
        where objid = relation.oid and classid = 'pg_class'::regclass and deptype = 'e'
    )
order by 1
limit 3
"""


@dataclass(frozen=True)
class BackupFile:
    """A backup that was written: where, and how large."""

    file: Path
    size_bytes: int


def backup(url: str, file: Path, report: Report) -> BackupFile:
    """Write the database at `url`, as of one moment, to `file`; whoever reads or writes it goes on meanwhile.

    Dagster's schema is left out: run history, and run keys made of this cluster's transaction ids.

    Raises:
        BackupRefused: the file exists, the database was restored and not re-stamped, or pg_dump failed: no file is
            left.
    """
    if file.exists():
        raise BackupRefused(f"{file} exists: a backup never overwrites; name another file or remove it")
    if not file.parent.is_dir():
        raise BackupRefused(f"{file.parent} is no folder: make it first")
    with connect(url, autocommit=True) as connection:
        if connection.execute("select to_regclass('tally_schema.migrations') is null").fetchone() == (True,):
            raise BackupRefused("the database has no Tallyledger schema: there is nothing to back up")
        if is_foreign(connection):
            raise BackupRefused("this database was restored and not re-stamped: first `tally restore --restamp-only`")
        dump = program("pg_dump", connection.info.server_version // 10000)
    part = file.with_name(f"{file.name}.part")
    arguments = ["--format=custom", f"--exclude-schema={dagster_home.SCHEMA}", "--verbose", f"--file={part}"]
    try:
        # A file with customers' usage is nobody else's business.
        os.close(os.open(part, os.O_CREAT | os.O_WRONLY, 0o600))
        run(dump, url, arguments, report)
        os.link(part, file)  # unlike a rename, fails where another backup has just put its file
    except FileExistsError:
        raise BackupRefused(f"{file} exists: another backup wrote it meanwhile") from None
    finally:
        part.unlink(missing_ok=True)
    return BackupFile(file, file.stat().st_size)


def restore(url: str, file: Path, report: Report, *, dry_run: bool = False) -> list[str]:
    """Restore `file` into the empty database at `url`, all or nothing, and bring its schema to this version.

    Owners and privileges are not restored: everything belongs to the user of `url`. The transaction ids are still the
    old cluster's until `restamp`. A dry run checks the file and the database.

    Returns:
        The names of the migrations that were applied on top.

    Raises:
        BackupRefused: the file is no Tallyledger backup, the database is not empty, or pg_restore failed.
    """
    if not file.is_file():
        raise BackupRefused(f"{file}: no such file")
    with connect(url, autocommit=True) as connection:
        reader = program("pg_restore", connection.info.server_version // 10000)
        if " tally_schema migrations " not in contents(reader, file):
            raise BackupRefused(f"{file} is no backup of Tallyledger: it has no tally_schema.migrations")
        _require_empty(connection)
    if dry_run:
        return []
    arguments = ["--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges", "--verbose", str(file)]
    run(reader, url, arguments, report)
    with connect(url, autocommit=True) as connection:
        applied = migrate(connection)
        stop_all(connection, _PUSHED_SINCE)
    return applied


def _require_empty(connection: psycopg.Connection) -> None:
    found = connection.execute(_USER_RELATIONS, {"dagster": dagster_home.SCHEMA}).fetchall()
    if found:
        names = ", ".join(name for (name,) in found)
        raise BackupRefused(
            f"the database {connection.info.dbname!r} is not empty ({names}, ...): create a new one and point "
            "DATABASE_URL at it"
        )
