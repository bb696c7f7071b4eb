"""A meter's counting definition: stored as declared, and kept once an event of its metric has landed."""

from pathlib import Path
from threading import Thread
from typing import Any

import psycopg
import pytest

from tally.configuration import Change, Configuration, apply, difference
from tally.database import connect
from tally.errors import ConfigurationError
from tally.landed_events import has_events
from tally.ledger import Ledger

PERCENTILE = {
    "aggregation": "percentile", "percentile": "0.95", "property": "ms", "divide_by": "1000", "unit": "s",
    "filter": {"region": ["us", "eu"], "live": [True]}, "dimensions": ["region", "model"], "lateness_window": "90m",
}  # fmt: skip
# Each of these alone would make landed events mean something else.
OTHERWISE = [
    {"aggregation": "average", "percentile": None},
    {"property": "seconds"},
    {"property": None},
    {"percentile": "0.99"},
    {"divide_by": "1024"},
    {"filter": {"region": ["us"], "live": [True]}},
    {"filter": {}},
    {"dimensions": ["region"]},
    {"lateness_window": "2h"},
]


def declared(*meters: dict[str, Any]) -> Configuration:
    """The tenant acme with these meters; one without a metric is `latency`."""
    tenant = {"id": "acme", "name": "Acme", "meters": [{"metric": "latency"} | meter for meter in meters]}
    return Configuration.model_validate({"tenants": [tenant]})


def land(connection: psycopg.Connection, *keys: str, metric: str = "latency") -> None:
    for key in keys:
        connection.execute(
            "insert into raw.usage_events (tenant_id, idempotency_key, customer_ref, metric, quantity, event_time) "
            "values ('acme', %s, 'globex', %s, 1, now())",
            (key, metric),
        )


def note_of(changes: list[Change], metric: str) -> str:
    (note,) = (change.note for change in changes if change.table == "meters" and change.key["metric"] == metric)
    return note


def test_every_key_is_stored_as_declared_and_reads_back_equal(connection: psycopg.Connection) -> None:
    held = {"metric": "stored", "aggregation": "time_weighted_sum", "time_unit": "hour"}
    apply(connection, declared(PERCENTILE, held))
    assert apply(connection, declared(PERCENTILE, held)) == []
    assert connection.execute(
        "select aggregation, property, percentile::text, time_unit, divide_by::text, filter, dimensions, "
        "lateness_window::text from tally.meters order by metric"
    ).fetchall() == [
        ("percentile", "ms", "0.95", None, "1000", {"live": ["true"], "region": ["eu", "us"]}, ["model", "region"],
         "01:30:00"),
        ("time_weighted_sum", None, None, "hour", "1", {}, [], "2 days"),
    ]  # fmt: skip


def test_another_order_or_spelling_of_the_same_is_no_change(connection: psycopg.Connection) -> None:
    apply(connection, declared(PERCENTILE))
    same = {"filter": {"live": ["true"], "region": ["eu", "us"]}, "dimensions": ["model", "region"],
            "percentile": "0.950", "divide_by": "1000.0"}  # fmt: skip
    assert difference(connection, declared(PERCENTILE | same)) == []


def test_a_meter_is_shown_as_it_would_be_written_in_the_file(connection: psycopg.Connection) -> None:
    new = difference(connection, declared(PERCENTILE))[1]
    assert str(new) == (
        "+ meters acme latency: aggregation percentile, property ms, percentile 0.95, divide_by 1000, "
        'filter {"region": ["eu", "us"], "live": ["true"]}, dimensions ["model", "region"], unit s, lateness_window 90m'
    )
    apply(connection, declared(PERCENTILE))
    (change,) = difference(connection, declared(PERCENTILE | {"property": None, "filter": {}, "dimensions": ["zone"]}))
    assert str(change) == (
        '~ meters acme latency: property ms -> none, filter {"live": ["true"], "region": ["eu", "us"]} -> {}, '
        'dimensions ["model", "region"] -> ["zone"]'
    )


def test_a_counting_definition_changes_until_an_event_lands(connection: psycopg.Connection) -> None:
    for otherwise in OTHERWISE:
        apply(connection, declared(PERCENTILE))
        assert len(apply(connection, declared(PERCENTILE | otherwise))) == 1, otherwise
    apply(connection, declared(PERCENTILE))
    land(connection, "a")
    for otherwise in OTHERWISE:
        (key, *_) = otherwise
        for change in (difference, apply):
            said = rf"meter latency already has events: its {key} stays .*; declare"
            with pytest.raises(ConfigurationError, match=said):
                change(connection, declared(PERCENTILE | otherwise))
        assert difference(connection, declared(PERCENTILE)) == [], otherwise


def test_a_refusal_names_every_key_and_what_it_stays(connection: psycopg.Connection) -> None:
    apply(connection, declared(PERCENTILE))
    land(connection, "a")
    with pytest.raises(ConfigurationError) as refused:
        apply(connection, declared({"aggregation": "time_weighted_sum", "time_unit": "day", "unit": "s"}))
    assert str(refused.value) == (
        "meter latency already has events: its aggregation stays percentile, its property stays ms, "
        "its percentile stays 0.95, its time_unit stays none, its divide_by stays 1000, "
        'its filter stays {"live": ["true"], "region": ["eu", "us"]}, its dimensions stays ["model", "region"], '
        "its lateness_window stays 90m; declare a new metric instead"
    )


def test_unit_and_description_may_change_at_any_time(connection: psycopg.Connection) -> None:
    apply(connection, declared(PERCENTILE))
    land(connection, "a")
    assert len(apply(connection, declared(PERCENTILE | {"unit": "second", "description": "How long it took"}))) == 1


def test_events_of_others_do_not_bind_a_meter(connection: psycopg.Connection) -> None:
    apply(connection, declared(PERCENTILE, {"metric": "other", "aggregation": "count"}))
    land(connection, "a", metric="other")
    connection.execute("update raw.usage_events set tenant_id = 'else', metric = 'latency'")
    land(connection, "b", metric="other")
    assert len(apply(connection, declared(PERCENTILE | {"divide_by": "10"}))) == 1


def test_events_bind_a_meter_whether_the_ledger_has_read_them_or_not(built_database_url: str, tmp_path: Path) -> None:
    with connect(built_database_url, autocommit=True) as connection:
        other = {"metric": "other", "aggregation": "count"}
        apply(connection, declared(PERCENTILE, other))
        land(connection, "a")
        Ledger(built_database_url, tmp_path).tick()
        # Read and detached since: what the ledger keeps says that there was one.
        connection.execute("delete from raw.usage_events")
        land(connection, "b", metric="other")
        known = [has_events(connection, {"tenant_id": "acme", "metric": name}) for name in ("latency", "other", "none")]
        assert known == [True, True, False]
        with pytest.raises(ConfigurationError, match="latency already has events"):
            apply(connection, declared(PERCENTILE | {"divide_by": "10"}, other))


def test_behind_another_clusters_bound_every_row_is_looked_at(built_database_url: str) -> None:
    with connect(built_database_url, autocommit=True) as connection:
        land(connection, "a")
        connection.execute("update tally.model_bounds set read_to = '18446744073709551615'")
        assert not has_events(connection, {"tenant_id": "acme", "metric": "latency"})
        connection.execute("update tally.model_bounds set system_identifier = '1'")
        assert has_events(connection, {"tenant_id": "acme", "metric": "latency"})


def test_a_new_meter_says_how_many_events_wait_for_replay(built_database_url: str, tmp_path: Path) -> None:
    with connect(built_database_url, autocommit=True) as connection:
        count = {"aggregation": "count"}
        apply(connection, declared({"metric": "other"} | count))
        land(connection, "a", "a", "b")
        Ledger(built_database_url, tmp_path).tick()
        # Not read before the meter is declared: the next tick counts it.
        land(connection, "c")
        changes = apply(connection, declared(count, {"metric": "other"} | count, {"metric": "fresh"} | count))
        assert note_of(changes, "fresh") == ""
        assert note_of(changes, "latency") == (
            "2 events of latency landed before it was declared and are not counted: "
            "`tally replay --tenant acme --metric latency` counts them"
        )


def test_a_tick_waits_until_a_definition_is_committed(built_database_url: str, tmp_path: Path) -> None:
    counted = "select count(*) from ledger.int_usage_events_deduplicated"
    waiting = "select count(*) from pg_locks where relation = 'tally.model_bounds'::regclass and not granted"
    tick = Thread(target=Ledger(built_database_url, tmp_path).tick)
    with connect(built_database_url, autocommit=True) as watching:
        with connect(built_database_url) as applying, applying.transaction():
            apply(applying, declared(PERCENTILE))
            land(watching, "a")
            tick.start()
            while tick.is_alive() and watching.execute(waiting).fetchone() == (0,):
                tick.join(0.1)
            assert tick.is_alive()
            assert watching.execute(counted).fetchone() == (0,)
        tick.join()
        assert watching.execute(counted).fetchone() == (1,)
