"""Builds the ASGI application: the index, the files of the reports' folder, and what stands around both."""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route

from pages.contents import read_contents
from pages.headers import SecurityHeaders
from pages.index import render_index, render_not_found
from pages.written_files import WrittenFiles
from tally.page_addresses import pages_url, reports_folder
from tally.settings import Settings


def application(settings: Settings) -> Starlette:
    """The pages of `settings`' TALLY_HOME."""
    folder = reports_folder(settings)
    routes = [
        Route("/", _index_of(folder)),
        Route("/health", _health),
        Mount("/reports", WrittenFiles(folder)),
    ]
    around = [
        Middleware(SecurityHeaders),
        Middleware(TrustedHostMiddleware, allowed_hosts=allowed_hosts(settings), www_redirect=False),
    ]
    return Starlette(routes=routes, middleware=around, exception_handlers={404: _not_found})


def allowed_hosts(settings: Settings) -> list[str]:
    """The names under which the pages are asked for. Any other is refused: a foreign site could have let a name of its
    own resolve to 127.0.0.1 in order to read them through a visitor's browser."""
    named = urlsplit(pages_url(settings)).hostname
    return sorted({"127.0.0.1", "localhost", "[::1]", settings.pages_host, *([named] if named else [])})


def _index_of(folder: Path) -> Callable[[Request], Response]:
    def index(_request: Request) -> Response:
        return HTMLResponse(render_index(read_contents(folder)))

    return index


def _health(_request: Request) -> Response:
    return PlainTextResponse("ok")


def _not_found(_request: Request, _error: Exception) -> Response:
    return HTMLResponse(render_not_found(), status_code=404)
