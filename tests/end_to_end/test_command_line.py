"""The `tally` command as people and programs call it: one story on a real database and the local Stripe."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from stripe_side import TEST_KEY, StripeSide, local_stripe
from tally_command import run_tally

CONFIGURATION = """
tenants:
  - id: acme
    name: Acme
    meters:
      - {metric: calls, aggregation: sum, unit: call, stripe: {event_name: calls}}
      - {metric: logins, aggregation: count}
"""


class CommandLine:
    """Runs `tally` with an environment that says where everything is; in this process, or in one of its own."""

    def __init__(self, environment: dict[str, str], *, own_process: bool = False) -> None:
        self._environment = environment
        self._own_process = own_process

    def __call__(self, *arguments: str, code: int = 0) -> str:
        """Standard output (standard error when it fails); the exit code must be `code`."""
        done = self._process(*arguments) if self._own_process else run_tally(self._environment, *arguments)
        assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout if not done.stderr else done.stdout + done.stderr

    def _process(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).parent / "tally"), *arguments]
        environment = {**os.environ, **self._environment}
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)

    def json(self, *arguments: str, code: int = 0) -> Any:
        return json.loads(self(*arguments, "--json", code=code))


@pytest.fixture
def stripe_side(tmp_path: Path) -> Iterator[StripeSide]:
    with local_stripe(tmp_path) as side:
        yield side


@pytest.fixture
def environment(
    built_database_url: str, stripe_side: StripeSide, dbt_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    home = tmp_path / "home"
    home.mkdir()
    (home / "dbt").symlink_to(dbt_folder)
    (tmp_path / "tally.yaml").write_text(CONFIGURATION)
    monkeypatch.chdir(tmp_path)
    return {
        "DATABASE_URL": built_database_url,
        "TALLY_HOME": str(home),
        "STRIPE_API_KEY": TEST_KEY,
        "STRIPE_API_BASE": stripe_side.url,
    }


@pytest.fixture
def tally(environment: dict[str, str]) -> CommandLine:
    return CommandLine(environment)


@pytest.fixture
def ledger_connection(built_database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(built_database_url, autocommit=True) as connection:
        yield connection


def test_from_nothing_to_a_reconciled_counter(
    environment: dict[str, str], stripe_side: StripeSide, ledger_connection: psycopg.Connection
) -> None:
    tally = CommandLine(environment, own_process=True)
    assert "no tenant is declared yet" in tally("status", code=1)
    assert tally.json("migrate") == {"applied": [], "grants": []}

    announced = tally.json("apply", "tally.yaml", "--dry-run")
    assert [change["table"] for change in announced["changes"]] == ["tenants", "meters", "price_mappings", "meters"]
    assert tally.json("apply", "tally.yaml")["changes"] == announced["changes"]
    assert "0 changes written" in tally("apply", "tally.yaml")

    # The customer's usage of an hour ago, landed as the door would.
    subscribed = _subscribe(stripe_side)
    assert tally.json("sync")[0]["items"] == 1
    assert "nothing to reconcile" in tally("reconcile", code=1)
    _land(ledger_connection, "globex", "calls", "12.5", subscribed)
    _land(ledger_connection, "globex", "logins", "1", subscribed)
    ticked = tally.json("tick")
    assert {model["model"]: model["rows"] for model in ticked["models"]}["int_usage_counters"] == 2

    planned = tally.json("push", "--dry-run", code=1)[0]["plan"]
    assert [(row["counter"]["metric"], row["value"]) for row in planned["planned"]] == [("calls", "12.5")]
    assert [(row["counter"]["metric"], row["reason"]) for row in planned["held"]] == [("logins", "unmapped")]
    assert stripe_side.arrivals() == {}
    assert tally.json("push", code=1)[0]["delivery"]["attempts"] == {"accepted": 1}
    stripe_side.until_applied()

    month = f"{subscribed:%Y-%m}"
    (reconciled,) = tally.json("reconcile", "--month", month)
    assert reconciled["summary"]["verdict"] == "ok"
    assert {row["metric"]: row["stripe_quantity"] for row in reconciled["summary"]["metrics"]}["calls"] == "12.5"
    assert Path(reconciled["html"]).exists()
    assert "nothing needs a person" in tally("status")


def test_a_break_turns_status_and_reconcile_red(
    tally: CommandLine, stripe_side: StripeSide, ledger_connection: psycopg.Connection
) -> None:
    tally("apply", "tally.yaml")
    subscribed = _subscribe(stripe_side)
    tally("sync")
    _land(ledger_connection, "globex", "calls", "3", subscribed)
    tally("tick")
    tally("push")
    customer = ledger_connection.execute("select distinct stripe_customer_id from tally.push_intents").fetchone()
    assert customer is not None
    stripe_side.send(customer[0], "calls", "1", datetime.now(UTC) - timedelta(minutes=1), "somebody-else")
    stripe_side.until_applied()
    text = tally("reconcile", "--month", f"{subscribed:%Y-%m}", code=1)
    assert "foreign writer" in text
    assert "1 counters do not agree with Stripe" in tally("status", code=1)


def test_keys_are_shown_once_and_revoked(tally: CommandLine) -> None:
    tally("apply", "tally.yaml")
    made = tally.json("keys", "create", "checkout")
    (listed,) = tally.json("keys", "list")
    assert made["key"].startswith(f"tly_{listed['key_id']}_")
    assert made["key"].split("_")[-1] not in tally("keys", "list")
    assert tally.json("keys", "revoke", listed["key_id"])["revoked"] is True
    assert tally.json("keys", "revoke", "absent", code=1)["revoked"] is False


def test_errors_name_the_fault_without_a_traceback(tally: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text(CONFIGURATION.replace("sum", "total"))
    text = tally("apply", "wrong.yaml", code=1)
    assert "tenants.0.meters.0.aggregation" in text
    assert "Traceback" not in text


def test_the_printed_environment_leads_to_the_database(tally: CommandLine, built_database_url: str) -> None:
    variables = tally.json("env")
    assert variables["DATABASE_URL"] == built_database_url
    exported = dict(line.removeprefix("export ").split("=", 1) for line in tally("env").splitlines())
    assert exported.keys() == variables.keys()


def _subscribe(stripe_side: StripeSide) -> datetime:
    """A subscription that began ten days ago; returns its period's start."""
    stripe_side.meter("calls")
    now = int(time.time())
    begun = {"backdate_start_date": now - 10 * 86_400, "billing_cycle_anchor": now + 20 * 86_400}
    subscription = stripe_side.subscribe(stripe_side.customer("globex", None), "calls", **begun)
    start = subscription["items"]["data"][0]["current_period_start"]
    return datetime.fromtimestamp(start, UTC)


def _land(connection: psycopg.Connection, customer_ref: str, metric: str, quantity: str, at: datetime) -> None:
    connection.execute(
        "insert into raw.usage_events (tenant_id, idempotency_key, customer_ref, metric, quantity, event_time)"
        " values ('acme', %s, %s, %s, %s, %s)",
        (f"{customer_ref}-{metric}", customer_ref, metric, quantity, at + timedelta(seconds=1)),
    )
