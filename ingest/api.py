"""Every route under /v1 but the hot one: found, authenticated, answered, and refused in the one shape."""

import re
from collections.abc import Iterable, Mapping

import psycopg

from ingest.answer import JSON
from ingest.answering import answer
from ingest.asgi import Receive, Scope, Send
from ingest.door_clock import DoorClock
from ingest.keyring import Keyring
from ingest.link import DatabaseLost
from ingest.logs import log
from ingest.metrics import Metrics
from ingest.problem import Problem
from ingest.query import query_of
from ingest.request_body import media_type_of, read_body
from ingest.request_id import request_id
from ingest.route import Call, Reply, Route
from tally.errors import DatabaseUnavailable

PREFIX = "/v1/"
MAX_BODY_BYTES = 65_536
_UNANSWERED = (DatabaseLost, DatabaseUnavailable, psycopg.OperationalError)


class Api:
    """The routes under /v1. `elsewhere` are methods that a path takes beside these routes."""

    def __init__(
        self,
        routes: Iterable[Route],
        elsewhere: Mapping[str, tuple[str, ...]],
        clock: DoorClock,
        keyring: Keyring,
        metrics: Metrics,
    ) -> None:
        self._routes = [(_pattern(route.path), route) for route in routes]
        self._elsewhere = elsewhere
        self._clock = clock
        self._keyring = keyring
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        request = request_id(headers.get(b"x-request-id"))
        label, methods = self._found(scope["path"])
        await answer(self._answered(methods, scope, headers, receive, request), send, request, label, self._metrics)

    def _found(self, path: str) -> tuple[str, Mapping[str, tuple[Route, str]]]:
        """The template of the path, and by method the route with what stands in the place of its parameter; `other` and
        none for a path that is not there."""
        methods: dict[str, tuple[Route, str]] = {}
        template = "other"
        for pattern, route in self._routes:
            match = pattern.fullmatch(path)
            if match is not None and template in ("other", route.path):
                template = route.path
                methods[route.method] = (route, match[1] if match.lastindex else "")
        return template, methods

    async def _answered(
        self,
        methods: Mapping[str, tuple[Route, str]],
        scope: Scope,
        headers: Mapping[bytes, bytes],
        receive: Receive,
        request: str,
    ) -> Reply:
        try:
            return await self._answer(methods, scope, headers, receive)
        except _UNANSWERED as lost:
            log.error("database_lost", request_id=request, cause=str(lost))
            detail = "the database does not answer in time; ask again, for less of it if you can"
            raise Problem(503, "database-lost", detail, ((b"retry-after", b"1"),)) from None

    async def _answer(
        self,
        methods: Mapping[str, tuple[Route, str]],
        scope: Scope,
        headers: Mapping[bytes, bytes],
        receive: Receive,
    ) -> Reply:
        if not methods:
            path = scope["path"]
            raise Problem(404, "not-found", f"there is nothing at {path}; the routes are listed at /docs")
        found = methods.get(scope["method"])
        if found is None:
            template = next(iter(methods.values()))[0].path
            allowed = ", ".join(sorted({*methods, *self._elsewhere.get(template, ())}))
            detail = f"{template} takes {allowed}"
            raise Problem(405, "method-not-allowed", detail, ((b"allow", allowed.encode()),))
        route, name = found
        now = await self._clock.now()
        key = await self._keyring.authenticate(headers.get(b"authorization"), now, route.scope)
        query = query_of(scope["query_string"], key.tenant_id, route.parameters)

        async def body() -> bytes:
            sent = await read_body(headers, receive, MAX_BODY_BYTES)
            if sent and media_type_of(headers) != JSON:
                detail = "send JSON with the header Content-Type: application/json"
                raise Problem(415, "unsupported-media-type", detail, ((b"accept", JSON),))
            return sent

        return await route.handle(Call(key, now, name, query, body))


def _pattern(template: str) -> re.Pattern[str]:
    text = re.escape(template).replace(r"\{key\}", "(.+)")
    return re.compile(re.sub(r"\\\{[a-z_]+\\\}", "([^/]+)", text), re.DOTALL)
