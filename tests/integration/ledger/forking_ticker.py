"""Ticks in children that a test can kill: `python forking_ticker.py FOLDER`, then lines: a URL, "reap", a URL, …

dbt is imported and its project parsed once, here. For a URL a child is forked and its process id printed; "reap" waits
for its end and prints its exit code. Until then a dead child keeps its process id, so the test never kills a stranger.
"""

import os
import sys
from functools import cache
from pathlib import Path

from tally.ledger import Ledger
from tally.ledger.ledger import views_are_current_in

FOLDER = Path(sys.argv[1])


@cache
def ledger(url: str) -> Ledger:
    """The ledger of `url`, after a first tick, which parses the project. The test's template has its views."""
    views_are_current_in.add(url)
    ledger = Ledger(url, FOLDER)
    ledger.tick()
    return ledger


def main() -> None:
    for line in sys.stdin:
        known = ledger(line.strip())
        child = os.fork()
        if child == 0:
            known.tick()
            os._exit(0)
        print(child, flush=True)
        assert sys.stdin.readline() == "reap\n"
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
