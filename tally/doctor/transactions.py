"""Write transactions that stay open: the ledger stops before the oldest one, in the whole cluster."""

from collections.abc import Iterator
from datetime import timedelta

from tally.doctor.patient import Patient
from tally.doctor.result import Result, ok, warning, wrong
from tally.pipeline_status import TICK_LAG_LIMIT

CHECK = "transactions"
DOUBTFUL = timedelta(minutes=1)
# Prepared transactions have no process any more and outlive a restart.
_OPEN = """
select clock_timestamp() - xact_start as age,
    format('process %%s of database %%s (%%s)', pid, datname, coalesce(nullif(application_name, ''), 'unnamed')),
    format('select pg_terminate_backend(%%s)', pid)
from pg_stat_activity
where backend_xid is not null and pid <> pg_backend_pid()
union all
select clock_timestamp() - prepared, format('prepared transaction %%L of database %%s', gid, database),
    format('rollback prepared %%L', gid)
from pg_prepared_xacts
order by age desc
limit 1
"""
_SEES_OTHERS = "select pg_has_role('pg_read_all_stats', 'usage')"


def transactions(patient: Patient) -> Iterator[Result]:
    """How long the oldest write transaction has been open."""
    found = patient.rows(_OPEN, {})
    blind = "" if patient.rows(_SEES_OTHERS) == [(True,)] else ", as far as this user may see (pg_read_all_stats)"
    if not found or found[0][0] < DOUBTFUL:
        yield ok(CHECK, f"no write transaction is open for longer than {DOUBTFUL.seconds} s{blind}")
        return
    age, whose, end = found[0]
    said = f"a write transaction is open for {age - timedelta(microseconds=age.microseconds)}: {whose}{blind}"
    held = "the ledger counts nothing that landed after it began"
    judge = wrong if age > TICK_LAG_LIMIT else warning
    yield judge(CHECK, f"{said}; {held}", f"let it end, or end it: {end}")
