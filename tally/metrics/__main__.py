"""`python -m tally.metrics`: the exporter, part of `tally up`; `tally metrics` runs it alone."""

import signal
import sys
import threading

from tally.errors import TallyError
from tally.metrics.server import log, log_to_stderr, serve
from tally.settings import load_settings


def main() -> int:
    """Serve until SIGTERM or Ctrl-C; exit code 1 when it cannot."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        settings = load_settings()
        log_to_stderr(settings.log_level)
        serve(settings, stop)
    except TallyError as error:
        log.error("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
