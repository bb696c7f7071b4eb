"""How far an import has come, kept in tally.imports: moved in the transaction that lands the rows."""

import hashlib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

import psycopg
from psycopg.rows import class_row

from ingest.importing.reading import ImportRefused, Reading

_LOCKS: Final = 7_465_110_002
_ONE = "tenant_id = %(tenant_id)s and file_hash = %(file_hash)s and reading_hash = %(reading_hash)s"


@dataclass(frozen=True)
class Progress:
    """`rows_done` is the last row that is landed or rejected; `rejects_bytes` the length of the rejects' file then."""

    rows_done: int = 0
    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    rejects_bytes: int = 0


@dataclass(frozen=True)
class Checkpoint:
    """One import: this tenant, these bytes, read this way."""

    tenant_id: str
    file_hash: str
    reading_hash: str

    @classmethod
    def of(cls, tenant_id: str, path: Path, reading: Reading) -> "Checkpoint":
        """The checkpoint of a file, by what is in it.

        Raises:
            ImportRefused: the file cannot be read.
        """
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise ImportRefused(f"{path} cannot be read: {error.strerror}") from None
        return cls(tenant_id, digest, reading.hash())

    def claim(self, connection: psycopg.Connection, file_name: str) -> Progress:
        """Where to go on, once nobody else imports this file; the claim ends with the connection.

        Raises:
            ImportRefused: somebody else does.
        """
        key = f"{self.tenant_id}/{self.file_hash}/{self.reading_hash}"
        claimed = connection.execute("select pg_try_advisory_lock(%s, hashtext(%s))", (_LOCKS % 2**31, key)).fetchone()
        if claimed != (True,):
            raise ImportRefused("this file is being imported by somebody else")
        connection.execute(
            "insert into tally.imports (tenant_id, file_hash, reading_hash, file_name) "
            "values (%(tenant_id)s, %(file_hash)s, %(reading_hash)s, %(file_name)s) on conflict do nothing",
            {**vars(self), "file_name": file_name},
        )
        return self.progress(connection)

    def progress(self, connection: psycopg.Connection) -> Progress:
        """Where the import stands; at the start when it never began."""
        columns = ", ".join(field.name for field in fields(Progress))
        with connection.cursor(row_factory=class_row(Progress)) as cursor:
            found = cursor.execute(f"select {columns} from tally.imports where {_ONE}", vars(self)).fetchone()
        return found or Progress()

    def move(self, connection: psycopg.Connection, reached: Progress) -> None:
        """Note how far it has come, in the caller's transaction."""
        settings = ", ".join(f"{field.name} = %({field.name})s" for field in fields(Progress))
        connection.execute(
            f"update tally.imports set {settings}, updated_at = now() where {_ONE}", {**vars(self), **vars(reached)}
        )

    def finish(self, connection: psycopg.Connection) -> None:
        """Note that every row was seen."""
        connection.execute(
            f"update tally.imports set finished_at = coalesce(finished_at, now()) where {_ONE}", vars(self)
        )
