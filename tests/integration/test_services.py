"""The stack's processes: ready when they answer, named with their log when they fail, gone when the block ends."""

import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tally.services import Service, ServiceFailed, Stack

SERVER = """
import http.server, sys
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), http.server.SimpleHTTPRequestHandler).serve_forever()
"""
# What a shell puts into the background ignores signals that it was started to ignore, for 15 seconds of patience.
WILLING = "import signal; signal.signal(signal.SIGTERM, signal.SIG_DFL)"


def test_services_answer_inside_the_block_and_are_gone_after_it(tmp_path: Path, free_port: int) -> None:
    url = f"http://127.0.0.1:{free_port}/"
    with Stack(tmp_path, {}) as stack:
        stack.start(Service("files", [sys.executable, "-c", WILLING + SERVER, str(free_port)], url))
        assert httpx.get(url).is_success
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)


def test_a_service_that_ends_is_named_with_the_end_of_its_log(tmp_path: Path, free_port: int) -> None:
    failing = Service(
        "door", [sys.executable, "-c", "import sys; sys.exit('no such port')"], f"http://127.0.0.1:{free_port}/"
    )
    with (
        Stack(tmp_path, {}) as stack,
        pytest.raises(ServiceFailed, match=r"door ended with exit code 1(.|\n)*no such port"),
    ):
        stack.start(failing)


def test_watching_notices_a_process_that_goes_away(tmp_path: Path) -> None:
    with Stack(tmp_path, {}) as stack:
        stack.start(Service("short", [sys.executable, "-c", "import time; time.sleep(0.2)"]))
        with pytest.raises(ServiceFailed, match="short ended with exit code 0"):
            stack.watch()


def test_a_service_that_ignores_terminate_is_killed(
    tmp_path: Path, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tally.services.STOP_SECONDS", 0.5)
    stubborn = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)" + SERVER
    url = f"http://127.0.0.1:{free_port}/"
    with Stack(tmp_path, {}) as stack:
        stack.start(Service("stubborn", [sys.executable, "-c", stubborn, str(free_port)], url))
        process = stack._running["stubborn"]
    assert process.returncode == -9


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can tie a process to its parent")
def test_services_do_not_outlive_a_killed_parent(tmp_path: Path, free_port: int) -> None:
    url = f"http://127.0.0.1:{free_port}/"
    parent = f"""
from pathlib import Path
from tally.services import Service, Stack
import signal, sys, time
# Dagster treats SIGTERM as SIGINT, which all that a shell puts into the background ignores; and so would its children.
signal.signal(signal.SIGTERM, signal.SIG_DFL)
with Stack(Path({str(tmp_path)!r}), {{}}) as stack:
    stack.start(Service("files", [sys.executable, "-c", {SERVER!r}, {str(free_port)!r}], {url!r}))
    print(stack._running["files"].pid, flush=True)
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        service = int(process.stdout.readline())
        process.kill()
    for _ in range(200):
        if not runs(service):
            return
        time.sleep(0.05)
    signals = [
        line for line in Path(f"/proc/{service}/status").read_text().splitlines() if line.startswith(("Sig", "PP"))
    ]
    pytest.fail(f"the service outlived its killed parent: {signals}")


def runs(pid: int) -> bool:
    """Whether the process is there, and more than an entry that nobody has reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
