"""The hourly reconciliation: which months it goes over, and when it says that there is nothing to do."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache

import dagster as dg
import psycopg
import pytest
from counter_rows import put_counter
from orchestration import NOW, Stack

from tally.database import connect
from tally.months import SETTLING, open_months

_END = datetime.fromisoformat("2024-04-01T08:30:15+00:00")


@cache
def repository_of_this_process() -> dg.RepositoryDefinition:
    from dagster_project.definitions import defs

    return defs().get_repository_def()


def evaluate() -> tuple[Sequence[dg.RunRequest], str | None]:
    # Imported here: loading definitions reads the settings, which are the fixture's by now.
    from dagster_project.defs.resources import Tally

    repository = repository_of_this_process()
    with dg.build_schedule_context(
        repository_def=repository, resources={"tally": Tally()}, scheduled_execution_time=NOW
    ) as context:
        data = repository.get_schedule_def("hourly_reconciliation").evaluate_tick(context)
    return data.run_requests or (), data.skip_message


def count(connection: psycopg.Connection, start: str, end: str) -> None:
    """One counter of a period; only its period matters here."""
    put_counter(
        connection, "acme", "globex", "api_calls", 1, (datetime.fromisoformat(start), datetime.fromisoformat(end))
    )


def test_each_open_month_gets_a_run_of_its_own(stack: Stack) -> None:
    count(stack.connection, "2024-02-15T00:00Z", "2024-03-15T00:00Z")  # ended five days ago
    count(stack.connection, "2024-03-01T08:30:15Z", "2024-04-01T08:30:15Z")  # running
    count(stack.connection, "2024-01-15T00:00Z", "2024-02-15T00:00Z")  # settled
    count(stack.connection, "2023-12-01T00:00Z", "2024-12-01T00:00Z")  # running, and before TALLY_MONTHS begins
    requests, _ = evaluate()
    assert [request.partition_key for request in requests] == ["2024-02", "2024-03"]
    assert [request.run_key for request in requests] == [f"2024-0{month} at 2024-03-20T12:00+0000" for month in (2, 3)]
    assert [request.run_key for request in evaluate()[0]] == [request.run_key for request in requests]


def test_nothing_counted_is_nothing_to_reconcile(stack: Stack) -> None:
    requests, reason = evaluate()
    assert not requests
    assert reason is not None
    assert "no month is open" in reason


@pytest.mark.parametrize("key", [None, ""])
def test_without_a_stripe_key_it_says_so(
    environment: pytest.MonkeyPatch, built_connection: psycopg.Connection, key: str | None
) -> None:
    if key is not None:
        environment.setenv("STRIPE_API_KEY", key)
    count(built_connection, "2024-03-01T08:30:15Z", "2024-04-01T08:30:15Z")
    requests, reason = evaluate()
    assert not requests
    assert reason is not None
    assert "STRIPE_API_KEY is not set" in reason


@pytest.mark.parametrize(
    ("now", "months"),
    [
        (_END - timedelta(days=1), ["2024-03"]),
        (_END + SETTLING - timedelta(microseconds=1), ["2024-03"]),
        (_END + SETTLING, []),
    ],
)
def test_a_month_is_open_until_its_last_period_is_settled(
    built_connection: psycopg.Connection, now: datetime, months: list[str]
) -> None:
    count(built_connection, "2024-03-01T08:30:15Z", _END.isoformat())
    assert open_months(built_connection, now) == months


def test_before_the_first_tick_no_month_is_open(database_url: str) -> None:
    with connect(database_url, autocommit=True) as connection:
        assert open_months(connection, NOW) == []
