"""The exporter over a metered world: it says what `tally status` says, bounded, documented, and makes nothing up."""

import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import psycopg
import pytest
from metered_world import NOW, TENANT
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from typer.testing import CliRunner

from ingest.metrics import Metrics
from tally.cli.app import app
from tally.errors import TallyError
from tally.loop_heartbeat import take_loop_lock
from tally.metrics import reader as reading
from tally.metrics.collector import registry
from tally.metrics.families import FAMILIES
from tally.metrics.readings import READINGS
from tally.metrics.server import pipeline_reader, serve
from tally.pipeline_status import pipeline_status
from tally.settings import Settings, load_settings

DOCUMENTED = re.findall(
    r"^\| `(tally_\w+)` \| ([^|]*)\|", (Path(__file__).parents[3] / "docs/metrics.md").read_text(), re.MULTILINE
)
DOCUMENTATION = {name: frozenset(re.findall(r"`(\w+)`", labels)) for name, labels in DOCUMENTED}


@pytest.fixture
def exporter(world: Settings) -> Iterator[CollectorRegistry]:
    """A fresh exporter, nothing kept yet."""
    reader = pipeline_reader(world)
    yield registry(reader, world.home)
    reader.close()


def url_of(world: Settings) -> str:
    assert world.database_url is not None
    return world.database_url.get_secret_value()


def one(database: psycopg.Connection, query: str) -> int:
    [row] = database.execute(query.encode())
    return int(row[0])


def until_up(known: CollectorRegistry) -> bool:
    """Whether it comes back, on a machine that may be busy."""
    return any(known.get_sample_value("tally_up") == 1 for _ in range(10))


def labels_of(text: str) -> dict[str, frozenset[str]]:
    """Every exported `tally_` family with the labels of its samples; prometheus_client adds when a counter began."""
    found = {}
    for family in text_string_to_metric_families(text):
        if family.name.startswith("tally_") and not family.name.endswith("_created"):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            found[name] = frozenset(label for sample in family.samples for label in sample.labels) - {"le"}
    return found


def test_every_metric_of_the_pipeline_is_documented_with_its_labels_and_no_other_is(
    exporter: CollectorRegistry,
) -> None:
    exported = labels_of(generate_latest(exporter).decode())
    declared = {family.exported_name: frozenset(family.labels) for family in FAMILIES.values()}
    assert exported == declared
    assert exported == {name: labels for name, labels in DOCUMENTATION.items() if not name.startswith("tally_door_")}


def test_every_metric_of_the_door_is_documented_with_its_labels_and_no_other_is() -> None:
    metrics = Metrics(max_tenants=1)
    metrics.requests.labels("/v1/events", 200).inc()
    metrics.events_of("acme", "accepted").inc()
    for counter in (metrics.rejected, metrics.auth_failures, metrics.foreign_tenants):
        counter.labels("x").inc()
    exported = labels_of(metrics.text().decode())
    assert exported == {name: labels for name, labels in DOCUMENTATION.items() if name.startswith("tally_door_")}


def test_it_says_what_status_says(world: Settings, database: psycopg.Connection, exporter: CollectorRegistry) -> None:
    status = pipeline_status(database, TENANT, NOW)
    text = generate_latest(exporter).decode()
    values = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert status.lag == timedelta(seconds=40)
    assert values["tally_ledger_lag_seconds", TENANT] == 40
    assert values["tally_ledger_rows_waiting", TENANT] == status.rows_waiting == 2
    assert values["tally_ledger_counters", TENANT] == status.counters == 2
    assert values["tally_ledger_deliveries", TENANT, "counted"] == status.events_counted == 3
    assert values["tally_ledger_deliveries", TENANT, "conflict"] == status.conflicts == 1
    assert values["tally_ledger_deliveries", TENANT, "duplicate"] == 1
    assert {state: values["tally_push_intents", TENANT, state, "test"] for state in status.intents} == status.intents
    assert {verdict: values["tally_parity_lines", TENANT, verdict] for verdict in status.lines} == status.lines
    assert status.lines["break"] == 1
    # 3 of somebody else's beside our 7: 3 over 10.
    assert values["tally_parity_drift_ratio", TENANT, "running"] == pytest.approx(0.3)
    assert values["tally_parity_lines_beyond_epsilon", TENANT, "running"] == 1
    [budget] = status.reads
    assert values["tally_stripe_reads", "test"] == budget.used > 0
    assert values["tally_stripe_read_allowance_used_ratio", "test"] == budget.used / budget.allowance
    assert values["tally_closing_oldest_hold_age_seconds", TENANT] == 3600
    assert values["tally_closing_rests", TENANT, "proposed"] == 1
    assert (values["tally_webhooks_open", "received"], values["tally_webhooks_open", "failed"]) == (2, 1)
    assert values["tally_webhooks_oldest_waiting_age_seconds",] == pytest.approx(1800, abs=120)
    assert (values["tally_loop_died",], values["tally_loop_up",], values["tally_loop_ticks_total",]) == (1, 0, 7)
    assert values["tally_push_accounts_held_up", "live", "stopped"] == 1


def test_tenants_past_the_bound_share_a_label_and_no_customer_is_named(exporter: CollectorRegistry) -> None:
    text = generate_latest(exporter).decode()
    assert set(re.findall(r'tenant="([^"]*)"', text)) == {TENANT, "second", "_other"}
    age = "tally_push_oldest_open_intent_age_seconds"
    assert f'{age}{{mode="live",state="unknown",tenant="_other"}} 1200.0' in text
    assert f'{age}{{mode="shadow",state="disputed",tenant="_other"}} 3600.0' in text
    assert 'tally_push_intents{mode="live",state="unknown",tenant="_other"} 2.0' in text
    assert "globex" not in text


def test_a_long_write_transaction_is_seen_and_reading_is_not_one(
    world: Settings, database: psycopg.Connection, exporter: CollectorRegistry
) -> None:
    name = "tally_postgres_oldest_write_transaction_age_seconds"
    with database.transaction():
        database.execute("select pg_current_xact_id()")
        time.sleep(0.05)
        assert 0.05 <= (exporter.get_sample_value(name) or 0) < 5
    assert take_loop_lock(database)
    fresh = pipeline_reader(world)
    known = registry(fresh, world.home)
    assert (known.get_sample_value(name), known.get_sample_value("tally_loop_up")) == (0, 1)
    fresh.close()


def test_a_part_that_cannot_be_read_is_missing_and_says_so(
    world: Settings, database: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    always = [replace(each, max_age_seconds=0) for each in READINGS]
    reader = reading.Reader(world, lambda: url_of(world), always)
    known = registry(reader, world.home)
    with monkeypatch.context() as short, database.transaction():
        short.setattr(reading, "READ_SECONDS", 0.5)
        database.execute("lock table tally.invoice_holds in access exclusive mode")
        text = generate_latest(known).decode()
    assert "tally_up 1.0" in text
    assert 'tally_reading_success{reading="closing"} 0.0' in text
    assert 'tally_reading_success{reading="push"} 1.0' in text
    assert "tally_closing_holds" not in text
    # What the time was not enough for is read now, too.
    text = generate_latest(known).decode()
    assert (
        text.count("tally_reading_success{")
        == len(re.findall(r"tally_reading_success\{.*\} 1\.0", text))
        == len(always)
    )
    assert 'tally_closing_holds{state="held",tenant="acme"} 1.0' in text
    reader.close()


def test_scrapes_close_together_share_a_reading(exporter: CollectorRegistry) -> None:
    took = re.compile(rb"^tally_reading_seconds.*$", re.MULTILINE)
    assert took.findall(generate_latest(exporter)) == took.findall(generate_latest(exporter)) != []


def test_a_database_that_hangs_or_is_away_is_said_so_and_comes_back(
    world: Settings, database: psycopg.Connection
) -> None:
    always = [replace(each, max_age_seconds=0) for each in READINGS]
    reader = reading.Reader(world, lambda: url_of(world), always, scrape_seconds=0.5)
    known = registry(reader, world.home)
    assert known.get_sample_value("tally_up") == 1
    backend = one(database, "select pid from pg_stat_activity where application_name = 'tally-metrics'")
    os.kill(backend, signal.SIGSTOP)
    try:
        hanging = generate_latest(known).decode()
    finally:
        os.kill(backend, signal.SIGCONT)
    assert "tally_up 0.0" in hanging
    assert "tally_disk_free_bytes" in hanging
    assert not re.search("^tally_(ledger|push|parity|loop|postgres|reading)", hanging, re.MULTILINE)
    assert until_up(known)
    # A server that ended the connection and is back by now is up.
    end = "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = 'tally-metrics'"
    assert one(database, end) == 1
    assert known.get_sample_value("tally_up") == 1
    reader.close()


def test_without_a_database_the_command_prints_tally_up_0_and_exits_1(
    world: Settings, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for url, up, code in (
        (url_of(world), "1.0", 0),
        (f"postgresql://tally:secret@127.0.0.1:{free_port}/tally", "0.0", 1),
    ):
        monkeypatch.setenv("DATABASE_URL", url)
        load_settings.cache_clear()
        printed = CliRunner().invoke(app, ["metrics", "--once"])
        assert (printed.exit_code, f"\ntally_up {up}\n" in printed.stdout) == (code, True)
        assert "secret" not in printed.output
    load_settings.cache_clear()


def test_it_is_served_on_this_machine_only_and_says_which_address_is_taken(world: Settings, free_port: int) -> None:
    settings = world.model_copy(update={"metrics_port": free_port})
    stop = threading.Event()
    served = threading.Thread(target=serve, args=(settings, stop))
    served.start()
    try:
        text = ""
        for _ in range(100):
            try:
                text = httpx.get(f"http://127.0.0.1:{free_port}/metrics").text
                break
            except httpx.ConnectError:
                time.sleep(0.02)
        assert "tally_up 1.0" in text
        with pytest.raises(TallyError, match="TALLY_METRICS_PORT"):
            serve(settings, stop)
    finally:
        stop.set()
        served.join()
