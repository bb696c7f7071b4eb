"""A sweep at a pace, killed in the middle and gone on with: how fast, in how many calls, and what was read twice."""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from typing import Any

from rich.console import Console

from tally.clock import SystemClock
from tally.database import connect
from tally.reconciliation import read_lines
from tally.reconciliation.check import Scope, conclude
from tally.stripe.reads import LEAST_READS, READS_PER_TRANSACTION
from tally.stripe.totals import KEYS_AT_ONCE
from tests.benchmarks.bars import Bar, at_least, at_most
from tests.benchmarks.reconcile.shop import TENANT, Shop

# Of Stripe's limits the one for a live account's reads, as `tally.stripe.account` takes it.
_STRIPES_PACE = 10


def measure_sweep(each: Shop, per_second: float, seconds: float, console: Console) -> list[Bar]:
    """Begin at `per_second` calls, SIGKILL after so many seconds, go on without a limit to the end."""
    each.requests()
    _killed(each, per_second, seconds)
    before = each.requests()
    rate = sum(before["methods"].values()) / before["seconds"]
    told = _to_the_end(each)
    after = each.requests()
    read = Counter(before["objects"]) + Counter(after["objects"])
    # Of a pair: the customer's summary, and the subscription's invoices.
    twice = sum(number > 1 for number in read.values()) / 2
    pairs, agree, again = each.customers, *_judged(each)
    gets, posts = (after["methods"][method] / told["pairs"] for method in ("GET", "POST"))
    unlimited = told["pairs"] / told["reading"]
    console.print(
        f"begun at {per_second:g} calls/s: {rate:.1f}; killed with {pairs - told['pairs']:,} of {pairs:,} pairs read;"
        f" gone on without a limit: {unlimited:.0f} pairs/s.\n"
        f"{gets:.2f} GETs and {posts:.2f} POSTs (previews) a pair: at Stripe's {_STRIPES_PACE} calls/s a sweep of"
        f" {pairs:,} pairs takes {pairs * (gets + posts) / _STRIPES_PACE / 60:.0f} minutes.\n"
        f"Allowance of 30 days: {gets * pairs:,.0f} GETs a sweep are {gets * pairs / LEAST_READS:.1f} times the least"
        f" of {LEAST_READS:,}; {READS_PER_TRANSACTION} a paid invoice are"
        f" {READS_PER_TRANSACTION / gets:.0f} sweeps of {pairs:,} customers who pay one each.\n"
        f"Priced and judged in {told['judging']:.1f} s without any statistics, again in {again:.1f} s."
    )
    return [
        at_least(f"calls a second, against a pace of {per_second:g}", rate / per_second, "ratio", 0.9),
        at_most(f"calls a second, against a pace of {per_second:g}", rate / per_second, "ratio", 1.02),
        at_most("GETs a pair", gets, "GETs", 2.1),
        at_most("a sweep without a limit", pairs / unlimited, "s", 300),
        at_most("pairs read again after SIGKILL, one batch was in flight", twice, "pairs", KEYS_AT_ONCE),
        at_most("pairs that were not read", 2 * pairs - len(read) + told["unread"], "pairs", 0),
        at_most("first pricing and judging, tables never analyzed", told["judging"], "s", 15),
        at_least("lines that agree", agree, "lines", pairs),
    ]


def _killed(each: Shop, per_second: float, seconds: float) -> None:
    process = subprocess.Popen(_command(per_second), env=os.environ | each.environment())
    time.sleep(seconds)
    if process.poll() is not None:
        raise RuntimeError(f"the sweep ended before it could be killed: exit status {process.returncode}")
    process.kill()
    process.wait()


def _to_the_end(each: Shop) -> dict[str, Any]:
    environment = os.environ | each.environment()
    done = subprocess.run(_command(0), env=environment, stdout=subprocess.PIPE, text=True, check=True)
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def _command(per_second: float) -> list[str]:
    return [sys.executable, "-m", "tests.benchmarks.reconcile.sweeper", str(per_second)]


def _judged(each: Shop) -> tuple[int, float]:
    """How many lines agree, and how long it takes to price and judge them once more."""
    with connect(each.url, autocommit=True) as connection:
        started = time.perf_counter()
        conclude(connection, TENANT, SystemClock(), Scope())
        seconds = time.perf_counter() - started
        return sum(line.verdict == "ok" for line in read_lines(connection, TENANT)), seconds
