"""Time as the database's clock row says: for the bounds of event times and for landing."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import psycopg
from door_caller import Caller, event

from tally.clock import SimulatedClock

JANUARY = datetime(2013, 1, 1, 5, tzinfo=UTC)


def test_the_door_follows_the_clock_at_once(call: Callable[..., Caller], connection: psycopg.Connection) -> None:
    clock = SimulatedClock(connection)
    clock.set(JANUARY)
    door = call(TALLY_CLOCK="simulated")
    for day in range(40):
        now = JANUARY + timedelta(days=day)
        clock.set(now)
        answer = door.post(
            {"events": [event(idempotency_key=f"{day}-{n}", event_time=now.isoformat()) for n in range(2)]}
        )
        assert answer.status_code == 200, answer.text
    assert [row["landed_at"] for row in door.landed()] == [JANUARY + timedelta(days=n // 2) for n in range(80)]
    early = door.post(event(event_time=JANUARY.isoformat()))
    assert "the oldest taken now is 2013-01-05T05:00:00Z" in early.json()["detail"]
    assert "ahead of the door's clock" in door.post(event()).json()["detail"]


def test_a_clock_that_was_never_set_is_said(call: Callable[..., Caller]) -> None:
    answer = call(TALLY_CLOCK="simulated").post(event())
    assert (answer.status_code, answer.json()["landed"]) == (503, "nothing")


def test_in_system_time_the_door_keeps_partitions_a_week_ahead(door: Caller) -> None:
    today = datetime.now(UTC).date()
    names = {
        row[0]
        for row in door.connection.execute("select relid::regclass::text from pg_partition_tree('raw.usage_events')")
    }
    for ahead in range(-1, 8):
        assert f"raw.usage_events_{today + timedelta(days=ahead):%Y%m%d}" in names
    assert door.post(event()).status_code == 200
    row = door.connection.execute("select count(*) from raw.usage_events_default").fetchone()
    assert row == (0,)
