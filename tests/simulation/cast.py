"""Everybody who acts in a run: product code under an actor's name, with connections and a way to Stripe of its own."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count
from random import Random
from typing import Any

import psycopg

from tally.ledger.ledger import ADVISORY_LOCK
from tally.push import DeliveryResult, deliver, plan, release_refused, resume
from tally.stripe.account import StripeAccount
from tally.stripe.sync import sync_subscriptions
from tally.stripe.totals import read_totals
from tests.counter_rows import put_counter
from tests.simulation.network import open_way
from tests.simulation.postgres_side import PostgresSide
from tests.simulation.stage import Actor, Stage
from tests.simulation.world import CUSTOMERS, METRICS, PERIODS, TENANT, World

Period = tuple[datetime, datetime]


@dataclass
class Cast:
    """Starts actors. Each method returns at once; the stage then runs them side by side."""

    world: World
    stage: Stage
    postgres: PostgresSide
    randomness: Random
    lag: tuple[float, float] = (0.0, 0.0)
    per_second: float | None = None

    def __post_init__(self) -> None:
        self._numbers = count(1)

    def planner(self) -> Actor:
        """Plans once; its result is a PlanResult."""
        return self._with_connection("planner", lambda c, account: plan(c, account, TENANT, self.stage.time))

    def pusher(self, patience: float = 0.4) -> Actor:
        """Delivers what is planned and settles; its result is a DeliveryResult."""
        name = f"pusher-{next(self._numbers)}"
        settings, account = self.world.settings(name), self._way(name)

        def play() -> DeliveryResult:
            try:
                return deliver(settings, account, TENANT, self.stage.time, patience=timedelta(seconds=patience))
            finally:
                account.close()

        return self.stage.start(name, play)

    def syncer(self) -> Actor:
        """Mirrors the subscriptions, as a webhook would make it."""
        return self._with_connection("sync", lambda c, account: sync_subscriptions(c, account, TENANT, self.stage.time))

    def reader(self) -> Actor:
        """Reads Stripe's totals and the invoices' states."""
        return self._with_connection(
            "reader", lambda c, account: read_totals(c, account, TENANT, self.stage.time, workers=1)
        )

    def releaser(self) -> Actor:
        """The person who mended what was refused."""
        return self._with_connection("person", lambda c, account: release_refused(c, account, TENANT))

    def resumer(self) -> Actor:
        """The person who has mended the key, and says so."""
        return self._with_connection("person", lambda c, account: resume(c, account))

    def counting(self, customer_ref: str, metric: str, period: Period, value: Decimal) -> Actor:
        """The ledger gives a counter another value."""
        at = min(self.stage.time.now() - timedelta(seconds=5), period[1] - timedelta(seconds=1))
        return self._with_connection(
            "ledger", lambda c, _: put_counter(c, TENANT, customer_ref, metric, value, period, max(at, period[0]))
        )

    def recount(self, customer_ref: str, period: Period, values: dict[str, Decimal]) -> Actor:
        """Count a customer's period anew: all of it goes and comes back in one transaction, as a replay does."""

        def work(connection: psycopg.Connection[Any], _: StripeAccount) -> None:
            with connection.transaction():
                # As the ledger does: two that count at once would be a deadlock, which Postgres ends in real time.
                connection.execute("select pg_advisory_xact_lock(%s)", (ADVISORY_LOCK,))
                connection.execute(
                    "delete from ledger.int_usage_counters where customer_ref = %s and period_start = %s",
                    (customer_ref, period[0]),
                )
                for metric, value in values.items():
                    put_counter(connection, TENANT, customer_ref, metric, value, period)

        return self._with_connection("ledger", work)

    def _with_connection(self, role: str, work: Callable[[psycopg.Connection[Any], StripeAccount], Any]) -> Actor:
        name = f"{role}-{next(self._numbers)}"
        url = f"{self.world.url}?application_name={name}"
        account = self._way(name)

        def play() -> Any:
            try:
                with self.postgres.connect(url, autocommit=True) as connection:
                    return work(connection, account)
            finally:
                account.close()

        return self.stage.start(name, play)

    def _way(self, name: str) -> StripeAccount:
        return open_way(self.stage, name, self.world, self.randomness, self.lag, self.per_second)


def periods_at(now: datetime) -> list[Period]:
    """The periods that have begun, and usage of which may still be counted."""
    return [period for period in PERIODS if period[0] + timedelta(minutes=3) < now]


def draw_counting(cast: Cast, randomness: Random) -> None:
    """A counter moves up or down; a customer may be counted anew."""
    period = randomness.choice(periods_at(cast.stage.time.now()))
    customer_ref = randomness.choice(CUSTOMERS)
    # Few different values: so that sums coincide, and one event's absence looks like another one's presence.
    values = {metric: Decimal(randomness.randint(-1, 3)) / randomness.choice([1, 1, 1, 2]) for metric in METRICS}
    if randomness.random() < 0.2:
        cast.recount(customer_ref, period, values)
    else:
        metric = randomness.choice(list(METRICS))
        cast.counting(customer_ref, metric, period, values[metric])
