"""Running the pages: uvicorn on one port."""

import uvicorn

from pages.application import application
from tally.page_addresses import pages_url
from tally.settings import Settings


def serve(settings: Settings) -> None:
    """Answer until SIGTERM or SIGINT. Reads files and nothing else: neither the database nor a secret is opened."""
    print(f"pages at {pages_url(settings)}", flush=True)
    uvicorn.run(
        application(settings),
        host=settings.pages_host,
        port=settings.pages_port,
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nothing here reads the client's address
        timeout_graceful_shutdown=5,
    )
