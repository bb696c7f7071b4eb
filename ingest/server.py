"""Running the door: uvicorn on one port, drained when it is told to stop."""

import asyncio
import gc
import resource
import signal
import socket
from functools import partial
from typing import cast

import uvicorn

from ingest.application import Door
from ingest.connections import end_late
from ingest.express import ExpressConnection
from ingest.logs import configure_logs, log
from tally.database import connect, database_url
from tally.migrations import require_current
from tally.settings import Settings

DRAIN_SECONDS = 30
IDLE_CONNECTION_SECONDS = 75
BACKLOG = 2048
OTHER_FILES = 100  # open beside the connections: database links, threads, libraries
TICKS_A_SECOND = 10
COLLECT_AFTER_OBJECTS = 20_000


class DoorServer(uvicorn.Server):
    """Says on stdout where it listens, once it does: whoever starts the door with port 0 reads it there.

    Once a second it ends the connections whose clients do not keep up.
    """

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            print(f"ingest door listening on http://{f'[{host}]' if ':' in host else host}:{port}", flush=True)

    async def on_tick(self, counter: int) -> bool:
        if counter % TICKS_A_SECOND == 0:
            end_late(self.server_state.connections)
        return await super().on_tick(counter)


def serve(settings: Settings) -> None:
    """Run the door until SIGTERM or SIGINT; everything accepted is committed and answered before this returns.

    Raises:
        TallyError: the database does not answer, or its schema is not this version's.
    """
    configure_logs(settings.log_level)
    url = database_url(settings)
    with connect(url) as connection:
        require_current(connection)
    allow_open_files(settings.max_connections + OTHER_FILES)
    server = DoorServer(configuration(settings, url))
    keep_collector_off_the_hot_path()
    # The server hands its signals on after it has drained; by then there is nothing left to do.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    server.run()


def allow_open_files(files: int) -> None:
    """Let this process open so many, as far as it may: the usual limit of 1,024 is far below what a door takes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = files if hard == resource.RLIM_INFINITY else min(files, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    if most < files:
        log.warning("few_open_files", limit=most, needed=files, fix="raise ulimit -n or lower TALLY_MAX_CONNECTIONS")


def keep_collector_off_the_hot_path() -> None:
    """Let Python's cycle collector leave out what is there for good, and run once in many requests instead of in a few.

    Requests leave next to no cycles behind: reference counts free them. With the usual threshold the collector took a
    tenth of the door's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER_OBJECTS, 20, 50)


def configuration(settings: Settings, url: str) -> uvicorn.Config:
    """How the server runs the door."""
    door = Door(settings, url)
    return uvicorn.Config(
        door,
        host=settings.door_host,
        port=settings.door_port,
        loop="uvloop",
        http=cast("type[asyncio.Protocol]", partial(ExpressConnection, door.events)),  # only ever called
        ws="none",
        lifespan="on",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nothing here reads the client's address
        backlog=BACKLOG,
        timeout_keep_alive=IDLE_CONNECTION_SECONDS,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
