"""Applying the configuration: the difference first, all or nothing, and again changes nothing."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner, Result

import demo
from tally.cli.app import app
from tally.configuration import Configuration, apply, difference, load_configuration
from tally.errors import ConfigurationError
from tally.settings import load_settings

TEMPLATE = Path(demo.__file__).parent / "tally.yaml"


def configuration(aggregation: str = "sum", mapped: bool = True, name: str = "Acme", **keys: Any) -> Configuration:
    meter: dict[str, Any] = {"metric": "api_calls", "aggregation": aggregation, "lateness_window": "36h"}
    if mapped:
        meter |= {"stripe": {"event_name": "calls"}}
    tenant = {"id": "acme", "name": name, "meters": [meter], "customers": [{"ref": "globex", "name": "Globex"}]}
    return Configuration.model_validate({"tenants": [tenant | keys]})


def test_the_difference_is_what_apply_writes_and_then_there_is_none(connection: psycopg.Connection) -> None:
    announced = difference(connection, configuration())
    assert [change.table for change in announced] == ["tenants", "meters", "price_mappings", "customers"]
    assert apply(connection, configuration()) == announced
    assert apply(connection, configuration()) == []


def test_a_change_shows_before_and_after(connection: psycopg.Connection) -> None:
    apply(connection, configuration())
    (change,) = difference(connection, configuration(name="Acme Ltd"))
    assert str(change) == "~ tenants acme: name Acme -> Acme Ltd"


def test_a_tenant_says_how_periods_are_cut_and_adjustments_booked(connection: psycopg.Connection) -> None:
    declared = configuration(
        calendar_period="week", adjustments={"book_into": "own_period_if_open", "second_person": True}
    )
    apply(connection, declared)
    assert apply(connection, declared) == []
    assert connection.execute(
        "select calendar_period, adjustments_book_into, adjustments_need_second_person from tally.tenants"
    ).fetchall() == [("week", "own_period_if_open", True)]


@pytest.mark.parametrize("key", [{"time_zone": "Europe/Zurich"}, {"calendar_period": "day"}])
def test_periods_that_are_cut_anew_leave_counted_events_to_replay(
    connection: psycopg.Connection, key: dict[str, Any]
) -> None:
    assert [change.note for change in apply(connection, configuration())] == [""] * 4
    (change,) = apply(connection, configuration(**key))
    assert change.note == "counted events keep their period until `tally replay --tenant acme`"
    assert apply(connection, configuration(**key)) == []


def test_taking_a_mapping_out_switches_it_off(connection: psycopg.Connection) -> None:
    apply(connection, configuration())
    apply(connection, configuration(mapped=False))
    assert connection.execute("select event_name, active from tally.price_mappings").fetchall() == [("calls", False)]
    apply(connection, configuration())
    assert connection.execute("select event_name, active from tally.price_mappings").fetchall() == [("calls", True)]


def test_the_demo_file_applies(connection: psycopg.Connection) -> None:
    changes = apply(connection, load_configuration(TEMPLATE))
    assert len([change for change in changes if change.table == "meters"]) == 4
    assert apply(connection, load_configuration(TEMPLATE)) == []


@pytest.fixture
def tally(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Result]]:
    monkeypatch.setenv("DATABASE_URL", database_url)
    load_settings.cache_clear()
    yield lambda *arguments: CliRunner().invoke(app, ["apply", str(TEMPLATE), *arguments])
    load_settings.cache_clear()


def test_the_command_prints_the_difference_and_then_its_notes(
    tally: Callable[..., Result], connection: psycopg.Connection
) -> None:
    tried = tally("--dry-run")
    assert "(dry run: nothing written)" in tried.output
    assert connection.execute("select count(*) from tally.tenants").fetchone() == (0,)
    assert "+ meters newark departures: aggregation count, divide_by 1, unit departure" in tally().output
    connection.execute("update tally.tenants set calendar_period = 'day'")
    document = json.loads(tally("--json").stdout)
    assert document == {
        "dry_run": False,
        "changes": [
            {
                "table": "tenants",
                "key": {"tenant_id": "newark"},
                "before": {"calendar_period": "day"},
                "after": {"calendar_period": "month"},
                "note": "counted events keep their period until `tally replay --tenant newark`",
            }
        ],
    }
    connection.execute("update tally.tenants set calendar_period = 'day'")
    lines = tally().output.splitlines()
    assert lines[0] == "~ tenants newark: calendar_period day -> month"
    assert lines[-1].startswith("note: counted events keep their period")


def test_a_fault_leaves_everything_as_it_was(connection: psycopg.Connection) -> None:
    apply(connection, configuration())
    connection.execute(
        "insert into raw.usage_events (tenant_id, idempotency_key, customer_ref, metric, quantity, event_time) "
        "values ('acme', 'k', 'globex', 'api_calls', 1, now())"
    )
    with pytest.raises(ConfigurationError, match=r"api_calls already has events.*declare a new metric"):
        apply(connection, configuration("max", name="Other"))
    assert connection.execute("select name from tally.tenants").fetchone() == ("Acme",)
