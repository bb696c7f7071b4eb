"""Connections that do not keep up are ended: the server itself waits for ever for a request's rest or for a reader.

Nothing is armed for a request. Each connection notes when it began to wait, and the server looks through all of them
once a second.
"""

from collections.abc import Iterable
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from ingest.problem import MEDIA_TYPE, Problem
from ingest.request_id import request_id

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application

# A request must be whole, and an answer be taken, within this time; so long may a new connection also stay silent.
PATIENCE_SECONDS: Final = 30.0


class TimedConnection(HttpToolsProtocol):
    """One connection. The times are when it began to wait for its client to send or read; None while it does not."""

    _sending_since: float | None = None
    _reading_since: float | None = None
    _earlier: RequestResponseCycle | None = None  # the request before the one that is arriving
    _answering: RequestResponseCycle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._sending_since = monotonic()

    def connection_lost(self, error: Exception | None) -> None:
        # The server marks the last request that arrived; with several sent ahead the one being answered is another.
        self.pipeline.clear()
        if self._answering is not None:
            self._answering.disconnected = True
        super().connection_lost(error)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: "ASGI3Application") -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def on_message_begin(self) -> None:
        self._sending_since = monotonic()
        self._earlier = self.cycle
        super().on_message_begin()

    def on_message_complete(self) -> None:
        self._sending_since = None
        super().on_message_complete()

    def pause_writing(self) -> None:
        self._reading_since = monotonic()
        super().pause_writing()

    def resume_writing(self) -> None:
        self._reading_since = None
        super().resume_writing()

    def end_when_late(self, earliest: float) -> None:
        """End it when its client has been waited for since before `earliest`."""
        if self._reading_since is not None and self._reading_since < earliest:
            self.transport.abort()
        elif self._sending_since is not None and self._sending_since < earliest and not self._is_answering_earlier():
            self._sending_since = None
            if self.headers is not None and not self._has_begun_to_answer():
                self._answer_too_slow()
            self._give_up_request()
            self.transport.close()

    def _is_answering_earlier(self) -> bool:
        return self._earlier is not None and not self._earlier.response_complete

    def _has_begun_to_answer(self) -> bool:
        return self.cycle is not self._earlier and self.cycle.response_started

    def _answer_too_slow(self) -> None:
        given = next((value for name, value in self.headers if name == b"x-request-id"), None)
        detail = f"the request did not arrive whole within {PATIENCE_SECONDS:g} seconds"
        self.say(Problem(408, "request-too-slow", detail, landed="nothing"), request_id(given))

    def say(self, problem: Problem, request: str) -> None:
        """Answer in the application's place, before the connection is closed."""
        body = problem.body(request)
        head = [STATUS_LINE[problem.status], b"content-type: ", MEDIA_TYPE, b"\r\nx-request-id: ", request.encode()]
        for name, value in problem.headers:
            head += (b"\r\n", name, b": ", value)
        head.append(b"\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body))
        self.transport.write(b"".join(head) + body)

    def _give_up_request(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()


def end_late(connections: Iterable[object]) -> None:
    """End those of a server's connections that have kept it waiting too long."""
    earliest = monotonic() - PATIENCE_SECONDS
    for connection in list(connections):
        if isinstance(connection, TimedConnection):
            connection.end_when_late(earliest)
