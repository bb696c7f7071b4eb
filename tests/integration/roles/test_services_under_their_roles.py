"""Each service does its work under its role, and nothing that its role does not list."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import psycopg
import pytest
from door_process import running_door_process
from typer.testing import CliRunner

from dagster_project.lib.ticking import TickLoop
from tally import roles
from tally.api_keys import SCOPES, create_key
from tally.cli.app import app
from tally.clock import SystemClock
from tally.database import connect
from tally.doctor import examine
from tally.ledger import Ledger
from tally.ledger.ledger import views_are_current_in
from tally.loop_heartbeat import loop_state
from tally.migrations import declared, migrate
from tally.replay import Replays, Request
from tally.settings import Settings, load_settings

Url = Callable[[str], str]
LAND = """
insert into raw.usage_events (tenant_id, idempotency_key, customer_ref, metric, quantity, event_time)
values (%s, %s, 'globex', 'calls', 2, now())
"""


def refused(connection: psycopg.Connection[Any], statement: str) -> bool:
    """Whether the role may not do this."""
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(statement.encode())
    except psycopg.errors.InsufficientPrivilege:
        return True
    return False


def test_the_door_lands_and_reads_and_can_do_nothing_else(owner: psycopg.Connection[Any], url_of: Url) -> None:
    key = create_key(owner, "acme", "app", SCOPES)
    event = {"idempotency_key": "k-1", "customer_ref": "globex", "metric": "calls", "quantity": 1,
             "event_time": datetime.now(UTC).isoformat()}  # fmt: skip
    with (
        running_door_process(url_of("tally_door")) as door,
        httpx.Client(base_url=door, headers={"authorization": f"Bearer {key}"}, timeout=20) as http,
    ):
        assert http.post("/v1/events", json=event).status_code == 200
        assert [shown["idempotency_key"] for shown in http.get("/v1/events").json()["events"]] == ["k-1"]
        for path in ("/v1/events/k-1", "/v1/usage", "/v1/usage?window=period", "/v1/reports", "/v1/keys"):
            assert http.get(path).status_code == 200, path
        made = http.post("/v1/keys", json={"name": "another", "scopes": ["events:write"]}).json()
        assert http.patch(f"/v1/keys/{made['key_id']}", json={"burst": 5}).status_code == 200
        assert http.delete(f"/v1/keys/{made['key_id']}").status_code == 200
        replay = http.post("/v1/replay", json={"mode": "dry-run", "since": "-PT24H"})
        assert (replay.status_code, replay.json()["type"].rpartition(":")[2]) == (403, "not-at-this-door")
        assert http.get("/health/ready").json() == {"status": "ready", "faults": []}
    # The door made the partitions ahead, without owning the table.
    assert owner.execute(
        "select count(*) > 7 from pg_inherits where inhparent = 'raw.usage_events'::regclass"
    ).fetchone()
    with connect(url_of("tally_door"), autocommit=True) as connection:
        for statement in (
            "update raw.usage_events set quantity = 0",
            "delete from raw.usage_events",
            "truncate raw.usage_events",
            "drop table raw.usage_events",
            "select from raw.usage_events",
            "select from ledger.int_usage_events_deduplicated",
            "select from marts.usage_counters",
            "select from tally.push_intents",
            "update tally.api_keys set scopes = '{config:write}'",
            "delete from tally.api_keys",
            "update tally.meters set unit = 'x'",
            "update tally.stripe_webhooks set state = 'handled'",
            "create table door.mine (id integer)",
            "set role tally_admin",
        ):
            assert refused(connection, statement), statement


def test_a_statement_without_a_tenant_shows_the_session_s_tenant_alone(
    owner: psycopg.Connection[Any], url_of: Url, dbt_folder: Path
) -> None:
    for tenant in ("acme", "other"):
        owner.execute(LAND, (tenant, f"wall-{tenant}"))
    Ledger(url_of("tally_loop"), dbt_folder).tick()
    with connect(url_of("tally_door"), autocommit=True) as connection:
        views = [name for (name,) in connection.execute("select viewname from pg_views where schemaname = 'door'")]
        assert set(views) > {"usage_events", "usage_counters", "usage_hourly", "int_usage_events_deduplicated"}
        for tenant in ("acme", "other"):
            connection.execute("select set_config('tally.tenant_id', %s, false)", (tenant,))
            for view in views:
                seen = connection.execute(f"select distinct tenant_id from door.{view}".encode()).fetchall()
                assert seen in ([(tenant,)], []), view
            assert connection.execute("select count(*) > 0 from door.usage_counters").fetchone() == (True,)
        connection.execute("select set_config('tally.tenant_id', '', false)")
        assert [
            view for view in views if connection.execute(f"select from door.{view} limit 1".encode()).fetchall()
        ] == []


class _Reports:
    def __init__(self, stop: Event) -> None:
        self._stop = stop

    def ticked(self, *_: Any) -> None:
        self._stop.set()


def test_the_loop_counts_under_its_role_and_owns_what_it_makes_together_with_dagster(
    owner: psycopg.Connection[Any], url_of: Url, dbt_folder: Path, tmp_path: Path
) -> None:
    owner.execute(LAND, ("acme", "counted-1"))
    # What is missing, the loop has to make: a table with its view for the door, and a view.
    owner.execute("drop table marts.usage_hourly cascade")
    owner.execute("drop view marts.usage_counters cascade")
    url, stop = url_of("tally_loop"), Event()
    settings = Settings.model_validate({"DATABASE_URL": url, "TALLY_HOME": tmp_path, "TALLY_TICK_SECONDS": 0.1})
    views_are_current_in.discard(url)  # as in a process that has just started
    TickLoop(Ledger(url, dbt_folder), settings, None, _Reports(stop), stop).run()
    state = loop_state(owner)
    assert state is not None
    assert (state.ticks, state.failures, state.last_error) == (1, 0, None)
    made = "select relowner::regrole::text from pg_class where oid = %s::regclass"
    for relation in ("marts.usage_hourly", "marts.usage_counters", "door.usage_hourly", "door.usage_counters"):
        assert owner.execute(made, (relation,)).fetchone() == ("tally_ledger",), relation
    # Dagster's runs tick the same tables, replay them, and are no owner either.
    owner.execute(LAND, ("acme", "counted-2"))
    Ledger(url_of("tally_dagster"), dbt_folder).tick()
    owner.execute("update ledger.int_usage_counters set quantity_sum = quantity_sum + 1 where tenant_id = 'acme'")
    replays = Replays(url_of("tally_dagster"), SystemClock())
    found = replays.show(Request("acme", since="-PT24H"), "test")
    assert found.hash is not None
    assert len(replays.apply("acme", found.hash, "test").changes) == 1
    assert list(replays.show(Request("acme", since="-PT24H"), "test").changes) == []
    with connect(url_of("tally_reader"), autocommit=True) as reader:
        assert reader.execute("select count(*) from marts.usage_hourly where tenant_id = 'acme'").fetchone() == (1,)
    with connect(url, autocommit=True) as loop, connect(url_of("tally_dagster"), autocommit=True) as dagster:
        for statement in (
            "delete from raw.usage_events",
            "select from tally.api_keys",
            "update tally.meters set unit = 'x'",
            "update tally.price_mappings set active = false",
            "create table tally.mine (id integer)",
        ):
            assert refused(loop, statement), statement
            assert refused(dagster, statement), statement
        assert refused(loop, "insert into tally.push_attempts default values")


def test_the_reader_reads_everything_but_secrets_and_writes_nothing(
    owner: psycopg.Connection[Any], url_of: Url
) -> None:
    relations = owner.execute(
        "select schemaname || '.' || tablename from pg_tables where schemaname in ('raw', 'tally', 'ledger', 'marts')"
        " and tablename !~ '^usage_events_' union all"
        " select schemaname || '.' || viewname from pg_views where schemaname in ('tally', 'marts', 'staging')"
    ).fetchall()
    with connect(url_of("tally_reader"), autocommit=True) as reader:
        assert [name for (name,) in relations if refused(reader, f"select from {name} limit 1")] == []
        assert not refused(reader, "select key_id, name from tally.api_keys")
        assert refused(reader, "select secret_hash from tally.api_keys")
        may_write = reader.execute(
            "select relation from unnest(%s::text[]) as relation"
            " where has_any_column_privilege(relation, 'insert, update')"
            " or has_table_privilege(relation, 'delete, truncate')",
            ([name for (name,) in relations],),
        ).fetchall()
        assert may_write == []
        assert refused(reader, "select tally.ensure_partitions('2030-01-01', '2030-01-02')")


def test_the_migrator_is_no_superuser_and_grants_are_brought_in_step(
    owner: psycopg.Connection[Any], url_of: Url, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "9001_later.sql").write_text("create table tally.later (id integer);")
    with connect(url_of("tally_admin"), autocommit=True) as admin:
        assert roles.plan(admin) == []
        assert migrate(admin, [*declared(), *declared(tmp_path)]) == ["9001_later"]
        assert all("later" in statement for statement in roles.plan(admin))
        assert len(roles.apply(admin)) == 3
        assert roles.apply(admin) == []
        admin.execute("drop table tally.later")
        admin.execute("delete from tally_schema.migrations where name like '9001%'")
    owner.execute("grant update on raw.usage_events to tally_door")
    assert roles.plan(owner) == ['revoke update on "raw"."usage_events" from "tally_door"']
    results = examine({"DATABASE_URL": url_of("tally_door"), "TALLY_HOME": str(tmp_path)}, offline=True)
    said = {(each.state, each.found.partition(", first")[0]) for each in results if each.check == "role"}
    assert ("wrong", "1 grants are not as this version declares them") in said
    assert any("with tally_door, and may also: update on raw.usage_events" in found for _, found in said)
    monkeypatch.setenv("DATABASE_URL", owner.info.dsn + f" password={owner.info.password}")
    load_settings.cache_clear()
    try:
        for arguments, statements in ((["--dry-run"], 1), ([], 1), (["--dry-run"], 0)):
            ran = CliRunner().invoke(app, ["roles", "apply", "--json", *arguments], catch_exceptions=False)
            assert len(json.loads(ran.stdout)["statements"]) == statements
    finally:
        load_settings.cache_clear()
    results = examine({"DATABASE_URL": url_of("tally_door"), "TALLY_HOME": str(tmp_path)}, offline=True)
    assert [each.state for each in results if each.check == "role"] == ["ok"]
    owner.execute("grant update on raw.usage_events to tally_door")
    with connect(url_of("tally_door"), autocommit=True) as door, pytest.raises(roles.RolesRefused, match="superuser"):
        roles.apply(door)
    roles.apply(owner)
