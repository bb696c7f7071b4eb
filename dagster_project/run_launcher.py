"""Dagster's default launcher, able to tell whether a run is still at work: a run that died with its machine is found.

The code server that a run was launched from watches its worker, and reports one that was killed. What kills the code
server with it (`kill -9` of the whole group, a power cut) leaves a run that is under way for ever, and with it whatever
waits for its end. Named in deploy/dagster/dagster.yaml; asked by the daemon's run monitoring.
"""

import json
import socket

from dagster import DagsterRun, DefaultRunLauncher
from dagster._core.launcher.base import CheckRunHealthResult, LaunchRunContext, WorkerStatus
from dagster._core.storage.tags import GRPC_INFO_TAG

# Only the processes of this machine or container can be looked at; of a run launched by another nothing is known here.
# The prefix keeps it off the list of runs, as Dagster does with its own bookkeeping.
HOST_TAG = ".dagster/tally_launched_on"
ANSWER_SECONDS = 5


class WatchedRunLauncher(DefaultRunLauncher):
    """Launches runs as the default launcher does, and says which of them have lost their worker."""

    def launch_run(self, context: LaunchRunContext) -> None:
        self._instance.add_run_tags(context.dagster_run.run_id, {HOST_TAG: socket.gethostname()})
        super().launch_run(context)

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """RUNNING, unless it is certain that nobody works on the run any more."""
        server = json.loads(run.tags.get(GRPC_INFO_TAG, "{}"))
        if "socket" in server and run.tags.get(HOST_TAG) == socket.gethostname() and not _listens(server["socket"]):
            why = "the code server that it was launched from is gone, and the run with it"
            return CheckRunHealthResult(WorkerStatus.NOT_FOUND, why)
        return CheckRunHealthResult(WorkerStatus.RUNNING)


def _listens(path: str) -> bool:
    """Whether a process listens there; one that is too busy to answer does. No two code servers share a path."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(ANSWER_SECONDS)
        try:
            probe.connect(path)
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        except OSError:
            return True
    return True
