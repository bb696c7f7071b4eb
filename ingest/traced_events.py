"""The hot route and the landing where traces are on: each request a span, and a few links in each commit.

Chosen when the door starts; where traces are off nothing of this is imported.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import time_ns
from typing import Any, Final

from opentelemetry.trace import Span, SpanKind

from ingest.asgi import Receive, Scope
from ingest.events_route import PATH, EventsRoute, Ready
from ingest.landing import Landing, Waiter
from ingest.problem import Problem
from ingest.route import Reply
from ingest.trace_links import MOST_A_COMMIT, MOST_KEYS, TraceLink
from tally.tracing.spans import Spans, fail, traceparent_of

_SPAN: Final = "tally.span"
_W3C: Final = ("traceparent", "tracestate")


class TracedLanding(Landing):
    """A landing whose commits carry the links of the first traced requests among those that share them."""

    def _traces_of(self, group: list[Waiter]) -> Sequence[TraceLink]:
        return [waiter.trace for waiter in group if waiter.trace is not None][:MOST_A_COMMIT]


class TracedReady(Ready):
    """A judged request with its span, which ends when its commit is known."""

    span: Span


@dataclass(frozen=True)
class TracedEventsRoute(EventsRoute):
    """The hot route, told. A caller's `traceparent` is gone on with; a malformed one is as good as none."""

    spans: Spans

    def at_once(self, headers: Mapping[bytes, bytes], body: bytes, request: str) -> Ready | None:
        began = time_ns()
        ready = super().at_once(headers, body, request)
        return None if ready is None else _traced(ready, self._begin(headers, began))

    def land(self, ready: Ready, done: Callable[[Exception | None], object]) -> None:
        def landed(error: Exception | None) -> None:
            if isinstance(ready, TracedReady):
                _end(ready.span, 200 if error is None else None, error)
            done(error)

        super().land(ready, landed)

    async def _answer(self, scope: Scope, headers: Mapping[bytes, bytes], receive: Receive, request: str) -> Reply:
        span = scope[_SPAN] = self._begin(headers, time_ns())
        status: int | None = None
        try:
            reply = await super()._answer(scope, headers, receive, request)
            status = reply.status
            return reply
        except Problem as problem:
            status = problem.status
            raise
        finally:
            _end(span, status)

    async def _judged(self, scope: Scope, headers: Mapping[bytes, bytes], receive: Receive, request: str) -> Ready:
        return _traced(await super()._judged(scope, headers, receive, request), scope[_SPAN])

    def _begin(self, headers: Mapping[bytes, bytes], at: int) -> Span:
        given = {name: headers[name.encode()].decode("latin-1") for name in _W3C if name.encode() in headers}
        span = self.spans.begin(f"POST {PATH}", given, SpanKind.SERVER, at)
        span.set_attributes({"http.request.method": "POST", "http.route": PATH})
        return span


def _traced(ready: Ready, span: Span) -> Ready:
    """The request with its span, and with its link where it is recorded and lands something."""
    if not span.is_recording():
        return ready
    answer = ready.judgement.answer
    facts: dict[str, Any] = {
        "tally.tenant_id": ready.tenant_id,
        "tally.request_id": answer.request_id,
        "tally.events_accepted": answer.accepted,
        "tally.events_rejected": answer.rejected,
    }
    span.set_attributes(facts)
    keys = [result.idempotency_key for result in answer.results if result.status == "accepted"][:MOST_KEYS]
    link = TraceLink(ready.tenant_id, traceparent_of(span), [key for key in keys if key is not None])
    traced = TracedReady(ready.judgement, ready.tenant_id, ready.headers, link if link.idempotency_keys else None)
    traced.span = span
    return traced


def _end(span: Span, status: int | None, error: Exception | None = None) -> None:
    if status is not None:
        span.set_attribute("http.response.status_code", status)
    if status is None or status >= 500:
        fail(span, type(error).__name__ if error is not None else "not answered")
    span.end()
