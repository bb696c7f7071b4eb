"""Is the door alive, and can it take events?"""

import asyncio

import psycopg
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from msgspec import Struct

from tally.database import connect
from tally.errors import TallyError
from tally.migrations import standing

CHECK_SECONDS = 5


class Alive(Struct):
    """The process runs and answers."""

    status: str = "alive"


class Readiness(Struct):
    """`ready`, or `not ready` with what is wrong, one sentence each."""

    status: str
    faults: list[str]


@get("/health/live", summary="The process answers")
async def live() -> Alive:
    return Alive()


@get(
    "/health/ready",
    summary="The door can take events: Postgres answers, takes writes, and has this version's schema",
    responses={
        503: ResponseSpec(Readiness, generate_examples=False, description="Not ready; `faults` says what is wrong")
    },
)
async def ready(database_url: NamedDependency[str]) -> Response[Readiness]:
    try:
        faults = await asyncio.wait_for(asyncio.to_thread(database_faults, database_url), CHECK_SECONDS)
    except TimeoutError:
        faults = [f"Postgres does not answer within {CHECK_SECONDS} seconds"]
    if faults:
        return Response(Readiness("not ready", faults), status_code=503)
    return Response(Readiness("ready", []))


def database_faults(database_url: str) -> list[str]:
    """What keeps this database from taking events; empty when nothing does."""
    try:
        with connect(database_url, autocommit=True) as connection:
            connection.execute("select set_config('statement_timeout', %s, false)", (f"{CHECK_SECONDS}s",))
            schema = standing(connection)
            row = connection.execute(
                "select pg_is_in_recovery() or current_setting('transaction_read_only')::boolean"
            ).fetchone()
    except (TallyError, psycopg.Error) as error:
        return [str(error).strip().partition("\n")[0]]
    faults = []
    # A newer schema is none: while an upgrade goes on, the doors of the version before serve on it (docs/runbooks).
    if schema.pending:
        names = ", ".join(migration.name for migration in schema.pending)
        faults.append(f"migrations are pending: {names}; run `tally migrate`")
    if schema.edited:
        faults.append(f"applied migrations were edited since ({', '.join(schema.edited)})")
    if row == (True,):
        faults.append("Postgres is read-only")
    return faults
