"""Letting the lines of old report runs go. The runs' rows stay: they are small, and the charts need them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

# Of each span stay: runs made since, its newest run, and the lines of the one before the first of these, because what
# changed since is part of the first one's pages.
_FLOORS = """
with kept as (
    select starting_from, starting_before, min(run_id) as first_kept
    from (
        select *, max(run_id) over (partition by starting_from, starting_before) as newest
        from tally.report_runs
        where tenant_id = %(tenant_id)s
    ) as runs
    where made_at >= %(made_since)s or run_id = newest
    group by 1, 2
),

floors as (
    select
        kept.*,
        -- Where the lines of the run before begin.
        (
            select coalesce(run.base_run, run.run_id) from tally.report_runs as run
            where run.tenant_id = %(tenant_id)s and run.starting_from = kept.starting_from
                and run.starting_before = kept.starting_before and run.run_id < kept.first_kept
            order by run.run_id desc
            limit 1
        ) as first_needed
    from kept
)
"""
_OLD_RUNS = """
from tally.report_runs as run
inner join floors using (starting_from, starting_before)
where run.tenant_id = %(tenant_id)s and run.run_id < floors.first_kept and run.lines_kept
"""
_OLD_LINES = """
from tally.report_lines as line
inner join floors using (starting_from, starting_before)
where line.tenant_id = %(tenant_id)s and line.run_id < floors.first_needed
"""
_COUNT = f"{_FLOORS} select (select count(*) {_OLD_RUNS}), (select count(*) {_OLD_LINES})"
_DELETE = (
    f"{_FLOORS} delete from tally.report_lines using (select line.ctid as place {_OLD_LINES}) as old where ctid = place"
)
_MARK = f"""{_FLOORS}
update tally.report_runs set lines_kept = false
where tenant_id = %(tenant_id)s and run_id in (select run.run_id {_OLD_RUNS})
"""


@dataclass(frozen=True)
class Pruned:
    """Runs whose lines go, and how many rows of tally.report_lines that is."""

    runs: int
    lines: int


def prune(connection: psycopg.Connection[Any], tenant_id: str, made_since: datetime, *, dry_run: bool) -> Pruned:
    """Let go of the lines of runs that were made before, but of no span's newest run. `connection` is in autocommit."""
    asked = {"tenant_id": tenant_id, "made_since": made_since}
    with connection.transaction():
        found = connection.execute(_COUNT, asked).fetchone()
        assert found is not None
        if not dry_run:
            connection.execute(_DELETE, asked)
            connection.execute(_MARK, asked)
    return Pruned(*found)
