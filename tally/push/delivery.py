"""Delivery: planned intents go to Stripe, each until its outcome is certain or time is up for it.

Safe to kill at any instruction and to run in any number of processes: what a dead pusher left `sending` is sent again
under the same identifier once its lease has run out.
"""

import threading
import time
from collections import Counter as Tally
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import psycopg

from tally.clock import Clock
from tally.database import connect, database_url
from tally.push.intents import LEASE_MARGIN, RESEND_FOR, claim, record, send
from tally.push.settlement import settle
from tally.push.statements import statement
from tally.settings import Settings
from tally.stripe_account import CONNECT_TIMEOUT_SECONDS, StripeAccount

# A worker with nothing to claim looks again this often while other intents are on their way.
_LOOK_AGAIN_SECONDS = 0.1

# What may still be sent, and how long until the first of it is free (seconds, at most 0 when something is free now).
_OPEN = """
select count(*), extract(epoch from min(coalesce(lease_until, clock_timestamp())) - clock_timestamp())::float8
from tally.push_intents
where tenant_id = %(tenant_id)s and account = %(account)s and livemode = %(livemode)s
  and state in ('planned', 'sending', 'unknown')
  and (first_attempt_at is null or first_attempt_at > %(resend_from)s)
"""
_LEFT = """
select state, count(*) from tally.push_intents
where tenant_id = %(tenant_id)s and account = %(account)s and livemode = %(livemode)s
  and state in ('planned', 'sending', 'unknown', 'resolving', 'disputed')
group by state
"""


@dataclass(frozen=True)
class DeliveryResult:
    """What a delivery did.

    `attempts` counts calls by outcome: accepted, duplicate, refused, unknown, stopped, mismatch. `settled` counts
    intents that Stripe's summary decided: confirmed, missing, disputed. `left` counts what is still open, by state.
    `refusals` are sentences for a person, each naming its customer and metric. `stopped` says why the whole account was
    stopped (401 or 403), None when it was not.
    """

    attempts: Mapping[str, int]
    settled: Mapping[str, int]
    left: Mapping[str, int]
    refusals: tuple[str, ...] = ()
    stopped: str | None = None

    @property
    def confirmed(self) -> int:
        """Intents that became certain to be with Stripe."""
        return self.attempts.get("accepted", 0) + self.attempts.get("duplicate", 0) + self.settled.get("confirmed", 0)

    @property
    def is_settled(self) -> bool:
        """Whether nothing is open any more."""
        return not self.left

    @property
    def needs_a_person(self) -> bool:
        """Whether something waits that no further delivery will mend."""
        return bool(self.refusals or self.stopped or self.left.get("disputed"))


@dataclass
class _Run:
    """One delivery's shared state."""

    url: str
    account: StripeAccount
    tenant_id: str
    clock: Clock
    lease: timedelta
    deadline: float
    attempts: Tally[str] = field(default_factory=Tally)
    refusals: list[str] = field(default_factory=list)
    stopped: str | None = None
    over: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def parameters(self) -> dict[str, Any]:
        now = self.clock.now()
        return {
            "tenant_id": self.tenant_id,
            "account": self.account.account,
            "livemode": self.account.livemode,
            "now": now,
            "resend_from": now - RESEND_FOR,
        }


def deliver(
    settings: Settings,
    account: StripeAccount,
    tenant_id: str,
    clock: Clock,
    *,
    patience: timedelta = timedelta(seconds=30),
    lease: timedelta | None = None,
) -> DeliveryResult:
    """Send what is planned and repeat what is unknown, for at most `patience` of real time; no call is cut short.

    What is still open then is in `left`, and a later delivery goes on with it. `lease` is how long a claimed intent is
    ours alone; default: the longest a call may take, and some seconds.
    """
    call = timedelta(seconds=CONNECT_TIMEOUT_SECONDS + account.timeout_seconds)
    url = database_url(settings)
    run = _Run(
        url, account, tenant_id, clock, lease or call + LEASE_MARGIN, time.monotonic() + patience.total_seconds()
    )
    with connect(url, autocommit=True) as connection:
        connection.execute(statement("set_aside.sql"), run.parameters())
        waiting = connection.execute(_OPEN, run.parameters()).fetchone()
        workers = min(settings.push_workers, waiting[0] if waiting else 0)
        if workers:
            _work_in_parallel(run, workers)
        settled = settle(connection, account, tenant_id, clock)
        left: dict[str, int] = dict(connection.execute(_LEFT, run.parameters()).fetchall())
    return DeliveryResult(dict(run.attempts), settled, left, tuple(run.refusals), run.stopped)


def _work_in_parallel(run: _Run, workers: int) -> None:
    with ThreadPoolExecutor(workers, thread_name_prefix="push") as pool:
        futures = [pool.submit(_work, run) for _ in range(workers)]
        try:
            for future in futures:
                future.result()
        finally:
            run.over.set()


def _work(run: _Run) -> None:
    try:
        with connect(run.url, autocommit=True) as connection:
            while _deliver_one(run, connection) or _wait_for_more(run, connection):
                pass
    finally:
        run.account.close()


def _deliver_one(run: _Run, connection: psycopg.Connection[Any]) -> bool:
    if run.over.is_set() or not run.account.pushes.wait_out_pause(run.deadline):
        return False
    claimed = claim(connection, run.account, run.tenant_id, run.clock.now(), run.lease)
    if claimed is None:
        return False
    run.account.pushes.wait()
    # Between claim and call this process may have stood still for hours; then the identifier is no protection any more.
    if run.clock.now() - claimed.first_attempt_at >= RESEND_FOR + run.lease:
        return True
    answer = send(run.account, claimed)
    state = record(connection, claimed, answer, run.clock.now())
    if answer.http_status == 429 and answer.pause_seconds is not None:
        run.account.pushes.pause(answer.pause_seconds)
    with run.lock:
        run.attempts[answer.kind] += 1
        if state in ("refused", "resolving", "disputed") and answer.kind != "unknown":
            run.refusals.append(f"{claimed.customer_ref} {claimed.metric} ({claimed.identifier}): {answer.error}")
        if answer.kind == "stopped":
            run.stopped = answer.error
            run.over.set()
    return True


def _wait_for_more(run: _Run, connection: psycopg.Connection[Any]) -> bool:
    """Wait a moment if something open becomes free before time is up; False when there is nothing to wait for."""
    row = connection.execute(_OPEN, run.parameters()).fetchone()
    if run.over.is_set() or row is None or row[0] == 0 or time.monotonic() + max(row[1], 0) >= run.deadline:
        return False
    run.over.wait(min(max(row[1], 0.01), _LOOK_AGAIN_SECONDS))
    return True
