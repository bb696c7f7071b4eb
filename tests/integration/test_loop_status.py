"""The loop as `tally status` and `tally loop --check` see it: running, stopped as asked, dead, failing, behind."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from typer.testing import CliRunner

from tally.cli.app import app
from tally.database import connect
from tally.loop_heartbeat import Beat, take_loop_lock, write_beat
from tally.pipeline_status import TICK_LAG_LIMIT, PipelineStatus, pipeline_status
from tally.settings import load_settings

BEAT = Beat(
    "host:1", ticks=7, ticks_last_minute=5, seconds_since_tick=2.0, last_tick_seconds=0.4, failures=0, last_error=None
)
NOW = datetime(2024, 3, 20, 12, tzinfo=UTC)


@pytest.fixture
def database(built_database_url: str) -> Iterator[psycopg.Connection]:
    """A built database with a tenant in it."""
    with connect(built_database_url, autocommit=True) as opened:
        opened.execute("insert into tally.tenants (tenant_id, name) values ('acme', 'Acme')")
        opened.execute("insert into tally.meters (tenant_id, metric, aggregation) values ('acme', 'api_calls', 'sum')")
        yield opened


@pytest.fixture
def loop(built_database_url: str) -> Iterator[psycopg.Connection]:
    """The connection of a process that is the loop."""
    with connect(built_database_url, autocommit=True) as opened:
        assert take_loop_lock(opened)
        yield opened


def status(database: psycopg.Connection, now: datetime = NOW) -> PipelineStatus:
    return pipeline_status(database, "acme", now)


def test_no_loop_has_run_here_and_nothing_is_wrong_with_that(database: psycopg.Connection) -> None:
    found = status(database)
    assert (found.loop, found.lag, found.wrong) == (None, None, ())


def test_a_running_loop_is_shown(database: psycopg.Connection, loop: psycopg.Connection) -> None:
    write_beat(loop, BEAT)
    found = status(database)
    assert found.loop is not None
    assert (found.loop.is_running, found.loop.ticks_last_minute, found.wrong) == (True, 5, ())
    assert found.loop.last_tick_at is not None
    assert found.loop.beat_at - found.loop.last_tick_at == timedelta(seconds=2)


def test_a_loop_that_stopped_as_asked_is_not_wrong_and_one_that_died_is(
    database: psycopg.Connection, loop: psycopg.Connection
) -> None:
    write_beat(loop, BEAT, is_last=True)
    loop.close()
    stopped = status(database)
    assert stopped.loop is not None
    assert (stopped.loop.is_running, stopped.loop.died, stopped.wrong) == (False, False, ())
    write_beat(database, BEAT)
    (wrong,) = status(database).wrong
    assert wrong.startswith("the loop (host:1) died")


def test_a_failing_loop_is_wrong_in_its_own_words(database: psycopg.Connection, loop: psycopg.Connection) -> None:
    write_beat(loop, Beat("host:1", 7, 0, None, None, failures=3, last_error="int_usage_counters: no"))
    (wrong,) = status(database).wrong
    assert "failed 3 times in a row: int_usage_counters: no" in wrong


@pytest.mark.parametrize(("age", "is_wrong"), [(TICK_LAG_LIMIT, False), (TICK_LAG_LIMIT * 2, True)])
def test_the_lag_is_the_age_of_the_oldest_row_not_counted(
    database: psycopg.Connection, loop: psycopg.Connection, age: timedelta, is_wrong: bool
) -> None:
    write_beat(loop, BEAT)
    for landed_at in (NOW - age, NOW):
        database.execute(
            "insert into raw.usage_events"
            " (tenant_id, idempotency_key, customer_ref, metric, quantity, event_time, landed_at)"
            " values ('acme', %s, 'globex', 'api_calls', 1, %s, %s)",
            (str(landed_at), landed_at, landed_at),
        )
    found = status(database)
    assert (found.rows_waiting, found.lag) == (2, age)
    assert [sentence for sentence in found.wrong if "the loop runs, see its log" in sentence] == list(found.wrong)
    assert bool(found.wrong) is is_wrong


def test_the_commands_say_it_with_their_exit_code(
    database: psycopg.Connection, loop: psycopg.Connection, built_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", built_database_url)
    load_settings.cache_clear()
    write_beat(loop, BEAT)
    running = CliRunner().invoke(app, ["loop", "--check"])
    assert (running.exit_code, "5 ticks in the last minute" in running.output) == (0, True)
    assert CliRunner().invoke(app, ["status"]).exit_code == 0
    loop.close()
    assert CliRunner().invoke(app, ["loop", "--check"]).exit_code == 1
    assert CliRunner().invoke(app, ["status"]).exit_code == 1
    load_settings.cache_clear()
