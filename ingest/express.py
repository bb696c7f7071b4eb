"""A short way for the plainest request: one small POST /v1/events of which every event lands.

The ordinary way makes a scope, a task and futures for each request, which costs as much as taking its event. Here the
connection judges the body itself as soon as it is whole, and writes the answer when it hears of the commit. Judging,
landing and answer are the route's; whatever is not as plain as that goes the ordinary way, as if this were not here.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from ingest.bounded_connections import BoundedConnection
from ingest.events_route import PATH, EventsRoute, Ready
from ingest.request_id import request_id

_URL = PATH.encode()
# Far below what makes the ordinary way stop reading, and above any single event of the default limits.
MAX_HELD_BYTES = 16_384


class ExpressConnection(BoundedConnection):
    """One connection. A request that may be a plain one is held from its head to the end of its body's first piece."""

    _held: bytes | None = None

    def __init__(self, route: EventsRoute, **given: Any) -> None:
        super().__init__(route.settings.max_connections, route.metrics.refused_connections, **given)
        self._route = route

    def on_headers_complete(self) -> None:
        if self.url == _URL and self._may_be_plain():
            self._held = b""
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if self._held == b"":
            self._held = body
            return
        if self._held is not None:
            self._let_go()
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self._held is not None and not self._went_express(self._held):
            self._let_go()
        super().on_message_complete()

    def shutdown(self) -> None:
        if self._held is not None:
            self._let_go()
        super().shutdown()

    def _may_be_plain(self) -> bool:
        return (
            self.parser.get_method() == b"POST"
            and self.parser.get_http_version() == "1.1"
            and not self.parser.should_upgrade()
            and not self.expect_100_continue
            and not self.flow.write_paused
            and (self.cycle is None or self.cycle.response_complete)
            and 0 < int(dict(self.headers).get(b"content-length", b"0")) <= MAX_HELD_BYTES
        )

    def _went_express(self, body: bytes) -> bool:
        headers = dict(self.headers)
        request = request_id(headers.get(b"x-request-id"))
        try:
            ready = self._route.at_once(headers, body, request)
        except Exception:  # noqa: BLE001 the ordinary way meets the same fault, and answers and logs it
            return False
        if ready is None:
            return False
        self._held = None
        self.cycle = self._answering = waiting = _Waiting(self, ready)
        self._route.land(ready, waiting.landed)
        return True

    def _let_go(self) -> None:
        """What is held goes the ordinary way."""
        body, self._held = self._held, None
        super().on_headers_complete()
        if body:
            super().on_body(body)

    def answer(self, ready: Ready, error: Exception | None, keep_alive: bool) -> None:
        """Write the answer."""
        reply = self._route.outcome(ready, error)
        head = [STATUS_LINE[reply.status]]
        for name, value in (*self.server_state.default_headers, *reply.headers):
            head += (name, b": ", value, b"\r\n")
        end = b"\r\n" if keep_alive else b"connection: close\r\n\r\n"
        request = ready.judgement.answer.request_id.encode()
        head.append(
            b"content-type: %b\r\ncontent-length: %d\r\nx-request-id: %b\r\n%b%b"
            % (reply.media_type, len(reply.body), request, end, reply.body)
        )
        self.transport.write(b"".join(head))


class _Waiting(RequestResponseCycle):
    """A request that waits for its commit, with what the connection asks of one that is under way."""

    message_event = asyncio.Event()  # nobody waits for more of it

    def __init__(self, connection: ExpressConnection, ready: Ready) -> None:
        self._connection = connection
        self._ready = ready
        self.keep_alive = connection.parser.should_keep_alive()
        self.disconnected = False
        self.response_started = False
        self.response_complete = False
        self.more_body = False

    def landed(self, error: Exception | None) -> None:
        """Answer in a turn of its own: what goes wrong there is no concern of the commit's other requests."""
        self._connection.loop.call_soon(self._answer, error)

    def _answer(self, error: Exception | None) -> None:
        connection = self._connection
        if self.disconnected:
            return
        connection.answer(self._ready, error, self.keep_alive)
        self.response_started = self.response_complete = True
        if not self.keep_alive:
            connection.transport.close()
        connection.on_response_complete()
