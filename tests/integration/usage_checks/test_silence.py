"""Zero usage and broken look alike; a sender's own rhythm tells them apart."""

from collections.abc import Iterator
from datetime import timedelta

import psycopg
import pytest
from usage_plan import NOW, TENANT, declare, send

from tally.database import connect
from tally.usage_checks import usage_keeps_arriving

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def senders(built_database_url: str) -> Iterator[psycopg.Connection]:
    """Who sends every hour, every night, in office hours, for the first time; and two who stopped ten hours ago."""
    with connect(built_database_url, autocommit=True) as connection:
        send(connection, "steady", (20 * DAY, 0 * DAY))
        send(connection, "gone", (20 * DAY, 10 * HOUR))
        send(connection, "half gone", (20 * DAY, 0 * DAY))
        send(connection, "half gone", (20 * DAY, 10 * HOUR), metric="gigabytes")
        send(connection, "nightly", (20 * DAY, 10 * HOUR), nightly=True)
        send(connection, "office", (20 * DAY, 0 * DAY), office=True)
        send(connection, "new", (2 * DAY, 46 * HOUR))
        yield connection


def test_who_stopped_is_told_from_who_has_nothing_to_send(senders: psycopg.Connection) -> None:
    found = usage_keeps_arriving(senders, NOW, 3)
    assert {(row[1], row[2], row[-1]) for row in found.against} == {
        ("gone", "api_calls", "this customer stopped"),
        ("half gone", "gigabytes", "this metric stopped, its others arrive"),
    }
    assert (found.holds, found.costs_money) == (False, False)
    assert found.numbers == {"senders": 7, "silent": 2, "without a rhythm yet": 1}
    # It has arrived, and only the ledger is behind.
    senders.execute(
        "insert into raw.usage_events (tenant_id, idempotency_key, customer_ref, metric, quantity, event_time,"
        " landed_at) values (%s, 'k', 'gone', 'api_calls', 1, %s, %s)",
        (TENANT, NOW, NOW),
    )
    assert {row[1] for row in usage_keeps_arriving(senders, NOW, 3).against} == {"half gone"}
    # A meter's own factor goes before its tenant's, and both before the setting.
    declare(senders, silence_factor="12")
    assert usage_keeps_arriving(senders, NOW, 3).holds
    declare(senders, silence_factor="12", meter={"metric": "gigabytes", "usage_checks": {"silence_factor": "2"}})
    assert {row[1] for row in usage_keeps_arriving(senders, NOW, 3).against} == {"half gone"}
    # A weekend is a gap like the one before: on Monday at eight, office hours have not begun.
    monday = NOW - 52 * HOUR
    assert "office" not in {row[1] for row in usage_keeps_arriving(senders, monday, 3).against}


def test_when_nothing_arrives_from_anybody_it_is_not_the_customers(senders: psycopg.Connection) -> None:
    found = usage_keeps_arriving(senders, NOW + 4 * HOUR + timedelta(minutes=30), 3)
    assert {row[1] for row in found.against} == {"gone", "half gone", "steady"}
    assert {row[-1] for row in found.against} == {"nothing arrives from anybody"}
    assert (found.holds, found.costs_money) == (False, True)
    assert "the door or the apps are broken" in found.sentence
