"""kill -9 of the pusher at each step of an intent's way. What a dead pusher left is sent on, and counted once.

Each crash point is held open from outside: by a lock in Postgres, or by a Stripe that is slow, silent or deaf.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from push_billing import TENANT, Billing

from tally.database import connect

LEASE_SECONDS = 1.0
VALUES = {("globex", "api_calls"): 7, ("initech", "peak_load"): 11}


@contextmanager
def pusher(billing: Billing, url: str, stripe_url: str | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A pusher in its own process; killed at the end of the block if not before."""
    environment = os.environ | {
        "DATABASE_URL": url,
        "STRIPE_API_KEY": "sk_test_" + "tally0000000000000000000",
        "STRIPE_API_BASE": stripe_url or billing.stripe.url,
        "TALLY_PUSH_WORKERS": "1",
    }
    arguments = [TENANT, billing.clock.at.isoformat(), str(LEASE_SECONDS)]
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("pusher_process.py")), *arguments], env=environment
    )
    try:
        yield process
    finally:
        kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
    process.wait()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "the crash point was not reached"
        time.sleep(0.01)


def sending(billing: Billing) -> bool:
    return bool(billing.one("select count(*) from tally.push_intents where state = 'sending'"))


def blocked_backends(billing: Billing) -> list[int]:
    rows = billing.connection.execute(
        "select pid from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    )
    return [pid for (pid,) in rows]


def lose_blocked_backends(billing: Billing) -> None:
    """What the server does once it notices that the client is gone; until then it would finish the statement."""
    for pid in blocked_backends(billing):
        billing.connection.execute("select pg_terminate_backend(%s)", (pid,))
    until(lambda: not blocked_backends(billing))


def crash_before_the_claim(billing: Billing, url: str) -> None:
    with connect(url) as blocker:
        blocker.execute("lock table tally.push_attempts in exclusive mode")
        with pusher(billing, url) as process:
            until(lambda: bool(blocked_backends(billing)))
            kill(process)
        lose_blocked_backends(billing)
        blocker.rollback()
    assert billing.states() == ["planned", "planned"]


def crash_while_claiming(billing: Billing, url: str) -> None:
    """The claim commits, but nobody is left to send it."""
    with connect(url) as blocker:
        blocker.execute("lock table tally.push_attempts in exclusive mode")
        with pusher(billing, url) as process:
            until(lambda: bool(blocked_backends(billing)))
            kill(process)
        blocker.rollback()
    until(lambda: sending(billing))


def crash_before_stripe_has_it(billing: Billing, url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        address = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        with pusher(billing, url, address) as process:
            until(lambda: sending(billing))
            kill(process)
    assert billing.stripe.arrivals() == {}


def crash_before_stripe_answers(billing: Billing, url: str) -> None:
    billing.stripe.fail("no_answer")
    with pusher(billing, url) as process:
        until(lambda: bool(billing.stripe.arrivals()))
        kill(process)
    assert sending(billing)


def crash_before_the_answer_is_recorded(billing: Billing, url: str) -> None:
    billing.stripe.fail("delay", delay_seconds=0.5)
    with connect(url) as blocker, pusher(billing, url) as process:
        until(lambda: sending(billing))
        blocker.execute("select from tally.push_intents where state = 'sending' for update")
        until(lambda: bool(blocked_backends(billing)))
        kill(process)
        lose_blocked_backends(billing)
        blocker.rollback()
    assert sending(billing)
    assert len(billing.stripe.arrivals()) == 2  # both of the pair that it had claimed


def crash_after_one_of_two(billing: Billing, url: str) -> None:
    billing.stripe.fail("no_answer", nth=2)
    with pusher(billing, url) as process:
        until(lambda: len(billing.stripe.arrivals()) == 2)
        kill(process)
    assert billing.states() == ["sending", "sending"]  # the answer of the first was to be recorded with the second's


@pytest.mark.parametrize(
    "crash",
    [
        crash_before_the_claim,
        crash_while_claiming,
        crash_before_stripe_has_it,
        crash_before_stripe_answers,
        crash_before_the_answer_is_recorded,
        crash_after_one_of_two,
    ],
)
def test_a_killed_pusher_loses_nothing_and_repeats_nothing(
    billing: Billing, built_database_url: str, crash: Callable[[Billing, str], None]
) -> None:
    for (customer_ref, metric), value in VALUES.items():
        billing.count(customer_ref, metric, str(value))
    billing.plan()
    crash(billing, built_database_url)
    billing.stripe.heal()
    assert all(held.reason == "in_flight" for held in billing.plan().held)
    result = billing.deliver(patience=timedelta(seconds=10))
    assert result.left == {}
    assert billing.states() == ["confirmed", "confirmed"]
    assert list(billing.stripe.arrivals().values()) == [1, 1]
    for (customer_ref, metric), value in VALUES.items():
        assert billing.applied(customer_ref, metric) == value


def test_without_the_identifier_rule_a_repeat_would_count_twice(billing: Billing) -> None:
    """The control: this local Stripe does count an identifier again once its window has passed."""
    billing.stripe.change(identifier_window_seconds=0.0)
    billing.stripe.send(billing.customers["globex"], "api_calls", "7", billing.clock.at, "twice")
    billing.stripe.send(billing.customers["globex"], "api_calls", "7", billing.clock.at, "twice")
    assert billing.applied("globex", "api_calls") == 14
