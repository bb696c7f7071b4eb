"""Postgres roles with the least privilege that each service needs: declared, compared with what is there, applied."""

from typing import Any

import psycopg

from tally.roles.declared import NAMES, ROLES, Role
from tally.roles.errors import RolesRefused
from tally.roles.plan import plan

__all__ = ["NAMES", "ROLES", "Role", "RolesRefused", "apply", "are_in_use", "plan"]

# Roles are the cluster's: two databases must not make them at once.
_ONE_AT_A_TIME = "select pg_advisory_xact_lock(7465110006)"
_WHO = "run `tally roles apply` as a superuser, or as tally_admin once the roles are there; nothing was changed"
LOCK_TIMEOUT = "2s"


def apply(connection: psycopg.Connection[Any]) -> list[str]:
    """Make roles, owners and grants as they are declared, all or nothing; returns the statements that were run.

    Raises:
        RolesRefused: the user may not; or a table is in use by a long transaction, so that its owner cannot change.
    """
    try:
        with connection.transaction():
            connection.execute("select set_config('lock_timeout', %s, true)", (LOCK_TIMEOUT,))
            connection.execute(_ONE_AT_A_TIME)
            statements = plan(connection)
            for statement in statements:
                connection.execute(statement.encode())
            # What a user may not grant or revoke, Postgres may leave as it is with no more than a warning.
            if left := plan(connection):
                raise RolesRefused(f"{left[0]} had no effect: {_WHO}")
    except psycopg.errors.InsufficientPrivilege as error:
        raise RolesRefused(f"{error.diag.message_primary}: {_WHO}") from None
    except psycopg.errors.LockNotAvailable:
        raise RolesRefused(f"a table was in use for more than {LOCK_TIMEOUT}; nothing was changed, try again") from None
    return statements


def are_in_use(connection: psycopg.Connection[Any]) -> bool:
    """Whether this database's schema was handed to the roles once."""
    asked = "select pg_get_userbyid(nspowner) = 'tally_admin' from pg_namespace where nspname = 'tally'"
    return connection.execute(asked).fetchone() == (True,)
