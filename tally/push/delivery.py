"""Delivery: planned intents go to Stripe, each until its outcome is certain or time is up for it.

Safe to kill at any instruction and to run in any number of processes: what a dead pusher left `sending` is sent again
under the same identifier once its lease has run out.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

from tally.clock import Clock
from tally.database import connect, database_url
from tally.push.calling import calling
from tally.push.intents import LEASE_MARGIN
from tally.push.run import Run
from tally.push.settlement import settle
from tally.push.statements import statement
from tally.push.stream import MOST_EVENTS
from tally.push.turns import know
from tally.push.worker import work
from tally.settings import Settings
from tally.stripe.account import CONNECT_TIMEOUT_SECONDS, StripeAccount

_OPEN = """
select count(*) from tally.push_intents
where tenant_id = %(tenant_id)s and account = %(account)s and livemode = %(livemode)s
  and state in ('planned', 'sending', 'unknown')
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

    `attempts` counts calls by outcome: accepted, duplicate, refused, unknown, unrepeatable, stopped, mismatch; `calls`
    are the requests that carried them. `settled` counts intents that Stripe's summary decided: confirmed, missing,
    disputed. `left` counts what is still open, by state. `refusals` are sentences for a person, each naming its
    customer and metric. `stopped` says why nothing is sent to the account any more (401 or 403, a restore), `held_up`
    why nothing was for the rest of this delivery (circuit open, a pause that Stripe asked for); None when not.
    """

    attempts: Mapping[str, int]
    settled: Mapping[str, int]
    left: Mapping[str, int]
    refusals: tuple[str, ...] = ()
    stopped: str | None = None
    held_up: str | None = None
    calls: int = 0

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
    run = Run(url, account, tenant_id, clock, lease or call + LEASE_MARGIN, patience)
    run.streams = settings.push_stream == "on" and account.livemode
    with connect(url, autocommit=True) as connection:
        know(connection, account)
        connection.execute(statement("set_aside.sql"), run.parameters())
        connection.execute(statement("reopen.sql"), run.parameters())
        waiting = connection.execute(_OPEN, run.parameters()).fetchone()
        run.open_at_first = waiting[0] if waiting else 0
        most = MOST_EVENTS if run.streams else 1  # intents that one call carries
        run.workers = min(settings.push_workers, -(-run.open_at_first // most))
        if run.workers:
            with calling(settings, connection, run.parameters()) as run.calling:
                _work_in_parallel(run)
        # Where nobody answers, or the key is refused, reading totals would only take time.
        settled = {} if run.stopped or run.held_up else settle(connection, account, tenant_id, clock)
        left: dict[str, int] = dict(connection.execute(_LEFT, run.parameters()).fetchall())
    return DeliveryResult(dict(run.attempts), settled, left, tuple(run.refusals), run.stopped, run.held_up, run.calls)


def _work_in_parallel(run: Run) -> None:
    with ThreadPoolExecutor(run.workers, thread_name_prefix="push") as pool:
        futures = [pool.submit(work, run) for _ in range(run.workers)]
        try:
            for future in futures:
                future.result()
        finally:
            run.over.set()
