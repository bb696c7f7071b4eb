"""Meter events without a ledger: `python -m tests.benchmarks.push.bare_sender NUMBER THREADS`; prints the seconds.

The same calls through the same SDK from as many threads: what this machine and its local Stripe can carry at most.
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor

from tally.settings import load_settings
from tally.stripe.account import StripeAccount, open_account
from tests.benchmarks.push.shop import METRICS


def main() -> None:
    """Send so many events."""
    number, threads = int(sys.argv[1]), int(sys.argv[2])
    account = open_account(load_settings(), "acct_bare")
    started = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda each: _send(account, each), range(number)))
    print(time.perf_counter() - started)


def _send(account: StripeAccount, number: int) -> None:
    account.client.v1.billing.meter_events.create(
        {
            "event_name": METRICS[number % len(METRICS)],
            "identifier": f"bare-{time.time_ns()}-{number}",
            "payload": {"stripe_customer_id": "cus_nobody", "value": "1"},
        },
        account.options(f"bare-{time.time_ns()}-{number}"),
    )


if __name__ == "__main__":
    main()
