"""Each fault of the pipeline is an alert of its own kind, and ends when the fault does."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from alert_receivers import NOW, HttpReceiver

from tally import alerts
from tally.alerts.door import refused
from tally.clock import FixedClock
from tally.database import connect
from tally.loop_heartbeat import Beat, take_loop_lock, write_beat
from tally.settings import Settings

HEALTHY_BEAT = Beat("here:1", 3, 3, 1.0, 0.1, 0, None)
METRICS = """# TYPE tally_door_requests counter
tally_door_requests_total{{route="/v1/events",status="200"}} 900.0
tally_door_requests_total{{route="/v1/events",status="503"}} {events}.0
tally_door_requests_total{{route="/health/ready",status="503"}} {probes}.0
# TYPE tally_door_refused_connections counter
tally_door_refused_connections_total {connections}.0
"""


@pytest.fixture
def look(tenant: psycopg.Connection, settings_for: Callable[..., Settings], clock: FixedClock) -> Callable[..., Any]:
    def looked(after: timedelta = timedelta(minutes=1), **variables: Any) -> set[tuple[str, str, str]]:
        clock.at += after
        done = alerts.evaluate(tenant, settings_for(**variables), clock)
        return {(alert.tenant_id, alert.kind, alert.subject) for alert in done.open}

    return looked


def test_a_loop_that_died_is_one_alert_of_all_tenants(
    look: Callable[..., Any], tenant: psycopg.Connection, database_url: str
) -> None:
    tenant.execute("insert into tally.tenants (tenant_id, name) values ('umbra', 'Umbra')")
    with connect(database_url, autocommit=True) as loop:
        assert take_loop_lock(loop)
        write_beat(loop, HEALTHY_BEAT)
        assert look() == set()
        write_beat(loop, Beat("here:1", 3, 3, 1.0, 0.1, 2, "no such table"))
        assert look() == {("*", "loop_failing", "loop")}
    assert look() == {("*", "loop_died", "loop")}
    with connect(database_url, autocommit=True) as loop:
        assert take_loop_lock(loop)
        write_beat(loop, HEALTHY_BEAT)
        assert look() == set()


def test_lag_and_open_intents_have_limits_that_settings_move(
    look: Callable[..., Any], tenant: psycopg.Connection
) -> None:
    tenant.execute(
        "insert into raw.usage_events (tenant_id, idempotency_key, customer_ref, metric, quantity, event_time,"
        " landed_at) values ('acme', 'k', 'c', 'api_calls', 1, %(now)s, %(now)s)",
        {"now": NOW},
    )
    tenant.execute(
        "insert into tally.push_intents (tenant_id, account, livemode, customer_ref, metric, period_start, period_end,"
        " seq, value, absolute_value, counter_value, event_name, stripe_customer_id, event_ts, identifier,"
        " planned_at) values ('acme', 'self', false, 'c', 'api_calls', '2024-03-01Z', '2024-04-01Z', 1,"
        " 1, 1, 1, 'calls', 'cus_1', %(now)s, 'i', %(now)s)",
        {"now": NOW},
    )
    assert look(TALLY_ALERT_LAG_SECONDS=3600) == set()
    assert look(TALLY_ALERT_LAG_SECONDS=60) == {("acme", "ticks_lag", "ledger")}
    late = look(timedelta(minutes=14), TALLY_ALERT_LAG_SECONDS=36_000)
    assert late == {("acme", "intents_waiting", "intents")}


def test_an_account_that_does_not_answer_and_one_that_is_stopped_are_told_apart(
    look: Callable[..., Any], tenant: psycopg.Connection
) -> None:
    for account in ("self", "acct_2"):
        tenant.execute(
            "insert into tally.push_intents (tenant_id, account, livemode, customer_ref, metric, period_start,"
            " period_end, seq, value, absolute_value, counter_value, event_name, stripe_customer_id,"
            " event_ts, identifier, planned_at, state, confirmed_at) values ('acme', %s, false, 'c', 'api_calls',"
            " '2024-03-01Z', '2024-04-01Z', 1, 1, 1, 1, 'calls', 'cus_1', now(), gen_random_uuid(),"
            " now(), 'confirmed', now())",
            (account,),
        )
    tenant.execute(
        "insert into tally.push_accounts (account, livemode, failures, failing_since, stopped_at, stopped_because)"
        " values ('self', false, 50, now(), null, null), ('acct_2', false, 0, null, now(), 'key revoked')"
    )
    assert look() == {("acme", "circuit_open", "self, test"), ("acme", "account_stopped", "acct_2, test")}


def test_a_daemon_that_falls_silent_is_found_by_another_evaluator(
    look: Callable[..., Any], tenant: psycopg.Connection
) -> None:
    tenant.execute("insert into tally.alert_evaluators (evaluator, evaluated_at) values ('dagster', now())")
    assert look() == set()
    tenant.execute("update tally.alert_evaluators set evaluated_at = now() - interval '4 minutes'")
    assert look(TALLY_DAGSTER_AUTOMATION="off") == set()
    assert look() == {("*", "dagster_silent", "sensors")}
    tenant.execute("update tally.alert_evaluators set evaluated_at = now() where evaluator = 'dagster'")
    assert look() == set()


def test_a_door_that_is_gone_not_ready_or_turning_away(look: Callable[..., Any], receiver: HttpReceiver) -> None:
    assert look(TALLY_ALERT_DOOR_URL="http://127.0.0.1:1") == {("*", "door_down", "door")}
    door = {"TALLY_ALERT_DOOR_URL": receiver.url}
    receiver.pages["/metrics"] = (200, METRICS.format(events=7, probes=1, connections=0))
    assert look(**door) == set()
    receiver.pages["/metrics"] = (200, METRICS.format(events=7, probes=90, connections=0))
    receiver.pages["/health/ready"] = (503, '{"status": "not ready", "faults": ["Postgres is read-only"]}')
    assert look(**door) == {("*", "door_down", "door")}
    del receiver.pages["/health/ready"]
    receiver.pages["/metrics"] = (200, METRICS.format(events=9, probes=90, connections=2))
    assert look(**door) == {("*", "door_refuses", "door")}
    assert look(timedelta(minutes=4), **door) == {("*", "door_refuses", "door")}
    assert look(timedelta(minutes=2), **door) == set()
    # A door that started anew counts from 0: that is no refusal, but one that it then makes is.
    receiver.pages["/metrics"] = (200, METRICS.format(events=0, probes=0, connections=0))
    assert look(**door) == set()
    receiver.pages["/metrics"] = (200, METRICS.format(events=1, probes=0, connections=0))
    assert look(**door) == {("*", "door_refuses", "door")}


def test_the_door_s_own_metrics_have_the_names_that_are_read() -> None:
    from ingest.metrics import Metrics

    metrics = Metrics(1)
    metrics.requests.labels("/v1/events", 503).inc()
    metrics.requests.labels("/health/ready", 503).inc()
    metrics.requests.labels("/v1/events", 200).inc()
    metrics.refused_connections.inc()
    assert refused(metrics.text().decode()) == 2
