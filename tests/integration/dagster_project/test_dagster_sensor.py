"""The sensor that ticks on landed rows, on a real database: what it reads, asks for, and says when it does not."""

from collections.abc import Iterator
from datetime import timedelta

import dagster as dg
import psycopg
import pytest
from orchestration import NOW, Stack, land

from dagster_project.materialize import Materializer
from tally.database import connect
from tally.ledger import Ledger
from tally.loop_heartbeat import take_loop_lock


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


@pytest.fixture
def look(environment: pytest.MonkeyPatch, instance: dg.DagsterInstance) -> "Look":
    return Look(instance)


class Look:
    """Evaluates the sensor as the daemon would, keeping its cursor."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self.cursor: str | None = None

    def __call__(self) -> dg.SensorResult | dg.SkipReason:
        # Imported here: loading definitions reads the settings, which are the fixture's by now.
        from dagster_project.defs.landing.sensors import landed_rows_sensor
        from dagster_project.defs.resources import Tally

        context = dg.build_sensor_context(self.instance, cursor=self.cursor, resources={"tally": Tally()})
        result = landed_rows_sensor(context)
        assert isinstance(result, dg.SensorResult | dg.SkipReason)
        if isinstance(result, dg.SensorResult):
            self.cursor = result.cursor
        return result

    def run_keys(self) -> list[str | None]:
        """The run keys of one look; none when it skipped."""
        result = self()
        return [request.run_key for request in result.run_requests or ()] if isinstance(result, dg.SensorResult) else []

    def reason(self) -> str:
        """Why one look skipped."""
        result = self()
        assert isinstance(result, dg.SkipReason)
        assert result.skip_message is not None
        return result.skip_message


def test_nothing_has_landed_yet(look: Look) -> None:
    assert look.reason().startswith("nothing has landed since transaction ")


def test_the_first_rows_are_asked_for_once_under_the_name_of_their_transaction(
    look: Look, built_connection: psycopg.Connection, built_database_url: str
) -> None:
    land(built_connection, "a", "b")
    newest = built_connection.execute("select max(xid)::text from raw.usage_events").fetchone()
    assert newest is not None
    assert look.run_keys() == [f"tick-{newest[0]}-1"]
    Ledger(built_database_url).tick()
    assert "nothing has landed" in look.reason()


def test_one_new_row_is_asked_for(look: Look, built_connection: psycopg.Connection, built_database_url: str) -> None:
    land(built_connection, "a")
    (first,) = look.run_keys()
    Ledger(built_database_url).tick()
    land(built_connection, "b")
    (second,) = look.run_keys()
    assert first != second


def test_a_repeated_delivery_of_an_old_event_is_a_landed_row_too(
    look: Look, built_connection: psycopg.Connection, built_database_url: str
) -> None:
    land(built_connection, "a")
    look()
    Ledger(built_database_url).tick()
    land(built_connection, "a")
    assert len(look.run_keys()) == 1


def test_losing_the_cursor_asks_for_the_same_run_again(look: Look, built_connection: psycopg.Connection) -> None:
    """Replay: the daemon knows the run key and starts nothing."""
    land(built_connection, "a")
    asked = look.run_keys()
    look.cursor = None
    assert look.run_keys() == asked


def test_rows_of_a_transaction_under_way_are_not_yet_there(
    look: Look, built_connection: psycopg.Connection, built_database_url: str
) -> None:
    with connect(built_database_url) as landing:
        land(landing, "early")
        land(built_connection, "late but committed")
        assert "nothing has landed" in look.reason()
        landing.commit()
    assert len(look.run_keys()) == 1


def test_the_look_is_recorded_as_an_observation_of_the_landing_table(
    look: Look, built_connection: psycopg.Connection
) -> None:
    land(built_connection, "a", "b", "c")
    result = look()
    assert isinstance(result, dg.SensorResult)
    (observation,) = result.asset_events
    assert observation.asset_key == dg.AssetKey(["raw", "usage_events"])
    assert observation.metadata["rows waiting"].value == 3
    assert observation.metadata["newest landed at"].value == (NOW - timedelta(hours=1)).timestamp()


def test_an_unfinished_tick_is_waited_for(
    look: Look, built_connection: psycopg.Connection, materializer: Materializer
) -> None:
    """The row waits; so does the sensor, until the tick has ended."""
    land(built_connection, "a")

    @dg.job(name="tick")
    def ticking() -> None: ...

    run = look.instance.create_run_for_job(ticking, status=dg.DagsterRunStatus.STARTED)
    assert run.run_id in look.reason()
    look.instance.report_run_canceled(run)
    assert len(look.run_keys()) == 1


def test_a_billing_period_that_nobody_knows_is_looked_up_in_stripe_first(look: Look, stack: Stack) -> None:
    stack.land("a")
    first = look()
    assert isinstance(first, dg.SensorResult)
    assert [request.job_name for request in first.run_requests or ()] == ["sync"]
    with Materializer(look.instance) as materializer:
        assert materializer.run("sync").is_green
        second = look()
        assert isinstance(second, dg.SensorResult)
        assert [request.job_name for request in second.run_requests or ()] == ["tick"]
        assert materializer.run("tick").is_green
    period = "select period_start = '2024-03-01T08:30:15Z' from marts.usage_counters"
    assert stack.one(period) is True


def test_beside_a_loop_landed_rows_start_no_run(
    look: Look, built_connection: psycopg.Connection, built_database_url: str
) -> None:
    land(built_connection, "a")
    with connect(built_database_url, autocommit=True) as loop:
        assert take_loop_lock(loop)
        assert look.reason().startswith("1 rows wait and the resident loop counts them; STRIPE_API_KEY is not set")
    assert len(look.run_keys()) == 1


def test_beside_a_loop_what_it_counted_is_pushed_once(look: Look, stack: Stack) -> None:
    with connect(stack.url, autocommit=True) as loop, Materializer(look.instance) as materializer:
        assert take_loop_lock(loop)
        assert materializer.run("sync").is_green
        stack.land("a", quantity=5)
        Ledger(stack.url).tick()
        first = look()
        assert isinstance(first, dg.SensorResult)
        assert [request.job_name for request in first.run_requests or ()] == ["push"]
        pushed = materializer.run("push")
        assert pushed.is_green
        assert list(pushed.materialized) == ["tally.push_intents"]
        assert "no counter moved since the last push" in look.reason()
        stack.land("b", quantity=5)
        Ledger(stack.url).tick()
        assert "counters moved since the last push: the next push is due at" in look.reason()


def test_a_tick_without_a_loop_needs_no_push_of_its_own(look: Look, stack: Stack) -> None:
    with Materializer(look.instance) as materializer:
        assert materializer.run("sync").is_green
        stack.land("a", quantity=5)
        assert materializer.run("tick").is_green
        assert "no counter moved since the last push" in look.reason()


def test_a_tick_that_fails_is_asked_for_again_and_then_a_person_is(
    look: Look, built_connection: psycopg.Connection
) -> None:
    land(built_connection, "a")
    asked = [look.run_keys() for _ in range(3)]
    assert [len(keys) for keys in asked] == [1, 1, 1]
    assert len({key for keys in asked for key in keys}) == 3
    assert "look at the last failed run" in look.reason()
