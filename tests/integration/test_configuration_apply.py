"""Applying the configuration: the difference first, all or nothing, and again changes nothing."""

from pathlib import Path

import psycopg
import pytest

from tally.configuration import Configuration
from tally.configuration_apply import apply, difference
from tally.errors import ConfigurationError


def configuration(aggregation: str = "sum", mapped: bool = True, name: str = "Acme") -> Configuration:
    meter = {"metric": "api_calls", "aggregation": aggregation, "lateness_window": "36h"}
    if mapped:
        meter |= {"stripe": {"event_name": "calls"}}
    tenant = {"id": "acme", "name": name, "meters": [meter], "customers": [{"ref": "globex", "name": "Globex"}]}
    return Configuration.model_validate({"tenants": [tenant]})


def test_the_difference_is_what_apply_writes_and_then_there_is_none(connection: psycopg.Connection) -> None:
    announced = difference(connection, configuration())
    assert [change.table for change in announced] == ["tenants", "meters", "price_mappings", "customers"]
    assert apply(connection, configuration()) == announced
    assert apply(connection, configuration()) == []


def test_a_change_shows_before_and_after(connection: psycopg.Connection) -> None:
    apply(connection, configuration())
    (change,) = difference(connection, configuration(name="Acme Ltd"))
    assert str(change) == "~ tenants acme: name Acme -> Acme Ltd"


def test_a_meter_that_has_events_keeps_its_aggregation(connection: psycopg.Connection) -> None:
    apply(connection, configuration())
    assert [change.table for change in difference(connection, configuration("max"))] == ["meters"]
    connection.execute(
        "insert into raw.usage_events (tenant_id, idempotency_key, customer_ref, metric, quantity, event_time) "
        "values ('acme', 'k', 'globex', 'api_calls', 1, now())"
    )
    with pytest.raises(ConfigurationError, match=r"api_calls already has events.*Declare a new metric"):
        apply(connection, configuration("max", name="Other"))
    assert connection.execute("select name from tally.tenants").fetchone() == ("Acme",)


def test_taking_a_mapping_out_switches_it_off(connection: psycopg.Connection) -> None:
    apply(connection, configuration())
    apply(connection, configuration(mapped=False))
    assert connection.execute("select event_name, active from tally.price_mappings").fetchall() == [("calls", False)]
    apply(connection, configuration())
    assert connection.execute("select event_name, active from tally.price_mappings").fetchall() == [("calls", True)]


def test_the_demo_file_applies(connection: psycopg.Connection) -> None:
    from tally.configuration import load_configuration

    changes = apply(connection, load_configuration(Path(__file__).parents[2] / "demo" / "tally.yaml"))
    assert len([change for change in changes if change.table == "meters"]) == 4
