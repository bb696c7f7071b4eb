"""How fast intents are delivered, against what Stripe's limit of the account allows."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from statistics import median
from typing import Any

from rich.console import Console

from tally.clock import SystemClock
from tally.database import connect
from tally.push import plan
from tally.stripe.account import StripeAccount, open_account
from tests.benchmarks.bars import Bar, at_least, at_most
from tests.benchmarks.push.shop import BARE, EVENTS_A_COUNTER, SETTLE, TENANT, Shop

_NO_LIMITS = {"rate_limit_per_second": 0.0, "live_meter_events_per_second": 0.0}
_BARE_EVENTS = 4_000


@dataclass(frozen=True)
class Way:
    """An account whose limit is tried. `knobs` limit the local Stripe, `variables` us; 0 seconds: until all is sent."""

    name: str
    mode: str
    account: str
    per_second: float
    seconds: float
    pushers: int
    knobs: dict[str, float]
    variables: dict[str, str]

    @property
    def is_bound_by_the_machine(self) -> bool:
        """Whether all is sent, one call an intent, as fast as it goes."""
        return not self.seconds and "TALLY_PUSH_STREAM" not in self.variables

    @property
    def namespace(self) -> str:
        """What the local Stripe calls the account."""
        return self.mode if self.account == "self" else f"{self.mode}:{self.account}"


def ways(seconds: float, pushers: int) -> list[Way]:
    """Stripe's three limits, and the stream."""
    return [
        Way("test mode", "test", "self", 25, seconds, pushers, {"rate_limit_per_second": 25},
            {"TALLY_PUSH_TEST_PER_SECOND": "25"}),
        Way("a connected account", "live", "acct_connected", 100, seconds, pushers, {"rate_limit_per_second": 100},
            {"TALLY_PUSH_CONNECT_PER_SECOND": "100"}),
        Way("a live account", "live", "self", 1000, 0, pushers, {"live_meter_events_per_second": 1000},
            {"TALLY_PUSH_LIVE_PER_SECOND": "1000"}),
        Way("a live account, by the stream", "live", "acct_large", 1000, 0, pushers, {},
            {"TALLY_PUSH_CONNECT_PER_SECOND": "1000", "TALLY_PUSH_STREAM": "on"}),
    ]  # fmt: skip


def measure_delivery(each: Shop, way: Way, repeats: int, console: Console) -> list[Bar]:
    """Plan all, deliver from several processes; every intent must be counted once, whatever was sent twice.

    What the limit allows may be more than two cores carry of Stripe, SDK and Postgres at once. So where all is sent as
    fast as it goes, the same calls without a ledger are measured in turns with it, and bound what is asked for: each
    delivery is held against the calls right before it, because the machine's speed changes.
    """
    each.limit(**_NO_LIMITS)
    account = each.open(way.mode, way.account)
    rates, bare, calls, sent, unclear = [], [], 0, 0, 0
    if way.is_bound_by_the_machine:
        each.found(open_account(each.settings("test"), BARE))
    for _ in range(repeats):
        if way.is_bound_by_the_machine:
            bare.append(_bare_rate(each, way))
        each.move_counters()
        _plan(each, account)
        before = len(each.arrivals(way.namespace))
        each.limit(**way.knobs)
        done = [json.loads(output) for output in _side_by_side(*_pusher(each, way), way.pushers)]
        each.limit(**_NO_LIMITS)
        at = sorted(_received(each.arrivals(way.namespace)[before:]))
        rates.append(_rate(at))
        calls += sum(run["calls"] for run in done)
        unclear += sum(run["attempts"].get("unknown", 0) for run in done)
        sent += len(at)
        with connect(each.url) as connection:
            connection.execute(SETTLE)
    wrong = sum(event["applied_count"] != 1 for event in each.arrivals(way.namespace))
    account.close()
    allowed = [min(way.per_second, each_bare) for each_bare in bare] or [way.per_second] * repeats
    per_million = calls / sent / EVENTS_A_COUNTER * 1e6
    console.print(
        f"{way.name}: {_listed(rates)} intents/s of {way.per_second:,.0f}"
        + (f" (without a ledger: {_listed(bare)})" if bare else "")
        + f"; {sent:,} intents in {calls:,} calls, {unclear} of them answered unclearly:"
        f" {per_million:,.0f} calls per million events at {EVENTS_A_COUNTER} a counter and push"
    )
    of = "limit" if set(allowed) == {way.per_second} else "calls without a ledger"
    ratio = median(rate / most for rate, most in zip(rates, allowed, strict=True))
    return [
        at_least(f"delivery to {way.name}, against its {of}", ratio, "ratio", 0.8),
        at_most(f"intents counted other than once, {way.name}", wrong, "intents", 0),
    ]


def _bare_rate(each: Shop, way: Way) -> float:
    """The same calls through the same SDK from as many processes and threads, and nothing else."""
    before = len(each.arrivals(f"test:{BARE}"))
    command = [sys.executable, "-m", "tests.benchmarks.push.bare_sender", str(_BARE_EVENTS // way.pushers), "8"]
    _side_by_side(command, _environment(each, "test"), way.pushers)
    return _rate(sorted(_received(each.arrivals(f"test:{BARE}")[before:])))


def _listed(rates: list[float]) -> str:
    return ", ".join(f"{rate:,.0f}" for rate in rates)


def _plan(each: Shop, account: StripeAccount) -> None:
    with connect(each.url, autocommit=True) as connection:
        planned = plan(connection, account, TENANT, SystemClock())
    if planned.held or not planned.planned:
        raise RuntimeError(f"{len(planned.planned)} intents planned, {len(planned.held)} held: {planned.held[:1]}")


def _pusher(each: Shop, way: Way) -> tuple[list[str], dict[str, str]]:
    command = [sys.executable, "-m", "tests.benchmarks.push.pusher", way.account, str(way.seconds or 600)]
    return command, _environment(each, way.mode) | way.variables


def _environment(each: Shop, mode: str) -> dict[str, str]:
    settings = each.settings(mode)
    assert settings.stripe_api_key is not None
    return os.environ | {
        "DATABASE_URL": each.url,
        "TALLY_HOME": str(each.folder),
        "STRIPE_API_KEY": settings.stripe_api_key.get_secret_value(),
        "STRIPE_API_BASE": each.stripe_url,
    }


def _side_by_side(command: list[str], environment: dict[str, str], number: int) -> list[str]:
    processes = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(number)]
    outputs = [process.communicate()[0] for process in processes]
    if any(process.returncode for process in processes):
        raise RuntimeError(f"{' '.join(command)} failed")
    return outputs


def _rate(at: list[float]) -> float:
    return (len(at) - 1) / (at[-1] - at[0])


def _received(events: list[dict[str, Any]]) -> list[float]:
    return [arrival["received_at"] for event in events for arrival in event["arrivals"]]
