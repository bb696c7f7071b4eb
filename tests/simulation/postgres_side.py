"""Postgres as an actor sees it: real connections, each of whose round trips is a step that may go wrong."""

import inspect
from collections.abc import Callable, Generator
from random import Random
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import PipelineStatus, TransactionStatus

from tally.errors import DatabaseUnavailable
from tally.push.statements import statement
from tests.simulation.stage import Crashed, Stage

_NAMES = {
    statement(*names): " + ".join(names)
    for names in (
        ("candidates.sql", "plan.sql"),
        ("candidates.sql", "preview.sql"),
        ("account_answer.sql",),
        ("claim.sql",),
        ("record.sql",),
        ("reopen.sql",),
        ("resolving.sql",),
        ("set_aside.sql",),
        ("turns.sql",),
    )
}
_OF_ITSELF = {"_enter_gen": "begin", "_exit_gen": "end of transaction", "_commit_gen": "commit"}
# Planner statistics are renewed when Postgres' own counts say so, which keep real time: no steps.
_OF_REAL_TIME = ("with recursive beneath", "select tally.analyze_table")
# A process may stand still for seconds, or for longer than Stripe remembers an identifier.
_STALLS = (5.0, 40.0, 3_600.0, 30 * 3_600.0)


class SteppedConnection(psycopg.Connection[Any]):
    """A connection whose every round trip waits for its actor's turn. Closed unharmed, it is lent out again."""

    side: "PostgresSide | None" = None
    actor = ""
    is_spoiled = False

    def wait(self, gen: Generator[Any, Any, Any], *arguments: Any, **options: Any) -> Any:
        label = self._label(gen)
        if self.side is None or label is None:
            return super().wait(gen, *arguments, **options)
        try:
            return self.side.round_trip(
                self, label, lambda: super(SteppedConnection, self).wait(gen, *arguments, **options)
            )
        except BaseException:
            self.is_spoiled = True
            raise

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self.is_spoiled = self.is_spoiled or kind is not None
        try:
            super().__exit__(kind, error, trace)
        except Crashed:
            self.close()
            raise

    def close(self) -> None:
        side, self.side = self.side, None
        if side is None or self.closed:
            super().close()
        elif not self.is_spoiled and self.info.transaction_status == TransactionStatus.IDLE:
            side.idle.append(self)
        else:
            backend = self.info.backend_pid
            super().close()
            side.terminate(backend)  # its locks are gone when the next step begins, not a moment later

    def _label(self, gen: Any) -> str | None:
        name = str(gen.__name__)
        if name in ("_commit_gen", "_rollback_gen") and self.info.transaction_status == TransactionStatus.IDLE:
            return None  # sends nothing
        query = inspect.getgeneratorlocals(gen).get("query")
        if isinstance(query, str) and query.lstrip().startswith(_OF_REAL_TIME):
            return None
        if isinstance(query, str):
            return _NAMES.get(query) or " ".join(query.split())[:48]
        return _OF_ITSELF.get(name, name.strip("_"))


class PostgresSide:
    """Connections for the actors of a stage, kept from one to the next; `terminate` ends a backend for good."""

    def __init__(self, terminate: Callable[[int], None]) -> None:
        self.idle: list[SteppedConnection] = []
        self.terminate = terminate

    def go_on(self, stage: Stage, randomness: Random) -> None:
        """Serve another stage, whose seed decides how long somebody stands still."""
        self.stage = stage
        self._random = randomness

    def close(self) -> None:
        """Close what is lent out no more."""
        while self.idle:
            self.idle.pop().close()

    def connect(self, url: str, *, autocommit: bool = False) -> SteppedConnection:
        """In place of `tally.database.connect`; the actor is the URL's application_name."""
        assert autocommit
        actor = str(conninfo_to_dict(url)["application_name"])
        fault = self.stage.step(actor, "connect", "connect")
        if fault == "unreachable":
            raise DatabaseUnavailable("Postgres does not answer (simulated)")
        connection = (
            self.idle.pop()
            if self.idle
            else SteppedConnection.connect(url, autocommit=True, prepare_threshold=0, options="-c timezone=UTC")
        )
        if fault == "crash_after":
            connection.close()
            self.stage.crash(actor)
        connection.side, connection.actor = self, actor
        return connection

    def round_trip(self, connection: SteppedConnection, label: str, go: Callable[[], Any]) -> Any:
        actor = connection.actor
        fault = self.stage.step(actor, "sql", label)
        self.stage.stands_at(actor, connection.info.backend_pid)
        if fault == "answer_lost" and connection.pgconn.pipeline_status != PipelineStatus.OFF:
            fault = "connection_lost"  # in a pipeline there is no answer to a single statement
        if fault == "connection_lost":
            self.terminate(connection.info.backend_pid)
        result = go()
        if fault == "crash_after":
            self.stage.crash(actor)
        if fault == "answer_lost":
            connection.is_spoiled = True
            connection.close()
            raise psycopg.OperationalError("the connection was lost before the answer came (simulated)")
        if fault == "stall":
            self.stage.sleep(self._random.choice(_STALLS))
        return result
