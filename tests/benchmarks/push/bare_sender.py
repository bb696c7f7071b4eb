"""Meter events without a ledger: `python -m tests.benchmarks.push.bare_sender NUMBER THREADS`.

The same calls through the same SDK from as many threads: what this machine and its local Stripe can carry at most.
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor

from tally.settings import load_settings
from tally.stripe.account import StripeAccount, open_account
from tests.benchmarks.push.shop import BARE, METRICS


def main() -> None:
    """Send so many events, each for another counter of the account."""
    number, threads = int(sys.argv[1]), int(sys.argv[2])
    account = open_account(load_settings(), BARE)
    listed = account.client.v1.customers.list({"limit": 100}, account.options())
    customers = [customer.id for customer in listed.auto_paging_iter()]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda each: _send(account, customers, each), range(number)))


def _send(account: StripeAccount, customers: list[str], number: int) -> None:
    account.client.v1.billing.meter_events.create(
        {
            "event_name": METRICS[number // len(customers) % len(METRICS)],
            "identifier": f"bare-{time.time_ns()}-{number}",
            "timestamp": int(time.time()),
            "payload": {"stripe_customer_id": customers[number % len(customers)], "value": "0.75"},
        },
        account.options(f"bare-{time.time_ns()}-{number}"),
    )


if __name__ == "__main__":
    main()
