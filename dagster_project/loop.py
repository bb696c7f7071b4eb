"""The resident loop: `python -m dagster_project.loop`, part of `tally up`; `tally loop` runs it alone.

One process ticks the ledger while rows land, with dbt and its manifest kept, and tells Dagster about it once a minute.
"""

import logging
import os
import signal
import sys
import threading
import time

from tally import dagster_home
from tally.database import database_url
from tally.errors import TallyError
from tally.settings import load_settings

log = logging.getLogger("tally.loop")


def main() -> int:
    """Run until SIGTERM or Ctrl-C, which end the process once its tick has ended; exit code 1 when it cannot go on."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        settings = load_settings()
        _log_to_stderr(settings.log_level)
        os.environ.update(dagster_home.prepare(settings, database_url(settings)))
        load_settings.cache_clear()
        # It loads the dbt project, which needs the home folder that was just made ready.
        from dagster_project.resident_loop import run_loop

        run_loop(load_settings(), stop)
    except TallyError as error:
        log.error("%s", error)
        return 1
    log.info("stopped")
    return 0


def _log_to_stderr(level: str) -> None:
    logging.Formatter.converter = time.gmtime
    line = "%(asctime)sZ %(levelname)s %(message)s"
    logging.basicConfig(level="WARNING", stream=sys.stderr, format=line, datefmt="%Y-%m-%dT%H:%M:%S")
    log.setLevel(level)


if __name__ == "__main__":
    sys.exit(main())
