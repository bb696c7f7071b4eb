"""A pusher in a process of its own: `python -m tests.benchmarks.push.pusher ACCOUNT SECONDS`; prints what it did."""

import json
import sys
from datetime import timedelta

from tally.clock import SystemClock
from tally.push import deliver
from tally.settings import load_settings
from tally.stripe.account import open_account
from tests.benchmarks.push.shop import TENANT


def main() -> None:
    """Deliver what is planned for an account, for so many seconds at most."""
    name, seconds = sys.argv[1:]
    settings = load_settings()
    account = open_account(settings, name)
    result = deliver(settings, account, TENANT, SystemClock(), patience=timedelta(seconds=float(seconds)))
    print(json.dumps({"attempts": dict(result.attempts), "calls": result.calls, "left": dict(result.left)}))


if __name__ == "__main__":
    main()
