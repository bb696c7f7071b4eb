"""New transaction ids for a restored database, a relation at a time; a killed restamp goes on where it stopped.

Ids of another cluster mean nothing here: rows may lie beyond what this cluster has given out, and new landings below
what the ledger has read. The order of the old ones does mean something, and is kept: docs/runbooks/restore.md.
"""

from collections.abc import Callable
from dataclasses import dataclass

import psycopg

from tally.backup import restamp_sql
from tally.backup.errors import RestampRefused
from tally.backup.relations import Relation, ledger_relations, raw_partitions
from tally.ledger.ledger import ADVISORY_LOCK

# The first is 3, and a landing of this cluster must never be given one that a restored row has.
_IDS_LEFT_FREE = 10
Report = Callable[[str, int, int], None]


@dataclass(frozen=True)
class RestampPlan:
    """What a restamp would do. `from_cluster` is None when there is nothing to do; `bounds` maps a model to its old and
    its new bound; `relations` are those still to be rewritten."""

    from_cluster: str | None
    to_cluster: str
    bounds: dict[str, tuple[str, str]]
    relations: tuple[str, ...]
    resumes: bool = False


@dataclass(frozen=True)
class Restamped:
    """What a restamp did: rows given a new id, by relation."""

    from_cluster: str | None
    to_cluster: str
    rows: dict[str, int]


def is_foreign(connection: psycopg.Connection) -> bool:
    """Whether a bound or a restamp under way is another cluster's, or landed rows carry ids not given out here yet."""
    if _is(connection, "select to_regclass('tally.model_bounds') is null"):
        return False
    if _is(connection, restamp_sql.HAS_FOREIGN_BOUND):
        return True
    if _is(connection, "select to_regclass('tally.restamps') is not null") and _is(
        connection, restamp_sql.IS_UNFINISHED
    ):
        return True
    return not _is(connection, restamp_sql.HAS_BOUND) and _is(connection, restamp_sql.HAS_ROWS_BEYOND)


def plan(connection: psycopg.Connection) -> RestampPlan:
    """What `restamp` would do; nothing is written.

    Raises:
        RestampRefused: as `restamp`.
    """
    with connection.transaction(force_rollback=True):
        resumes = _is(connection, restamp_sql.IS_UNFINISHED)
        from_cluster, to_cluster = _begin(connection)
        bounds = {name: (old, new) for name, old, new in connection.execute(restamp_sql.BOUNDS)}
        todo = tuple(relation.name for relation in _todo(connection)) if from_cluster is not None else ()
    return RestampPlan(from_cluster, to_cluster, bounds if from_cluster is not None else {}, todo, resumes)


def restamp(connection: psycopg.Connection, report: Report = lambda relation, done, total: None) -> Restamped:
    """Give every restored row and bound a new id, so that the ledger reads on exactly where it stood.

    Ticks wait meanwhile; landing goes on, and what lands keeps its id. Each relation is a transaction of its own, and
    the bounds, the last one, let the ledger tick again. Run on a database that needs nothing, it does nothing.

    `connection` is in autocommit mode; `report` is told each relation before it is rewritten, how many are done, and
    of how many.

    Raises:
        RestampRefused: this cluster continues the old one's ids, bounds are of several clusters, or an unfinished
            restamp was dumped.
    """
    connection.execute("select pg_advisory_lock(%s)", (ADVISORY_LOCK,))
    try:
        with connection.transaction():
            from_cluster, to_cluster = _begin(connection)
        if from_cluster is None:
            return Restamped(None, to_cluster, {})
        todo = _todo(connection)
        for number, relation in enumerate(todo):
            report(relation.name, number, len(todo))
            _rewrite(connection, relation)
        with connection.transaction():
            connection.execute(restamp_sql.MOVE_BOUNDS)
            connection.execute("update tally.restamps set finished_at = now()")
            rows: dict[str, int] = dict(
                connection.execute("select relation, rows from tally.restamped_relations").fetchall()
            )
        return Restamped(from_cluster, to_cluster, rows)
    finally:
        connection.execute("select pg_advisory_unlock(%s)", (ADVISORY_LOCK,))


def adopt_ids(connection: psycopg.Connection, *, dry_run: bool = False) -> list[str]:
    """Take the bounds for this cluster's, because it continues the old one's ids, as pg_upgrade does.

    Returns:
        The models whose bounds were another cluster's.

    Raises:
        RestampRefused: a bound lies beyond what this cluster has given out, so it cannot have continued.
    """
    with connection.transaction(force_rollback=dry_run):
        connection.execute("select pg_advisory_xact_lock(%s)", (ADVISORY_LOCK,))
        _refuse_unfinished(connection)
        beyond = connection.execute(restamp_sql.BOUNDS_BEYOND).fetchall()
        if beyond or _is(connection, restamp_sql.HAS_ROWS_BEYOND):
            raise RestampRefused(
                "landed rows or bounds carry ids that this cluster has not given out: it does not continue the old "
                "one's. Run `tally restore --restamp-only` without --ids-carried-on"
            )
        return [model for (model,) in connection.execute(restamp_sql.ADOPT_BOUNDS)]


def _begin(connection: psycopg.Connection) -> tuple[str | None, str]:
    """Note the old ids' steps, unless one is under way; returns the old cluster, None when all is well, and this."""
    clusters = connection.execute(restamp_sql.CLUSTERS).fetchone()
    assert clusters is not None
    foreign, this_cluster, has_own_bounds, restamped_from, restamped_for = clusters
    if restamped_for is not None:
        if restamped_for != this_cluster:
            raise RestampRefused(
                f"a restamp for cluster {restamped_for} was not finished when this database was dumped: its ids are "
                "half new, half old. Finish it there with `tally restore --restamp-only`, then take the backup again"
            )
        return restamped_from, this_cluster
    if len(foreign) > 1 or (foreign and has_own_bounds):
        raise RestampRefused(
            f"bounds of several clusters in tally.model_bounds ({', '.join(foreign)}, this one is {this_cluster}): "
            "restore the backup once more into an empty database"
        )
    if not foreign and (has_own_bounds or not _is(connection, restamp_sql.HAS_ROWS_BEYOND)):
        return None, this_cluster
    _refuse_rows_read_here(connection)
    connection.execute("delete from tally.restamped_relations")
    connection.execute("delete from tally.restamps")
    connection.execute(
        restamp_sql.BEGIN,
        {
            "from_cluster": foreign[0] if foreign else "unknown",
            "to_cluster": this_cluster,
            "firsts": [_first_id(connection, partition) for partition in raw_partitions(connection)],
            "kept_free": _IDS_LEFT_FREE,
        },
    )
    return (foreign[0] if foreign else "unknown"), this_cluster


def _refuse_unfinished(connection: psycopg.Connection) -> None:
    if _is(connection, restamp_sql.IS_UNFINISHED):
        raise RestampRefused("a restamp is under way: finish it with `tally restore --restamp-only`")


def _refuse_rows_read_here(connection: psycopg.Connection) -> None:
    if _is(connection, "select to_regclass('ledger.int_usage_events_deduplicated') is null"):
        return
    for partition in raw_partitions(connection):
        if _is(connection, restamp_sql.HAS_READ_ROWS_OF_THIS_CLUSTER.format(relation=partition.name)):
            raise RestampRefused(
                f"{partition.name} has rows that the ledger has read and that their own transactions wrote here: "
                "this cluster continues the old one's ids, as after pg_upgrade. Nothing needs a new id: "
                "`tally restore --restamp-only --ids-carried-on`"
            )


def _first_id(connection: psycopg.Connection, partition: Relation) -> str | None:
    row = connection.execute(f"select min(xid)::text from {partition.name}").fetchone()
    return row[0] if row else None


def _todo(connection: psycopg.Connection) -> list[Relation]:
    """What is not done yet; landed rows first, because they are told apart by the ledger's ids, which change last."""
    done = {name for (name,) in connection.execute("select relation from tally.restamped_relations")}
    relations = [*raw_partitions(connection), *ledger_relations(connection)]
    return [relation for relation in relations if relation.name not in done]


def _rewrite(connection: psycopg.Connection, relation: Relation) -> None:
    with connection.transaction():
        if relation.is_landed:
            known = _is(connection, "select to_regclass('ledger.int_usage_events_deduplicated') is not null")
            statement = restamp_sql.LANDED if known else restamp_sql.LANDED_UNREAD
            done = connection.execute(statement.format(relation=relation.name))
        else:
            done = connection.execute(restamp_sql.ledger_update(relation))
        connection.execute(
            "insert into tally.restamped_relations (relation, rows) values (%s, %s)", (relation.name, done.rowcount)
        )


def _is(connection: psycopg.Connection, question: str) -> bool:
    return connection.execute(question).fetchone() == (True,)
