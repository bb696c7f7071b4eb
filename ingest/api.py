"""Every route under /v1 but the hot one: found, authenticated, answered, and refused in the one shape."""

import re
from collections.abc import Iterable, Mapping

import psycopg

from ingest.answer import JSON
from ingest.asgi import Headers, Receive, Scope, Send, respond
from ingest.door_clock import DoorClock
from ingest.keyring import Keyring
from ingest.link import DatabaseLost
from ingest.logs import log
from ingest.metrics import Metrics
from ingest.problem import MEDIA_TYPE, Problem, fault
from ingest.query import query_of
from ingest.refused_requests import note_refused
from ingest.request_body import ClientGone, media_type_of, read_body
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
        label = "other"
        extra: Headers
        try:
            path, methods = self._found(scope["path"])
            label = path
            reply = await self._answer(methods, scope, headers, receive)
            status, media_type, body, extra = reply.status, JSON, reply.body, reply.headers
        except Problem as problem:
            note_refused(problem, request, label, self._metrics)
            status, media_type, body, extra = problem.status, MEDIA_TYPE, problem.body(request), problem.headers
        except _UNANSWERED as lost:
            log.error("database_lost", request_id=request, cause=str(lost))
            detail = "the database does not answer in time; ask again, for less of it if you can"
            silent = Problem(503, "database-lost", detail, ((b"retry-after", b"1"),))
            status, media_type, body, extra = silent.status, MEDIA_TYPE, silent.body(request), silent.headers
        except ClientGone:
            log.info("client_gone", request_id=request, route=label)
            return
        except Exception:
            log.error("fault", request_id=request, route=label)
            self._metrics.requests.labels(label, 500).inc()
            await respond(send, 500, MEDIA_TYPE, request.encode(), fault().body(request))
            raise  # The server logs it with its traceback.
        self._metrics.requests.labels(label, status).inc()
        await respond(send, status, media_type, request.encode(), body, extra)

    def _found(self, path: str) -> tuple[str, Mapping[str, tuple[Route, str]]]:
        """The template of the path, and by method the route with what stands in the place of its parameter."""
        methods: dict[str, tuple[Route, str]] = {}
        template = ""
        for pattern, route in self._routes:
            match = pattern.fullmatch(path)
            if match is not None and template in ("", route.path):
                template = route.path
                methods[route.method] = (route, match[1] if match.lastindex else "")
        if not methods:
            raise Problem(404, "not-found", f"there is nothing at {path}; the routes are listed at /docs")
        return template, methods

    async def _answer(
        self,
        methods: Mapping[str, tuple[Route, str]],
        scope: Scope,
        headers: Mapping[bytes, bytes],
        receive: Receive,
    ) -> Reply:
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
