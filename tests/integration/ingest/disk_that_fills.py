"""`python disk_that_fills.py FOLDER BYTES`: a Postgres on a file system of its own that can be made full.

Runs in its own mount namespace (`unshare --user --map-root-user --mount`), so nothing is mounted for anybody else.
Says the database's URL. On a line `free` it takes the ballast away and starts the server if it fell. Ends with its
stdin.
"""

import subprocess
import sys
from pathlib import Path

from tally.database import connect
from tally.embedded_postgres import EmbeddedPostgres
from tally.migrations import migrate

OPTIONS = {"shared_buffers": "32MB", "max_wal_size": "64MB", "min_wal_size": "32MB"}
LEFT_BYTES = 24_000_000


def main(folder: Path, size: int) -> None:
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)
    server = EmbeddedPostgres(folder / "postgres", OPTIONS)
    with connect(server.ensure_running()) as connection:
        migrate(connection)
    ballast = folder / "ballast"
    fill(ballast)
    print(server.url(), flush=True)
    try:
        for command in sys.stdin:
            if command.strip() == "free":
                ballast.unlink()
                server.ensure_running()
                print("freed", flush=True)
    finally:
        server.stop()


def fill(ballast: Path) -> None:
    """Leave LEFT_BYTES on the file system."""
    usage = subprocess.run(["df", "--output=avail", "-B1", ballast.parent], capture_output=True, text=True, check=True)
    with ballast.open("wb") as file:
        for _ in range(max(0, int(usage.stdout.split()[-1]) - LEFT_BYTES) // 1_000_000):
            file.write(bytes(1_000_000))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
