"""The sandbox's memory: one SQLite file (or none), written through, committed before any answer."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Json = dict[str, Any]
TABLES = ("objects", "meter_events", "idempotent_answers", "webhook_deliveries")
SCHEMA = Path(__file__).with_name("state.sql")


class State:
    def __init__(self, path: str | None = None) -> None:
        if path is not None:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        # Used by one event loop only; it may have been made in the thread that starts it.
        self.connection = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False)
        self.connection.row_factory = sqlite3.Row
        self.connection.executescript("pragma journal_mode = wal; pragma synchronous = normal;")
        self.connection.executescript(SCHEMA.read_text())
        if not any(column["name"] == "by_stream" for column in self.rows("pragma table_info(meter_events)")):
            # A file of a version that did not know yet by which way an event came.
            self.execute("alter table meter_events add column by_stream integer not null default 0")

    def close(self) -> None:
        self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.connection.execute("begin immediate")
        try:
            yield
        except BaseException:
            self.connection.execute("rollback")
            raise
        self.connection.execute("commit")

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[sqlite3.Row]:
        return self.connection.execute(sql, parameters).fetchall()

    def row(self, sql: str, parameters: Sequence[Any] = ()) -> sqlite3.Row | None:
        row: sqlite3.Row | None = self.connection.execute(sql, parameters).fetchone()
        return row

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        return self.connection.execute(sql, parameters).rowcount

    def save(
        self,
        namespace: str,
        body: Json,
        *,
        customer: str | None = None,
        test_clock: str | None = None,
        parent: str | None = None,
        due_at: int | None = None,
    ) -> None:
        """Insert, or replace in place: an object keeps its rank in lists for life."""
        self.execute(
            "insert into objects (namespace, kind, id, customer, test_clock, parent, due_at, body)"
            " values (?, ?, ?, ?, ?, ?, ?, ?) on conflict (namespace, id) do update set customer = excluded.customer,"
            " test_clock = excluded.test_clock, parent = excluded.parent, due_at = excluded.due_at,"
            " body = excluded.body",
            (namespace, body["object"], body["id"], customer, test_clock, parent, due_at, json.dumps(body)),
        )

    def find(self, namespace: str, kind: str, object_id: str) -> Json | None:
        row = self.row("select kind, body from objects where namespace = ? and id = ?", (namespace, object_id))
        return json.loads(row["body"]) if row and row["kind"] == kind else None

    def select(self, namespace: str, kind: str, where: str = "", parameters: Sequence[Any] = ()) -> list[Json]:
        """Objects in order of creation; `where` continues the condition, starting with `and` or an `order by`."""
        clause = where if "order by" in where else f"{where} order by seq"
        sql = f"select body from objects where namespace = ? and kind = ? {clause}"
        return [json.loads(row["body"]) for row in self.rows(sql, (namespace, kind, *parameters))]

    def delete(self, namespace: str, object_id: str) -> None:
        self.execute("delete from objects where namespace = ? and id = ?", (namespace, object_id))

    def set_savepoint(self) -> None:
        """Remember everything as it is now, for `back_to_savepoint`; a restart forgets it."""
        for table in TABLES:
            self.execute(f"drop table if exists temp.saved_{table}")
            self.execute(f"create temp table saved_{table} as select * from {table}")

    def back_to_savepoint(self) -> None:
        """Everything as it was when last saved.

        Raises:
            LookupError: nothing was saved.
        """
        if self.row("select 1 from sqlite_temp_master where name = ?", (f"saved_{TABLES[0]}",)) is None:
            raise LookupError("nothing was saved: POST /_sandbox/savepoint first")
        self.forget_everything()
        for table in TABLES:
            self.execute(f"insert into {table} select * from temp.saved_{table}")

    def forget_everything(self) -> None:
        """Settings stay; the caller decides about them."""
        for table in TABLES:
            self.execute(f"delete from {table}")
