"""A moment at which every ledger model has read equally far, and how long it is held."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
from psycopg import IsolationLevel

from tally.database import connect
from tally.errors import LedgerError
from tally.ledger.ledger import ADVISORY_LOCK
from tally.ledger.model_sql import ledger_models

_BOUND = """
    select
        min(read_to)::text, count(distinct read_to), count(*), bool_and(system_identifier = tally.cluster_identifier())
    from tally.model_bounds
    where model = any (%s)
"""
_ATTEMPTS = 3
CatchUp = Callable[[], object]


@contextmanager
def one_moment(url: str, *, alone: bool, catch_up: CatchUp | None) -> Iterator[tuple[psycopg.Connection, str]]:
    """A transaction (repeatable read) and the bound of all models in it. It commits when the block ends without error.

    `alone`: no model moves until then, and nobody declares anything; otherwise ticks go on as soon as the moment is
    fixed. `catch_up` runs a tick where an interrupted one left the models apart.

    Raises:
        LedgerError: they are apart and there is no `catch_up`, or it does not help; or the database was restored.
    """
    with connect(url, autocommit=True) as locks, connect(url, autocommit=True) as connection:
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        kind = "" if alone else "_shared"
        for attempt in range(_ATTEMPTS):
            locks.execute(f"select pg_advisory_lock{kind}(%s)".encode(), (ADVISORY_LOCK,))
            with connection.transaction():
                if alone:
                    # Before the first query fixes what is seen: dbt run by hand knows nothing of the advisory lock.
                    connection.execute("lock table tally.model_bounds in share row exclusive mode")
                bound = _common_bound(connection)
                if not alone:
                    locks.execute("select pg_advisory_unlock_shared(%s)", (ADVISORY_LOCK,))
                if bound is not None:
                    yield connection, bound
                    return
            if alone:
                locks.execute("select pg_advisory_unlock(%s)", (ADVISORY_LOCK,))
            if catch_up is None or attempt == _ATTEMPTS - 1:
                break
            catch_up()
    raise LedgerError("the ledger's models have not read equally far: run `tally tick` until none of them fails")


def _common_bound(connection: psycopg.Connection) -> str | None:
    models = [model.relation for model in ledger_models()]
    row = connection.execute(_BOUND, (models,)).fetchone()
    assert row is not None
    bound, bounds, found, is_own = row
    if is_own is False:
        raise LedgerError(
            "the ledger's bounds count transactions of another database cluster: it was restored or copied. Re-stamp "
            "the landed rows and bounds first: docs/runbooks/restore.md"
        )
    return bound if bounds == 1 and found == len(models) and bound != "0" else None
