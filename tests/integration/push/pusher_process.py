"""A pusher in a process of its own, for tests that kill it: `python pusher_process.py TENANT NOW LEASE_SECONDS`."""

import sys
from datetime import datetime, timedelta

from tally.clock import FixedClock
from tally.push import deliver
from tally.settings import load_settings
from tally.stripe.account import open_account


def main() -> None:
    tenant_id, now, lease = sys.argv[1:]
    settings = load_settings()
    clock = FixedClock(datetime.fromisoformat(now))
    deliver(settings, open_account(settings), tenant_id, clock, lease=timedelta(seconds=float(lease)))


if __name__ == "__main__":
    main()
