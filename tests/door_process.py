"""The door as a process of its own, on a free port."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

# A door that was started before an upgrade: everything but the look at the schema with which this version starts.
STARTED_EARLIER = (
    "-c",
    "from ingest.logs import configure_logs;"
    "from ingest.server import DoorServer, configuration;"
    "from tally.database import database_url;"
    "from tally.settings import load_settings;"
    "settings = load_settings();"
    "configure_logs(settings.log_level);"
    "DoorServer(configuration(settings, database_url(settings))).run()",
)


@contextmanager
def running_door_process(url: str, arguments: Sequence[str] = ("-m", "ingest"), **environment: str) -> Iterator[str]:
    """A door in front of the database at `url`; gives its address."""
    given = {**os.environ, "DATABASE_URL": url, "TALLY_DOOR_PORT": "0", "TALLY_LOG_LEVEL": "WARNING", **environment}
    command = [sys.executable, *arguments]
    with subprocess.Popen(command, env=given, stdout=subprocess.PIPE, text=True) as door:
        try:
            assert door.stdout is not None
            said = door.stdout.readline()
            assert said.startswith("ingest door listening on "), f"the door did not start: {said}"
            yield said.split()[-1]
        finally:
            door.kill()
