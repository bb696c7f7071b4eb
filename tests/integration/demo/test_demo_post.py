"""Posting to the real door: everything lands, a killed door loses nothing, a refusal is an error."""

import subprocess
import threading
from collections.abc import Callable
from datetime import timedelta

import polars as pl
import psycopg
import pytest

from demo.billing_periods import FEBRUARY, JANUARY
from demo.post import PostFailed, post
from demo.steps import Step
from demo.truth import TrueCell
from tally.clock import SimulatedClock

PERIOD_END = {period.start: period.end for period in (JANUARY, FEBRUARY)}
_COUNTED = """
with deliveries as (
    select *, case when event_time < %(january_ends)s then %(january_ends)s else %(february_ends)s end as period_end,
        row_number() over (partition by idempotency_key order by xid, seq) as delivery
    from raw.usage_events
),
judged as (
    select *, delivery = 1 and landed_at >= period_end + interval '48 hours' as is_late from deliveries
)
select customer_ref, metric, period_end, count(*), count(*) filter (where is_late),
    case metric
        when 'departures' then count(*) filter (where delivery = 1 and not is_late)
        when 'air_minutes' then sum(quantity) filter (where delivery = 1 and not is_late)
        when 'peak_departure_delay' then max(quantity) filter (where delivery = 1 and not is_late)
        else (array_agg(quantity order by event_time desc, landed_at desc, seq desc)
              filter (where delivery = 1 and not is_late))[1]
    end
from judged group by customer_ref, metric, period_end order by customer_ref collate "C", metric collate "C", period_end
"""
StartDoor = Callable[[], tuple[str, subprocess.Popen[str]]]


def _landed(connection: psycopg.Connection) -> list[tuple[str, int]]:
    query = "select idempotency_key, count(*) from raw.usage_events group by idempotency_key order by idempotency_key"
    return connection.execute(query).fetchall()


def _planned(deliveries: pl.DataFrame) -> list[tuple[str, int]]:
    return deliveries.group_by("idempotency_key").len().sort("idempotency_key").rows()


def test_a_step_lands_whole_and_is_dated_by_the_simulated_clock(
    start_door: StartDoor, connection: psycopg.Connection, clock: SimulatedClock, api_key: str, made_steps: list[Step]
) -> None:
    step = next(step for step in made_steps if step.milestone == "window_closes")
    clock.set(step.clock)
    url, _ = start_door()
    progress: list[int] = []
    posted = post(url, api_key, step.deliveries, progress.append)
    assert (posted.accepted, posted.duplicates, posted.sent_again) == (step.deliveries.height, 0, 0)
    assert sum(progress) == step.deliveries.height
    assert _landed(connection) == _planned(step.deliveries)
    assert connection.execute("select distinct landed_at from raw.usage_events").fetchall() == [(step.clock,)]
    planned = step.deliveries.unique("idempotency_key")
    quantities = connection.execute(
        "select metric, sum(quantity), min(event_time)"
        " from (select distinct on (idempotency_key) * from raw.usage_events) as once group by metric order by metric"
    ).fetchall()
    assert (
        quantities
        == planned.group_by("metric").agg(pl.col("quantity").sum(), pl.col("event_time").min()).sort("metric").rows()
    )


def test_a_killed_door_loses_nothing(
    start_door: StartDoor, connection: psycopg.Connection, clock: SimulatedClock, api_key: str, made_steps: list[Step]
) -> None:
    step = made_steps[2]
    clock.set(step.clock)
    url, door = start_door()
    acknowledged = 0
    killed = threading.Event()
    restart = threading.Timer(0.5, start_door)

    def kill_half_way(events: int) -> None:
        nonlocal acknowledged
        acknowledged += events
        if acknowledged > step.deliveries.height / 2 and not killed.is_set():
            killed.set()
            door.kill()
            restart.start()

    posted = post(url, api_key, step.deliveries, kill_half_way)
    restart.join()
    assert posted.sent_again > 0
    assert acknowledged == step.deliveries.height
    planned, landed = dict(_planned(step.deliveries)), dict(_landed(connection))
    assert landed.keys() == planned.keys()
    assert all(landed[key] >= deliveries for key, deliveries in planned.items())
    assert sum(landed.values()) <= step.deliveries.height + posted.sent_again


def test_an_event_that_the_door_rejects_is_an_error(
    start_door: StartDoor, clock: SimulatedClock, api_key: str, made_steps: list[Step]
) -> None:
    clock.set(JANUARY.start - timedelta(days=1))
    url, _ = start_door()
    with pytest.raises(PostFailed, match="event_time"):
        post(url, api_key, made_steps[0].deliveries.head(10))
    with pytest.raises(PostFailed, match="401"):
        post(url, "tly_0000_nobody", made_steps[0].deliveries.head(10))


def test_a_door_that_stays_away_is_an_error(api_key: str, made_steps: list[Step]) -> None:
    with pytest.raises(PostFailed, match="took nothing for 1 s"):
        post("http://127.0.0.1:9", api_key, made_steps[0].deliveries.head(10), patience_seconds=1)


def test_what_landed_in_steps_counts_as_the_truth_says(
    start_door: StartDoor,
    connection: psycopg.Connection,
    clock: SimulatedClock,
    api_key: str,
    made_steps: list[Step],
    cells: list[TrueCell],
) -> None:
    """Both months through the door, then counted from the raw table by the ledger's rules, in plain SQL."""
    clock.set(made_steps[0].clock)
    url, _ = start_door()
    for step in made_steps:
        clock.set(step.clock)
        assert post(url, api_key, step.deliveries).accepted == step.deliveries.height
    counted = connection.execute(_COUNTED, {"january_ends": JANUARY.end, "february_ends": FEBRUARY.end}).fetchall()
    expected = sorted(
        (cell.customer_ref, cell.metric, PERIOD_END[cell.period_start], cell.delivered, cell.late, cell.quantity)
        for cell in cells
        if cell.delivered
    )
    assert counted == expected
