"""/docs: the OpenAPI document and a page to read it, served from the installed package and from nowhere else."""

from pathlib import Path
from typing import Any

import msgspec
from litestar import Response, get
from litestar.connection import Request
from litestar.exceptions import NotFoundException
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, OpenAPIRenderPlugin
from litestar.params import FromPath
from swagger_ui_bundle import swagger_ui_path

from ingest.events_document import components, events_path
from ingest.keys_document import keys_components, keys_paths
from ingest.reading_document import reading_components, reading_paths
from ingest.replay_document import replay_components, replay_paths
from ingest.reports_document import reports_components, reports_paths
from ingest.usage_document import usage_components, usage_paths
from ingest.webhook_document import webhook_components, webhook_paths
from tally import __version__
from tally.settings import Settings

PATHS = frozenset({"/docs", "/docs/", "/docs/openapi.json"})
_ASSETS = {"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript", "favicon-32x32.png": "image/png"}
ASSET_PATHS = frozenset(f"/docs/assets/{name}" for name in _ASSETS)
_PAGE = b"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Tallyledger: the ingest door</title>
<link rel="stylesheet" href="/docs/assets/swagger-ui.css">
<link rel="icon" href="/docs/assets/favicon-32x32.png">
</head>
<body>
<div id="document"></div>
<script src="/docs/assets/swagger-ui-bundle.js"></script>
<script>SwaggerUIBundle({url: "/docs/openapi.json", dom_id: "#document", deepLinking: true})</script>
</body>
</html>
"""


class _Document(JsonRenderPlugin):
    """The document that the framework makes of its own routes, with the routes under /v1 added."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        made = msgspec.to_builtins(openapi_schema)
        paths = {**_api_paths(self._settings), **made["paths"]}
        reading = {**reading_components(), **usage_components(), **reports_components()}
        told = {**replay_components(), **webhook_components()}
        own = {**components(self._settings), **reading, **keys_components(), **told}
        schemas = {**own, **made["components"].get("schemas", {})}
        security = {"key": {"type": "http", "scheme": "bearer", "description": "An API key: `tly_<id>_<secret>`."}}
        # 3.0: the bundled page cannot show 3.1, and nothing here needs it.
        document = {
            **made,
            "openapi": "3.0.3",
            "paths": paths,
            "components": {"schemas": schemas, "securitySchemes": security},
        }
        return msgspec.json.encode(document)


def _api_paths(settings: Settings) -> dict[str, Any]:
    reading = reading_paths()
    events = {**reading["/v1/events"], **events_path(settings)}
    read = {**reading, "/v1/events": events, **usage_paths(), **reports_paths()}
    return {**read, **keys_paths(), **replay_paths(), **webhook_paths()}


class _Page(OpenAPIRenderPlugin):
    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        return _PAGE


def openapi_config(settings: Settings) -> OpenAPIConfig:
    """The document and the page, under /docs."""
    return OpenAPIConfig(
        title="Tallyledger: the ingest door",
        version=__version__,
        description="Usage events go in here. A 2xx means that every accepted event is on disk.",
        path="/docs",
        render_plugins=[_Page(path="/"), _Document(settings)],
    )


@get("/docs/assets/{name:str}", include_in_schema=False, sync_to_thread=False)
def asset(name: FromPath[str]) -> Response[bytes]:
    if name not in _ASSETS:
        raise NotFoundException
    return Response(
        (Path(swagger_ui_path) / name).read_bytes(),
        media_type=_ASSETS[name],
        headers={"cache-control": "max-age=86400"},
    )
