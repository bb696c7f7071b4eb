"""The door as one ASGI application: the bare route for events, the framework for everything else."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, cast

import msgspec
from litestar import Litestar, MediaType, Response, get
from litestar.connection import Request
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.types import ASGIApp

from ingest import api, documentation, events_route, keys_routes, webhook_route
from ingest.answer import JSON
from ingest.api import Api
from ingest.asgi import Message, Receive, Scope, Send, respond
from ingest.documentation import asset, openapi_config
from ingest.door_clock import DoorClock, PlainClock, SharedClock
from ingest.events_reading import EventsReading
from ingest.events_route import EventsRoute
from ingest.health import Alive, live, ready
from ingest.key_use import KeyUse
from ingest.keyring import Keyring
from ingest.keys_routes import KeysRoutes
from ingest.landing import Landing
from ingest.link import Link
from ingest.logs import log
from ingest.meter_catalogue import MeterCatalogue
from ingest.metrics import Metrics
from ingest.partitions import keep_partitions, make_partitions
from ingest.problem import MEDIA_TYPE, Problem, fault
from ingest.rate_limit import RateLimits
from ingest.reading_links import ReadingLinks
from ingest.replay_routes import ReplayRoutes
from ingest.reports_routes import ReportsRoutes
from ingest.request_id import request_id
from ingest.usage_routes import UsageRoutes
from ingest.webhook_route import WebhookRoute
from tally.clock import Clock, SystemClock
from tally.settings import Settings
from tally.webhook_secrets import webhook_secrets

COMMITS_IN_FLIGHT = 2
READERS = 2
LIVE_PATH = "/health/live"
ALIVE = msgspec.json.encode(Alive())
SERVED_PATHS = {LIVE_PATH, "/health/ready", "/metrics"} | documentation.PATHS | documentation.ASSET_PATHS


class Door:
    """The application and everything it stands on. `clock` is for tests; without it the settings choose."""

    def __init__(self, settings: Settings, database_url: str, clock: Clock | None = None) -> None:
        self.settings = settings
        self.metrics = Metrics(settings.max_tenant_labels)
        self._reads = Link(database_url, "reads")
        self._time = Link(database_url, "clock")
        self._commits = [Link(database_url, f"commits {number}") for number in range(1, COMMITS_IN_FLIGHT + 1)]
        self._simulated = clock is None and settings.clock == "simulated"
        self.clock: DoorClock = SharedClock(self._time) if self._simulated else PlainClock(clock or SystemClock())
        landing, route = _traced() if settings.traces == "on" else (Landing, EventsRoute)
        self.landing = landing(self._commits, self.clock, self.metrics, settings.max_queued_events)
        self._uses = KeyUse(self._reads)
        keyring = Keyring(self._reads, self._uses)
        self.events = route(
            settings, self.clock, keyring, MeterCatalogue(self._reads), self.landing, self.metrics,
            RateLimits(settings, self.metrics),
        )  # fmt: skip
        self._readers = ReadingLinks(database_url, READERS)
        keys = KeysRoutes(database_url, self.metrics, asyncio.Semaphore(keys_routes.MAX_CALLS))
        replays = ReplayRoutes(database_url, asyncio.Lock())
        reading = (EventsReading(self._readers), UsageRoutes(self._readers), ReportsRoutes(self._readers))
        routes = (*(route for each in reading for route in each.routes()), *keys.routes(), *replays.routes())
        self._api = Api(routes, {events_route.PATH: ("POST",)}, self.clock, keyring, self.metrics)
        self._told = Link(database_url, "webhooks")
        self._webhooks = WebhookRoute(webhook_secrets(settings), self._told, self.metrics)
        self._framework = self._framework_app(database_url)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._hand_over(scope, receive, send)
        elif scope["path"] == events_route.PATH and scope["method"] == "POST":
            await self.events(scope, receive, send)
        elif scope["path"] == LIVE_PATH and scope["method"] == "GET":
            await self._live(scope, send)
        elif scope["path"].startswith(api.PREFIX):
            await self._api(scope, receive, send)
        elif scope["path"].startswith(webhook_route.PREFIX):
            await self._webhooks(scope, receive, send)
        else:
            await self._other(scope, receive, send)

    async def _live(self, scope: Scope, send: Send) -> None:
        # Past the framework, so that what the door costs can be held against an empty answer of the same server.
        request = request_id(dict(scope["headers"]).get(b"x-request-id"))
        self.metrics.requests.labels(LIVE_PATH, 200).inc()
        await respond(send, 200, JSON, request.encode(), ALIVE)

    async def _other(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        request = request_id(dict(scope["headers"]).get(b"x-request-id"))
        scope["request_id"] = request
        if path not in SERVED_PATHS:
            problem = Problem(404, "not-found", f"there is nothing at {path}; the routes are listed at /docs")
            self.metrics.requests.labels("other", 404).inc()
            await respond(send, 404, MEDIA_TYPE, request.encode(), problem.body(request))
            return

        async def observed(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.metrics.requests.labels(path, message["status"]).inc()
                message["headers"] = [*message["headers"], (b"x-request-id", request.encode())]
            await send(message)

        await self._hand_over(scope, receive, observed)

    async def _hand_over(self, scope: Scope, receive: Receive, send: Send) -> None:
        await cast("Any", self._framework)(scope, receive, send)

    def _framework_app(self, database_url: str) -> ASGIApp:
        @get("/metrics", summary="Prometheus metrics", media_type=MediaType.TEXT)
        async def metrics() -> str:
            return self.metrics.text().decode()

        return Litestar(
            [live, ready, metrics, asset],
            dependencies={"database_url": Provide(lambda: database_url, sync_to_thread=False)},
            exception_handlers={HTTPException: _as_problem, Exception: _as_problem},
            openapi_config=openapi_config(self.settings),
            lifespan=[self._lifetime],
            logging_config=None,
        )

    @asynccontextmanager
    async def _lifetime(self, _: Litestar) -> AsyncIterator[None]:
        keeper = None
        if not self._simulated:  # whoever moves the simulated clock makes its partitions
            await make_partitions(self._reads, self.clock)
            keeper = asyncio.create_task(keep_partitions(self._reads, self.clock))
        yield
        await self.landing.drain()
        await self._uses.drain()
        if keeper is not None:
            keeper.cancel()
            with suppress(asyncio.CancelledError):
                await keeper
        for link in (self._reads, self._time, self._told, *self._commits):
            await link.close()
        await self._readers.close()


def _traced() -> tuple[type[Landing], Callable[..., EventsRoute]]:
    """What lands and answers where traces are on. Imported here: OpenTelemetry costs nothing where they are off."""
    from ingest.traced_events import TracedEventsRoute, TracedLanding
    from tally.tracing.spans import Spans

    return TracedLanding, partial(TracedEventsRoute, spans=Spans("door"))


def _as_problem(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    request_name = cast("dict[str, str]", request.scope)["request_id"]
    headers: dict[str, str] = {}
    if isinstance(error, HTTPException):
        code = {404: "not-found", 405: "method-not-allowed"}.get(error.status_code, "refused")
        problem = Problem(error.status_code, code, error.detail)
        headers = {name: value for name, value in (error.headers or {}).items() if name.lower() == "allow"}
    else:
        log.error("fault", request_id=request_name, exc_info=error)
        problem = fault()
    media_type = MEDIA_TYPE.decode()
    return Response(problem.body(request_name), status_code=problem.status, media_type=media_type, headers=headers)
