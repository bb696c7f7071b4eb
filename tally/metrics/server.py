"""The exporter: a small HTTP service that Prometheus scrapes at /metrics."""

import logging
import sys
import threading
import time
from contextlib import closing

from prometheus_client import start_http_server

from tally.database import embedded
from tally.errors import DatabaseUnavailable, TallyError
from tally.metrics.collector import registry
from tally.metrics.reader import Reader
from tally.settings import Settings

log = logging.getLogger("tally.metrics")


def serve(settings: Settings, stop: threading.Event) -> None:
    """Answer scrapes until `stop` is set.

    Raises:
        SchemaError: the database's schema is not this version's.
        TallyError: the address is taken or not this machine's.
    """
    with closing(pipeline_reader(settings)) as reader:
        reader.require_current_schema()
        try:
            server, thread = start_http_server(
                settings.metrics_port, settings.metrics_host, registry(reader, settings.home)
            )
        except OSError as error:
            address = f"{settings.metrics_host}:{settings.metrics_port}"
            raise TallyError(f"no metrics at {address} (TALLY_METRICS_HOST, TALLY_METRICS_PORT): {error}") from None
        log.info("metrics at http://%s:%s/metrics", settings.metrics_host, settings.metrics_port)
        stop.wait()
        server.shutdown()
        server.server_close()
        thread.join()


def pipeline_reader(settings: Settings) -> Reader:
    """A reader of the settings' database. The embedded one is not started for it: that it is down is an answer."""
    return Reader(settings, lambda: _running_database(settings))


def log_to_stderr(level: str) -> None:
    """One line an entry, in UTC."""
    logging.Formatter.converter = time.gmtime
    line = "%(asctime)sZ %(levelname)s %(message)s"
    logging.basicConfig(level="WARNING", stream=sys.stderr, format=line, datefmt="%Y-%m-%dT%H:%M:%S")
    log.setLevel(level)


def _running_database(settings: Settings) -> str:
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    try:
        return embedded(settings).url()
    except FileNotFoundError:
        raise DatabaseUnavailable(f"no embedded Postgres was ever started in {settings.home}") from None
