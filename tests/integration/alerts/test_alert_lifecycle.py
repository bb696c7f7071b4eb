"""An alert's life: begun once, told within the cooldown's bounds, taken on, put off, ended; and no message is lost."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alert_receivers import NOW, HttpReceiver
from typer.testing import CliRunner, Result

from tally import alerts
from tally.alerts.evaluation import ADVISORY_LOCK
from tally.cli.app import app
from tally.clock import FixedClock
from tally.finding import Finding
from tally.settings import Settings, load_settings

LOST = Finding("run_lost", "tick", "run 1 has not ended", is_global=True)
HOUR = timedelta(hours=1)


class World:
    """Evaluations at times of the test's choosing; `fault` is there or not."""

    def __init__(self, connection: psycopg.Connection, settings: Settings, clock: FixedClock) -> None:
        self.connection, self.settings, self.clock = connection, settings, clock

    def look(self, *found: Finding, after: timedelta = timedelta(minutes=1)) -> alerts.Evaluation:
        self.clock.at += after
        return alerts.evaluate(self.connection, self.settings, self.clock, more=found, looked_at=alerts.DAGSTER_KINDS)

    def events(self) -> list[str]:
        return [row[0] for row in self.connection.execute("select event from tally.alert_history order by seq")]


@pytest.fixture
def world(tenant: psycopg.Connection, telling: Settings, clock: FixedClock) -> World:
    return World(tenant, telling, clock)


def notices(receiver: HttpReceiver) -> list[str]:
    return [json.loads(post.body)["type"].removeprefix("alert.") for post in receiver.posts]


def test_a_fault_is_one_alert_told_once_a_cooldown_and_told_when_over(world: World, receiver: HttpReceiver) -> None:
    first = world.look(LOST)
    assert [(alert.tenant_id, alert.kind, alert.subject) for alert in first.triggered] == [("*", "run_lost", "tick")]
    for _ in range(5):
        again = world.look(Finding("run_lost", "tick", "run 1 has not ended, still", is_global=True))
        assert (again.triggered, len(again.open), again.sent) == ((), 1, 0)
    assert again.open[0].sentence == "run 1 has not ended, still"
    assert notices(receiver) == ["triggered"]
    assert world.look(LOST, after=HOUR).sent == 1
    over = world.look()
    assert ([alert.resolved_by for alert in over.resolved], over.open) == (["tally"], ())
    assert notices(receiver) == ["triggered", "reminder", "resolved"]
    # Back within the cooldown of the reminder: a new alert, and nobody is told again so soon.
    assert [alert.alert_id for alert in world.look(LOST).triggered] != [first.triggered[0].alert_id]
    assert notices(receiver) == ["triggered", "reminder", "resolved"]
    world.look(LOST, after=HOUR)
    assert notices(receiver)[3:] == ["reminder"]


def test_who_has_not_looked_ends_nothing(world: World) -> None:
    world.look(LOST)
    elsewhere = alerts.evaluate(world.connection, world.settings, world.clock)
    assert (len(elsewhere.open), elsewhere.resolved) == (1, ())


def test_people_take_on_put_off_and_end(world: World, receiver: HttpReceiver) -> None:
    number = world.look(LOST).triggered[0].alert_id
    alerts.acknowledge(world.connection, number, "ann", world.clock.now(), "mine")
    assert world.look(LOST, after=5 * HOUR).sent == 0
    snoozed = alerts.snooze(world.connection, number, "ann", world.clock.now(), 2 * HOUR)
    assert (snoozed.state, snoozed.snoozed_until) == ("snoozed", world.clock.now() + 2 * HOUR)
    assert world.look(LOST, after=HOUR).sent == 0
    assert world.look(LOST, after=HOUR).sent == 1
    assert world.look(LOST).open[0].state == "triggered"
    assert alerts.resolve(world.connection, number, "bob", world.clock.now(), "seen to").resolved_by == "bob"
    # Said to be over: silent for the cooldown, and then, still wrong, a new alert.
    assert world.look(LOST).open == ()
    [new] = world.look(LOST, after=2 * HOUR).triggered
    assert new.alert_id > number
    assert notices(receiver) == ["triggered", "reminder", "triggered"]
    assert world.events() == ["triggered", "acknowledged", "snoozed", "snooze_over", "resolved", "triggered"]
    with pytest.raises(alerts.AlertIsOver):
        alerts.acknowledge(world.connection, number, "ann", world.clock.now())
    with pytest.raises(alerts.NoSuchAlert):
        alerts.acknowledge(world.connection, number + 99, "ann", world.clock.now())


def test_what_ends_while_it_is_put_off_is_over(world: World) -> None:
    number = world.look(LOST).triggered[0].alert_id
    alerts.snooze(world.connection, number, "ann", world.clock.now(), 9 * HOUR)
    assert [alert.alert_id for alert in world.look().resolved] == [number]


def test_what_a_channel_does_not_take_is_tried_again_with_growing_pauses(world: World, receiver: HttpReceiver) -> None:
    receiver.answers += [(500, {}), (503, {"Retry-After": "900"}), (404, {})]
    first = world.look(LOST)
    assert (first.sent, first.waiting, first.reasons) == (0, 1, ("webhook: answered 500",))
    assert world.look(LOST, after=timedelta(seconds=20)).reasons == ()
    assert world.look(LOST, after=timedelta(seconds=20)).reasons == ("webhook: answered 503",)
    assert world.look(LOST, after=timedelta(minutes=14)).reasons == ()
    assert world.look(LOST, after=timedelta(minutes=2)).reasons == ("webhook: answered 404",)
    assert world.look(LOST, after=timedelta(minutes=3)).sent == 1
    deliveries = {json.loads(post.body)["delivery_id"] for post in receiver.posts}
    assert (len(receiver.posts), len(deliveries)) == (4, 1)
    row = world.connection.execute("select state, attempts, error from tally.alert_deliveries").fetchall()
    assert row == [("sent", 4, None)]


def test_a_channel_that_never_takes_it_is_given_up_on(world: World, receiver: HttpReceiver) -> None:
    receiver.answers += [(500, {})] * 40
    world.settings = world.settings.model_copy(update={"alert_cooldown_minutes": 10_080})
    given_up = sum(world.look(LOST, after=HOUR).failed for _ in range(14))
    assert given_up == 1
    assert world.connection.execute(
        "select state, attempts, error from tally.alert_deliveries order by delivery_id"
    ).fetchall() == [("failed", 12, "answered 500")]


_KILLED = """
import os, signal
from datetime import datetime
import tally.alerts.sending as sending
from tally import alerts
from tally.clock import FixedClock
from tally.database import connect
from tally.finding import Finding
from tally.settings import load_settings

tried = sending._tried
def killed(*given):
    os.kill(os.getpid(), signal.SIGKILL)
sending._tried = killed  # the message is out, its row is not marked yet
settings = load_settings()
with connect(settings.database_url.get_secret_value(), autocommit=True) as connection:
    finding = Finding("run_lost", "tick", "run 1 has not ended", is_global=True)
    alerts.report(connection, settings, FixedClock(datetime.fromisoformat({now!r})), finding)
"""


def test_a_sender_killed_between_message_and_row_tells_again(
    world: World, receiver: HttpReceiver, database_url: str, tmp_path: Path
) -> None:
    environment = os.environ | {
        "DATABASE_URL": database_url,
        "TALLY_HOME": str(tmp_path),
        "TALLY_ALERT_WEBHOOK_URL": f"{receiver.url}/hook",
        "TALLY_ALERT_WEBHOOK_SECRET": "a-secret-of-some-length",
        "TALLY_ALERT_ALLOW_PRIVATE": "on",
    }
    ended = subprocess.run([sys.executable, "-c", _KILLED.format(now=NOW.isoformat())], env=environment, timeout=60)
    assert ended.returncode == -signal.SIGKILL
    assert world.look(LOST).sent == 1
    assert world.look(LOST).sent == 0
    deliveries = [json.loads(post.body)["delivery_id"] for post in receiver.posts]
    assert (len(deliveries), len(set(deliveries))) == (2, 1)


def test_one_evaluates_at_a_time(world: World, database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as other:
        other.execute("select pg_advisory_lock(%s)", (ADVISORY_LOCK,))
        assert world.look(LOST).is_busy
        other.execute("select pg_advisory_unlock(%s)", (ADVISORY_LOCK,))
    assert not world.look(LOST).is_busy


def test_without_a_channel_alerts_are_recorded_and_it_says_that_nobody_is_told(
    world: World, settings_for: Callable[..., Settings]
) -> None:
    world.settings = settings_for()
    done = world.look(LOST)
    assert (len(done.open), done.sent, done.nobody_is_told) == (1, 0, True)


@pytest.fixture
def tally(
    tenant: psycopg.Connection, telling: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Result]]:
    for name, field in Settings.model_fields.items():
        value = getattr(telling, name)
        if name in telling.model_fields_set and field.alias:
            secret = getattr(value, "get_secret_value", None)
            monkeypatch.setenv(field.alias, secret() if secret else str(value))
    load_settings.cache_clear()
    yield lambda *arguments: CliRunner().invoke(app, ["alerts", *arguments])
    load_settings.cache_clear()


def test_the_commands(tally: Callable[..., Result], tenant: psycopg.Connection, receiver: HttpReceiver) -> None:
    def said(*arguments: str, exit_code: int = 0) -> Any:
        result = tally(*arguments, "--json")
        assert result.exit_code == exit_code, result.output
        return json.loads(result.stdout)

    assert said("evaluate")["open"] == []
    tenant.execute(
        "insert into tally.mapping_pauses values ('acme', 'self', false, 'calls', 'no_meter', 'gone', 'evt_1', now())"
    )
    assert [found["kind"] for found in said("evaluate", "--dry-run", exit_code=1)["found"]] == ["mapping_paused"]
    assert said("list") == []
    [alert] = said("evaluate", exit_code=1)["triggered"]
    number = str(alert["alert_id"])
    assert (alert["tenant_id"], alert["kind"], alert["subject"]) == ("acme", "mapping_paused", "calls (self, test)")
    assert said("ack", number, "--by", "ann", "--note", "mine")["state"] == "acknowledged"
    assert said("snooze", number, "2h", "--by", "ann")["state"] == "snoozed"
    shown = said("show", number)
    assert [step["event"] for step in shown["history"]] == ["triggered", "acknowledged", "snoozed"]
    assert [(told["channel"], told["state"]) for told in shown["deliveries"]] == [("webhook", "sent")]
    for arguments in (("list", "--tenant", "acme"), ("show", number), ("evaluate",), ("evaluate", "--dry-run")):
        assert "calls (self, test)" in tally(*arguments).output
    tenant.execute(
        "insert into tally.usage_alert_rules (tenant_id, name, kind, metric, quantity)"
        " values ('acme', 'heavy', 'threshold', 'api_calls', 5)"
    )
    assert "quantity 5" in tally("rules").output
    assert said("resolve", number, "--by", "bob")["resolved_by"] == "bob"
    assert (said("list"), len(said("list", "--all"))) == ([], 1)
    assert said("test") == [{"channel": "webhook", "fault": None}]
    receiver.answers += [(410, {})]
    assert said("test", exit_code=1) == [{"channel": "webhook", "fault": "answered 410"}]
    assert tally("snooze", number, "soon").exit_code == 2


def test_a_database_that_is_down_is_told_at_once_and_recorded_when_it_is_back(
    tally: Callable[..., Result],
    tenant: psycopg.Connection,
    receiver: HttpReceiver,
    monkeypatch: pytest.MonkeyPatch,
    database_url: str,
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nowhere")
    load_settings.cache_clear()
    for _ in range(3):
        assert tally("evaluate").exit_code == 1
    assert [json.loads(post.body)["kind"] for post in receiver.posts] == ["database_down"]
    monkeypatch.setenv("DATABASE_URL", database_url)
    load_settings.cache_clear()
    assert tally("evaluate").exit_code == 0
    assert notices(receiver) == ["triggered", "resolved"]
    [(kind, state, began, ended)] = tenant.execute(
        "select kind, state, triggered_at, resolved_at from tally.alerts"
    ).fetchall()
    assert (kind, state) == ("database_down", "resolved")
    assert isinstance(began, datetime)
    assert began < ended
    assert tally("evaluate").exit_code == 0
    assert len(receiver.posts) == 2
