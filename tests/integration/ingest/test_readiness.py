"""What the door says when the database is there but cannot take events, or cannot take more of them."""

from collections.abc import Callable

import psycopg
from door_caller import Caller, event


def test_readiness_names_what_is_wrong_with_the_schema(door: Caller, connection: psycopg.Connection) -> None:
    assert door.http.get("/health/ready").json() == {"status": "ready", "faults": []}
    connection.execute("delete from tally_schema.migrations where name = '0002_tenants_and_meters'")
    answer = door.http.get("/health/ready")
    assert answer.status_code == 503
    assert "migrations are pending: 0002_tenants_and_meters; run `tally migrate`" in answer.json()["faults"]


def test_readiness_sees_a_read_only_database(door: Caller, connection: psycopg.Connection) -> None:
    name = psycopg.sql.Identifier(connection.info.dbname)
    connection.execute(psycopg.sql.SQL("alter database {} set default_transaction_read_only = on").format(name))
    answer = door.http.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json()["faults"] == ["Postgres is read-only"]


def test_a_full_queue_is_refused_until_it_drains(call: Callable[..., Caller]) -> None:
    door = call(TALLY_MAX_QUEUED_EVENTS=2)
    answer = door.post({"events": [event(idempotency_key=str(n)) for n in range(3)]})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json()["type"] == "urn:tallyledger:problem:overloaded"
    assert answer.json()["landed"] == "nothing"
    assert door.landed() == []
    assert door.post({"events": [event(idempotency_key=str(n)) for n in range(2)]}).status_code == 200
