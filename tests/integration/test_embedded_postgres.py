"""The embedded server comes back after it was killed, also where its launcher is the parent of the dead."""

import subprocess
import sys
from pathlib import Path

import pytest

KILL_AND_START = """
import ctypes, os, signal, sys, time
from pathlib import Path
from tally.database import connect
from tally.embedded_postgres import EmbeddedPostgres

assert ctypes.CDLL(None, use_errno=True).prctl(36, 1, 0, 0, 0) == 0  # as process 1, it gets the orphans
server = EmbeddedPostgres(Path(sys.argv[1]), {"shared_buffers": "64MB"})
server.ensure_running()
dead = int((server.data / "postmaster.pid").read_text().split()[0])
children = Path(f"/proc/{dead}/task/{dead}/children").read_text().split()
for process in (dead, *map(int, children)):
    os.kill(process, signal.SIGKILL)
while Path(f"/proc/{dead}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
    time.sleep(0.01)
with connect(server.ensure_running()) as connection:
    print(connection.execute("select 'back'").fetchone()[0])
server.stop()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process take over orphans")
def test_a_killed_server_that_nobody_waited_for_is_started_again(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILL_AND_START, str(tmp_path / "postgres")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert (done.stdout, done.returncode) == ("back\n", 0), done.stderr
