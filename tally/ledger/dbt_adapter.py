"""dbt's Postgres adapter without what it does again for every node and every invocation.

A tick runs some twenty nodes every few seconds: a connection for each, and a walk up the call stack for each of the
adapter's flags, cost more than the nodes' own statements.
"""

from contextlib import suppress

from dbt.adapters.base.impl import DEFAULT_BASE_BEHAVIOR_FLAGS
from dbt.adapters.contracts.connection import ConnectionState
from dbt.adapters.postgres.connections import PostgresConnectionManager
from dbt.adapters.postgres.impl import PostgresAdapter
from dbt_common.behavior_flags import BehaviorFlagRendered
from dbt_common.exceptions import DbtRuntimeError

# Every adapter that dbt makes, one an invocation, appends its flags to this list of the module (dbt-adapters 1.24):
# without a cut each tick would cost more than the one before, for ever.
_BEHAVIOR_FLAGS = len(DEFAULT_BASE_BEHAVIOR_FLAGS)
# psycopg2's STATUS_BEGIN, and libpq's PQTRANS_IDLE.
_DRIVER_HAS_BEGUN, _SERVER_IS_IDLE = 2, 0


class KeptConnections(PostgresConnectionManager):
    """One connection a thread until the invocation ends, where dbt's own opens one a node.

    Besides the password's hashes that saves the server: a new session plans each view anew from a cold catalogue. What
    a node sets is local to its transaction, which ends with the node.
    """

    def release(self) -> None:
        connection = self.get_if_exists()
        if connection is None or connection.state != ConnectionState.OPEN:
            return
        handle = connection.handle
        if (handle.status, handle.info.transaction_status) == (_DRIVER_HAS_BEGUN, _SERVER_IS_IDLE):
            # dbt commits by a statement of its own, and its driver did not notice: it would begin no other transaction.
            with suppress(DbtRuntimeError), self.exception_handler("begin"):
                handle.cursor().execute("begin")
        self._rollback_handle(connection)  # also where dbt began nothing: its driver did, with the first statement
        connection.transaction_open = False
        if handle.closed:  # the server is gone; the next node connects anew
            super().release()


def install() -> None:
    """Make dbt's adapter of this process so; safe to repeat."""
    PostgresAdapter.ConnectionManager = KeptConnections
    # For a line of dbt's log that nobody reads, it would look up the module of every caller, for every flag.
    BehaviorFlagRendered._default_source = staticmethod(  # type: ignore[method-assign]
        lambda: "dbt.adapters.postgres.impl"
    )


def forget_flags_of_adapters() -> None:
    """To be called before each invocation."""
    del DEFAULT_BASE_BEHAVIOR_FLAGS[_BEHAVIOR_FLAGS:]
