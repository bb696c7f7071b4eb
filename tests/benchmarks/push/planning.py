"""How long it takes to plan when every counter has moved."""

import time
from statistics import median

from rich.console import Console

from tally.clock import SystemClock
from tally.database import connect
from tally.push import plan
from tests.benchmarks.bars import Bar, at_most
from tests.benchmarks.push.shop import CUSTOMERS, METRICS, SETTLE, TENANT, Shop


def measure_planning(each: Shop, repeats: int, console: Console) -> list[Bar]:
    """Plan, settle, let every counter move, plan again: the ledger grows by ten thousand intents each time."""
    account = each.open("test", "acct_planning")
    seconds = []
    for _ in range(repeats):
        each.move_counters()
        with connect(each.url, autocommit=True) as connection:
            started = time.perf_counter()
            planned = plan(connection, account, TENANT, SystemClock())
            seconds.append(time.perf_counter() - started)
            if len(planned.planned) != CUSTOMERS * len(METRICS):
                raise RuntimeError(f"{len(planned.planned)} intents planned, {len(planned.held)} counters held back")
            connection.execute(SETTLE)
    console.print(
        f"planning {CUSTOMERS * len(METRICS):,} changed counters: {', '.join(f'{each:.2f}' for each in seconds)} s,"
        f" with 0 to {repeats - 1} earlier intents a counter"
    )
    return [at_most("planning 10,000 changed counters", median(seconds), "s", 2)]
