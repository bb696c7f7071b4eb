"""Running the door: uvicorn on one port, drained when it is told to stop."""

import signal
import socket

import uvicorn

from ingest.application import Door
from ingest.logs import configure_logs
from tally.database import connect, database_url
from tally.migrations import require_current
from tally.settings import Settings

DRAIN_SECONDS = 30
IDLE_CONNECTION_SECONDS = 75
BACKLOG = 2048


class AnnouncedServer(uvicorn.Server):
    """Says on stdout where it listens, once it does: whoever starts the door with port 0 reads it there."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            print(f"ingest door listening on http://{f'[{host}]' if ':' in host else host}:{port}", flush=True)


def serve(settings: Settings) -> None:
    """Run the door until SIGTERM or SIGINT; everything accepted is committed and answered before this returns.

    Raises:
        TallyError: the database does not answer, or its schema is not this version's.
    """
    configure_logs(settings.log_level)
    url = database_url(settings)
    with connect(url) as connection:
        require_current(connection)
    server = AnnouncedServer(configuration(settings, url))
    # The server hands its signals on after it has drained; by then there is nothing left to do.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    server.run()


def configuration(settings: Settings, url: str) -> uvicorn.Config:
    """How the server runs the door."""
    return uvicorn.Config(
        Door(settings, url),
        host=settings.door_host,
        port=settings.door_port,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=IDLE_CONNECTION_SECONDS,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
