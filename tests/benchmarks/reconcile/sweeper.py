"""A full sweep in a process of its own: `python -m tests.benchmarks.reconcile.sweeper CALLS_A_SECOND` (0: no limit).

Prints a line with how many pairs it read, in how many seconds, and how long pricing and judging them took.
"""

import json
import sys
import time
from dataclasses import replace

from tally.clock import SystemClock
from tally.database import connect, database_url
from tally.reconciliation.check import Scope, check
from tally.settings import load_settings
from tally.stripe.account import open_account
from tally.stripe.pace import Pace
from tests.benchmarks.reconcile.shop import TENANT


def main() -> None:
    """Sweep, or go on with the sweep that was killed."""
    per_second = float(sys.argv[1])
    settings = load_settings()
    account = replace(open_account(settings), reads=Pace(per_second or None))
    started = read = time.perf_counter()

    def note(_done: int, _all: int) -> None:
        nonlocal read
        read = time.perf_counter()

    with connect(database_url(settings), autocommit=True) as connection:
        done = check(connection, [account], TENANT, SystemClock(), Scope(everything=True), on_progress=note)
    ended = time.perf_counter()
    told = {"pairs": done.read, "unread": len(done.unread), "reading": read - started, "judging": ended - read}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
