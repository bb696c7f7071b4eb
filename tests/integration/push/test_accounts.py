"""An account's rate, pauses, circuit and stop hold for every pusher, whichever process it is."""

import os
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from push_billing import END, START, TENANT, Billing, set_counter

from tally.pipeline_status import pipeline_status
from tally.push import deliver, resume, standing
from tally.push.answers import Answer
from tally.push.turns import know, note
from tally.stripe.account import open_account


def count_all(billing: Billing, value: int = 1) -> dict[tuple[str, str], int]:
    """Six counters, each with a value of its own."""
    values = {}
    for ref in billing.customers:
        for metric in ("api_calls", "peak_load"):
            values[ref, metric] = value + len(values)
            billing.count(ref, metric, str(values[ref, metric]))
    return values


def assert_counted(billing: Billing, values: dict[tuple[str, str], int]) -> None:
    assert set(billing.stripe.arrivals().values()) == {1}
    assert {key: billing.applied(*key) for key in values} == values


def received(billing: Billing) -> list[float]:
    events = billing.stripe.control.get("/_sandbox/oracle/meter_events").json()["data"]
    return sorted(arrival["received_at"] for event in events for arrival in event["arrivals"])


def many_counters(billing: Billing, number: int) -> None:
    """Intents as a plan leaves them, each for a Stripe customer of its own."""
    customer = billing.customers["globex"]
    for each in range(number):
        billing.connection.execute(
            "insert into tally.push_intents (tenant_id, account, livemode, customer_ref, metric, period_start,"
            " period_end, seq, value, counter_value, event_name, stripe_customer_id, event_ts, identifier, planned_at)"
            " values (%s, 'self', false, %s, 'api_calls', %s, %s, 1, 1, 1, 'api_calls', %s, now(), %s, now())",
            (TENANT, f"customer-{each}", START, END, f"{customer}{each}", f"tl1.{each}"),
        )


def pusher(billing: Billing, url: str, **environment: str) -> "subprocess.Popen[bytes]":
    given = {
        "DATABASE_URL": url,
        "STRIPE_API_KEY": "sk_test_" + "tally0000000000000000000",
        "STRIPE_API_BASE": billing.stripe.url,
    }
    arguments = [TENANT, billing.clock.at.isoformat(), "10"]
    return subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("pusher_process.py")), *arguments],
        env=os.environ | given | environment,
    )


def test_two_processes_together_keep_the_accounts_rate(billing: Billing, built_database_url: str) -> None:
    many_counters(billing, 90)
    pushers = [pusher(billing, built_database_url, TALLY_PUSH_TEST_PER_SECOND="45") for _ in range(2)]
    assert [process.wait(30) for process in pushers] == [0, 0]
    times = received(billing)
    assert len(times) == 90
    # Each keeping the rate for itself, all 90 would have come within a second. The rest is for a busy machine's stalls.
    assert max(sum(at <= other < at + 1 for other in times) for at in times) <= 70
    assert times[-1] - times[0] >= 1.4
    assert billing.one("select count(*) from tally.push_attempts where http_status = 429") == 0


def test_a_limit_that_stripe_names_pauses_every_pusher_and_a_lock_pauses_none(billing: Billing) -> None:
    count_all(billing)
    billing.stripe.fail("rate_limited", retry_after="60", reason="endpoint-rate")
    first = billing.push(patience=timedelta(seconds=2))
    assert first.attempts["unknown"] == 1
    paused = standing(billing.connection, billing.account)
    assert paused is not None
    assert paused.pause_reason == "429 endpoint-rate"
    values = count_all(billing, 10)
    second = billing.push(patience=timedelta(seconds=1))
    assert (second.attempts, second.held_up) == ({}, "429 endpoint-rate")
    assert resume(billing.connection, billing.account)
    billing.connection.execute("update tally.push_intents set lease_until = null where state = 'unknown'")
    billing.stripe.fail("rate_limited", retry_after="1", reason="resource-specific")
    billing.stripe.fail("lock_timeout", nth=2)
    assert billing.deliver().left == {}
    assert billing.push().left == {}
    assert standing(billing.connection, billing.account) is None
    assert_counted(billing, values)


def test_a_refused_key_stops_the_account_for_every_pusher_until_a_person_or_another_key(billing: Billing) -> None:
    values = count_all(billing)
    billing.stripe.fail("unauthorized", count=None)
    billing.plan()
    assert "Invalid API Key" in str(billing.deliver().stopped)
    billing.stripe.heal()
    again = billing.deliver()  # the key would work now, but nobody said so
    assert (again.attempts, "Invalid API Key" in str(again.stopped), again.needs_a_person) == ({}, True, True)
    assert billing.states() == ["planned"] * 6
    assert "tally push resume" in str(standing(billing.connection, billing.account))
    wrong_now = pipeline_status(billing.connection, TENANT, billing.clock.at).wrong
    assert any("Stripe account self, test mode: stopped since" in sentence for sentence in wrong_now)
    wrong = replace(billing.account, key_id="another key")
    billing.stripe.fail("forbidden")
    assert deliver(billing.settings, wrong, TENANT, billing.clock).attempts == {"stopped": 1}  # one call to try it
    other = open_account(billing.settings)
    assert deliver(billing.settings, other, TENANT, billing.clock).confirmed == 6
    assert standing(billing.connection, billing.account) is None
    assert_counted(billing, values)
    other.close()


def test_a_person_resumes_a_stopped_account(billing: Billing) -> None:
    values = count_all(billing)
    billing.stripe.fail("forbidden")
    assert billing.push().stopped is not None
    assert resume(billing.connection, billing.account)
    assert not resume(billing.connection, billing.account)
    assert billing.deliver().left == {}
    assert_counted(billing, values)


def test_an_open_circuit_lets_one_call_at_a_time_look_and_mixes_up_no_payload(billing: Billing) -> None:
    values = count_all(billing)
    billing.stripe.fail("fail_500", count=None)
    down = billing.push(patience=timedelta(seconds=3))
    assert down.attempts["unknown"] <= 5 + 8 + 3  # to open it, what was under way, and looks after 1, 2, ... seconds
    open_circuit = standing(billing.connection, billing.account)
    assert open_circuit is not None
    assert open_circuit.open_since is not None
    assert down.held_up is not None
    assert "calls in a row without an answer" in down.held_up
    billing.stripe.heal()
    billing.connection.execute("update tally.push_accounts set retry_at = clock_timestamp()")
    assert billing.deliver().left == {}
    assert standing(billing.connection, billing.account) is None
    assert_counted(billing, values)


def test_calls_that_fail_together_are_one_outage(billing: Billing) -> None:
    """Sixteen that were under way when Stripe went: the first look is a second later, not a minute."""
    read = "select failures, round(extract(epoch from retry_at - clock_timestamp())) from tally.push_accounts"
    nobody = Answer("unknown", error="no connection")
    know(billing.connection, billing.account)
    for _ in range(16):
        note(billing.connection, billing.account, nobody, is_probe=False)
    assert billing.connection.execute(read).fetchall() == [(5, 1)]
    for _ in range(2):
        assert note(billing.connection, billing.account, nobody, is_probe=True)
    assert billing.connection.execute(read).fetchall() == [(7, 4)]


def test_two_periods_of_one_customer_and_meter_are_sent_one_after_the_other(billing: Billing) -> None:
    """As Stripe asks: one call at a time for a customer and meter."""
    later = (END, END + timedelta(days=30))
    billing.count("globex", "api_calls", "3")
    set_counter(billing.connection, "globex", "api_calls", billing.one("select 4"), later[0], later)
    billing.clock.at = END + timedelta(hours=1)
    billing.stripe.advance(billing.test_clock, billing.clock.at)
    billing.stripe.change(meter_event_concurrency=1)
    billing.stripe.fail("delay", delay_seconds=0.3, count=2)
    billing.plan()
    assert billing.states() == ["planned"] * 2
    result = billing.deliver()
    assert result.attempts == {"accepted": 2}
    assert billing.applied("globex", "api_calls") == 7
