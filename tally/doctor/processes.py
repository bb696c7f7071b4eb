"""What has to run beside the door: the loop that counts, and Dagster's daemon with its storage."""

from collections.abc import Iterator
from datetime import timedelta

from tally.doctor.patient import Patient
from tally.doctor.result import Result, ok, warning, wrong
from tally.loop_heartbeat import loop_state

SILENT = timedelta(minutes=5)
_STORAGE = """
select to_regclass('dagster.runs') is not null,
    to_regclass('dagster.runs') is not null and has_table_privilege(to_regclass('dagster.runs'), 'select')
"""
_SEEN = "select to_regnamespace('dagster') is not null and has_schema_privilege('dagster', 'usage')"
# Dagster writes its times in UTC, without a zone.
_DAEMON = "select clock_timestamp() at time zone 'UTC' - max(timestamp) from dagster.daemon_heartbeats"


def loop(patient: Patient) -> Iterator[Result]:
    """The loop: running, stopped as asked, or died."""
    assert patient.connection is not None
    state = loop_state(patient.connection)
    if state is None:
        yield warning("loop", "none has run here yet: nothing that lands is counted", "`tally up`, or `tally loop`")
    elif state.died:
        found = f"{state.process} died, last heard of at {state.beat_at:%Y-%m-%d %H:%M:%S}Z"
        yield wrong("loop", found, "`tally up`, or `tally loop`; its log says why")
    elif not state.is_running:
        yield warning("loop", f"{state.process} was stopped: what lands waits", "`tally up`, or `tally loop`")
    elif state.failures:
        found = f"{state.process} failed {state.failures} times in a row: {state.last_error}"
        yield wrong("loop", found, "its log has the whole story")
    else:
        yield ok("loop", f"{state.process} runs, {state.ticks_last_minute} ticks in the last minute")


def dagster(patient: Patient) -> Iterator[Result]:
    """Dagster's storage, in the same database, and whether its daemon has been heard of."""
    [(is_seen,)] = patient.rows(_SEEN)
    [(is_there, is_readable)] = patient.rows(_STORAGE) if is_seen else [(False, False)]
    if not is_there:
        found = "it has not run here yet: nothing is pushed or reconciled by itself"
        yield warning("dagster", found, "`tally up`, or `tally dagster daemon`")
    elif not is_readable:
        yield warning("dagster", "this user may not read its storage", "run the doctor as tally_dagster or tally_admin")
    else:
        [(silent,)] = patient.rows(_DAEMON)
        if silent is None or silent > SILENT:
            found = "storage answers; the daemon " + (
                "has never run" if silent is None else f"is silent for {_short(silent)}"
            )
            yield warning("dagster", found, "`tally up`, or `tally dagster daemon`: sensors and schedules stand still")
        else:
            yield ok("dagster", f"storage answers; the daemon was heard of {_short(silent)} ago")


def _short(span: timedelta) -> str:
    return str(span - timedelta(microseconds=span.microseconds))
