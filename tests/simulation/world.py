"""The stage's scenery: one Postgres database, one local Stripe, two customers, and the way back to the beginning."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from unittest.mock import patch

import httpx
import psycopg
import stripe

from stripe_sandbox.clock import Clock
from stripe_sandbox.server import SandboxServer
from tally.clock import FixedClock
from tally.settings import Settings
from tally.stripe.account import StripeAccount, open_account
from tally.stripe.sync import sync_subscriptions
from tests.simulation.stage import Stage

TENANT = "acme"
START = datetime(2024, 3, 1, 8, 30, 15, tzinfo=UTC)
PERIODS = (
    (START, datetime(2024, 4, 1, 8, 30, 15, tzinfo=UTC)),
    (datetime(2024, 4, 1, 8, 30, 15, tzinfo=UTC), datetime(2024, 5, 1, 8, 30, 15, tzinfo=UTC)),
)
TEST_KEY, LIVE_KEY = (f"sk_{mode}_" + "tally0000000000000000000" for mode in ("test", "live"))
CUSTOMERS = ("globex", "initech")
METRICS = {"api_calls": "sum", "peak_load": "max", "seats": "last"}
# What Stripe's meter makes of the metric's events: a `last` is sent whole values.
FORMULAS: dict[str, Literal["sum", "last"]] = {"api_calls": "sum", "peak_load": "sum", "seats": "last"}

_USED = (
    "tally.push_attempts", "tally.push_intents", "tally.push_accounts", "tally.stripe_totals",
    "ledger.int_usage_counters",
)  # fmt: skip
_MIRROR = ("tally.stripe_subscription_items", "tally.customer_periods", "tally.stripe_unmapped")
_RESETS_PER_VACUUM = 50
# The database's time and the random part of an intent are the seed's too; `clock_timestamp()` is found here first.
_PREPARE = """
create schema simulation;
create sequence simulation.clock;
create function simulation.clock_timestamp() returns timestamptz language sql volatile as
    $$ select timestamptz 'epoch' + last_value * interval '1 microsecond' from simulation.clock $$;
create function simulation.name_intent() returns trigger language plpgsql as $$
begin
    new.intent_id := md5(concat_ws('/', new.customer_ref, new.metric, new.period_start, new.seq))::uuid;
    return new;
end;
$$;
create trigger name_intent before insert on tally.push_intents
    for each row execute function simulation.name_intent();
"""


@dataclass
class World:
    """What the runs share. `reset` brings it back to its first moment.

    `streams`: it is a live account, whose meter events go by the v2 stream.
    """

    url: str
    folder: Path
    admin: psycopg.Connection[Any]
    server: SandboxServer
    control: httpx.Client
    moment: list[float]
    customers: dict[str, str]
    streams: bool = False
    resets: int = 0

    @property
    def key(self) -> str:
        return LIVE_KEY if self.streams else TEST_KEY

    def events(self) -> list[dict[str, Any]]:
        """What Stripe says of every meter event that reached it: its own record, which no product code can read."""
        mode = {"namespace": "live" if self.streams else "test"}
        answer = self.control.get("/_sandbox/oracle/meter_events", params=mode).raise_for_status()
        found: list[dict[str, Any]] = answer.json()["data"]
        return found

    def reset(self) -> None:
        """Nothing counted, planned, sent or billed."""
        self.resets += 1
        if self.resets % _RESETS_PER_VACUUM == 0:
            self.admin.execute(f"vacuum {', '.join((*_USED, *_MIRROR))}")
        self.moment[0] = START.timestamp()
        self.control.post("/_sandbox/restore").raise_for_status()
        restored = "".join(f"insert into {table} select * from {_saved(table)};" for table in reversed(_MIRROR))
        self.admin.execute("".join(f"delete from {table};" for table in (*_USED, *_MIRROR)) + restored)

    def tell_time(self, microseconds: int) -> None:
        """Set the time of Postgres and of Stripe, which does at once what is due by then: it bills by the second."""
        before, self.moment[0] = self.moment[0], microseconds / 1_000_000
        self.admin.execute("select setval('simulation.clock', %s)", (microseconds,))
        if int(before) != int(self.moment[0]):
            self.control.post("/_sandbox/catch_up").raise_for_status()

    def stranger_sends(self, at: datetime) -> None:
        """Somebody else writes to a meter of ours. No sum of our own looks like this."""
        self.server.sandbox.settings.apply_lag_seconds = 0.0
        account = _account(self.server.url, self.folder, self.key)
        account.client.v1.billing.meter_events.create({
            "event_name": "api_calls", "timestamp": int(at.timestamp()) - 60,
            "payload": {"stripe_customer_id": self.customers["globex"], "value": "0.777"},
        })  # fmt: skip
        account.close()

    def settings(self, actor: str) -> Settings:
        """One worker: parallel pushers are actors of their own, whose steps the seed can order."""
        given = {
            "DATABASE_URL": f"{self.url}?application_name={actor}",
            "TALLY_HOME": self.folder,
            "TALLY_PUSH_WORKERS": 1,
            "TALLY_PUSH_STREAM": "on" if self.streams else "off",
        }
        return Settings.model_validate(given)

    def is_blocked(self, backend: int) -> bool:
        """Whether a backend waits for a lock."""
        try:
            row = self.admin.execute("select cardinality(pg_blocking_pids(%s)) > 0", (backend,)).fetchone()
        except psycopg.OperationalError:
            return False  # Postgres itself is away
        return bool(row and row[0])

    def disconnect_all(self) -> None:
        """End every backend of this database but the world's own."""
        self.admin.execute(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )

    def terminate(self, backend: int) -> None:
        """End a backend, and wait until it is gone."""
        self.admin.execute("select pg_terminate_backend(%s, 5000)", (backend,))


@contextmanager
def open_world(url: str, folder: Path, *, streams: bool = False) -> Iterator[World]:
    """A world on a database in which every dbt model was built; the database is the world's alone."""
    moment = [START.timestamp()]
    with ExitStack() as stack:
        admin = stack.enter_context(psycopg.connect(url, autocommit=True, options="-c timezone=UTC"))
        server = stack.enter_context(
            SandboxServer(clock=Clock(lambda: moment[0]), settings={"apply_lag_seconds": 0.0, "no_answer_seconds": 5.0})
        )
        control = stack.enter_context(httpx.Client(base_url=server.url))
        _declare_tenant(admin)
        customers = _set_up_stripe(admin, _account(server.url, folder, LIVE_KEY if streams else TEST_KEY))
        control.post("/_sandbox/savepoint").raise_for_status()
        admin.execute(_PREPARE + "".join(f"create table {_saved(t)} as select * from {t};" for t in _MIRROR))
        # By itself Postgres would vacuum whenever it gets round to it, and lock a table for a moment.
        admin.execute("".join(f"alter table {t} set (autovacuum_enabled = false);" for t in (*_USED, *_MIRROR)))
        admin.execute(f'alter database "{admin.info.dbname}" set search_path = simulation, pg_catalog, public')
        admin.execute(f'alter database "{admin.info.dbname}" set plan_cache_mode = force_generic_plan')
        yield World(url, folder, admin, server, control, moment, customers, streams)


@contextmanager
def simulated_time(stage: Stage, connect: Callable[..., Any]) -> Iterator[None]:
    """The product's waiting and its connections belong to the stage; nothing of its logic is touched."""

    class Waiting:
        monotonic = staticmethod(lambda: stage.time.timestamp())
        time = monotonic
        sleep = staticmethod(stage.sleep)

    with (
        patch("tally.push.run.time", Waiting),
        patch("tally.push.stream.time", Waiting),
        patch("tally.push.worker.time", Waiting),
        patch("tally.stripe.pace.time", Waiting),
        patch("tally.push.delivery.connect", connect),
        patch("tally.push.worker.connect", connect),
        patch.object(stripe.HTTPClient, "INITIAL_DELAY", 0),
        patch.object(stripe.HTTPClient, "MAX_DELAY", 0),
    ):
        yield


def _account(url: str, folder: Path, key: str) -> StripeAccount:
    given = {"STRIPE_API_KEY": key, "STRIPE_API_BASE": url, "TALLY_HOME": folder}
    return open_account(Settings.model_validate(given))


def _saved(table: str) -> str:
    return f"simulation.saved_{table.partition('.')[2]}"


def _declare_tenant(admin: psycopg.Connection[Any]) -> None:
    admin.execute("insert into tally.tenants (tenant_id, name) values (%s, 'Acme')", (TENANT,))
    for metric, aggregation in METRICS.items():
        admin.execute(
            "insert into tally.meters (tenant_id, metric, aggregation) values (%s, %s, %s)",
            (TENANT, metric, aggregation),
        )
        admin.execute(
            "insert into tally.price_mappings (tenant_id, metric, event_name) values (%s, %s, %s)",
            (TENANT, metric, metric),
        )


def _set_up_stripe(admin: psycopg.Connection[Any], account: StripeAccount) -> dict[str, str]:
    v1 = account.client.v1
    prices = []
    for metric in METRICS:
        meter = v1.billing.meters.create(
            {"display_name": metric, "event_name": metric, "default_aggregation": {"formula": FORMULAS[metric]}}
        )
        price = v1.prices.create({
            "currency": "usd", "unit_amount": 10, "product_data": {"name": metric},
            "recurring": {"interval": "month", "usage_type": "metered", "meter": meter.id},
        })  # fmt: skip
        prices.append(price.id)
    customers = {}
    for ref in CUSTOMERS:
        customers[ref] = v1.customers.create({"metadata": {"customer_ref": ref}}).id
        v1.subscriptions.create({"customer": customers[ref], "items": [{"price": price} for price in prices]})
    sync_subscriptions(admin, account, TENANT, FixedClock(START))
    account.close()
    return customers
