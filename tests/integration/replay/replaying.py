"""A replay that a test can kill: `python replaying.py URL show|HASH`. Prints a line for each finished chunk."""

import sys
import time
from datetime import UTC, datetime

from tally.clock import FixedClock
from tally.replay import Replays, Request


def progress(done: int, chunks: int) -> None:
    print(done, chunks, flush=True)
    time.sleep(0.2)


def main() -> None:
    url, command = sys.argv[1:]
    replays = Replays(url, FixedClock(datetime(2013, 1, 20, tzinfo=UTC)), progress=progress, deliveries_a_chunk=1)
    if command == "show":
        replays.show(Request("newark"), "ann")
    else:
        replays.apply("newark", command, "ann")


if __name__ == "__main__":
    main()
