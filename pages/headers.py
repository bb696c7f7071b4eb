"""What a browser may do with the pages: no more than each needs, and nothing that leaves the machine."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tally.page_addresses import DBT_DOCS

_NOWHERE = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; img-src data:"
# A report is markup, style and drawings in one file; a script in it could only be somebody else's.
_REPORT = f"{_NOWHERE}; style-src 'unsafe-inline'"
# dbt's page is one file too, but an application: its scripts and styles stand in it, and its templates are compiled.
_DBT_DOCS = f"{_REPORT}; script-src 'unsafe-inline' 'unsafe-eval'; font-src data:"
_ALWAYS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    # A month's page is replaced under its name: a browser asks each time, and is answered 304.
    "cache-control": "private, no-cache",
}


class SecurityHeaders:
    """Sets them on every answer, refusals too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_ALWAYS)
                headers["content-security-policy"] = policy_of(scope["path"])
            await send(message)

        await self._app(scope, receive, with_headers)


def policy_of(path: str) -> str:
    """The content security policy of the page at `path`."""
    return _DBT_DOCS if path == f"/reports/{DBT_DOCS}" else _REPORT
