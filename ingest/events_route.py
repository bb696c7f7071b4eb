"""POST /v1/events, the hot route: a bare ASGI callable, one pass from the body to the rows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from ingest.acceptance import Acceptance
from ingest.answer import JSON, encode_answer
from ingest.answering import answer, refused
from ingest.asgi import Headers, Receive, Scope, Send
from ingest.batch import decode_batch
from ingest.body_formats import BodyFormat, format_of
from ingest.derived_keys import HEADER, key_stem
from ingest.door_clock import DoorClock
from ingest.event import Event
from ingest.judgement import Judgement, judge
from ingest.keyring import Keyring
from ingest.landing import Landing, Overloaded
from ingest.link import DatabaseLost, RowsRefused
from ingest.logs import log
from ingest.meter_catalogue import MeterCatalogue
from ingest.metrics import Metrics
from ingest.problem import Problem, unavailable
from ingest.query import refuse_foreign_tenant
from ingest.rate_limit import RateLimits
from ingest.request_body import media_type_of, read_body
from ingest.request_id import request_id
from ingest.route import Reply
from ingest.trace_links import TraceLink
from tally.settings import Settings

PATH = "/v1/events"
SCOPE = "events:write"
_LANDED: Final = {
    "nothing": "nothing of this request landed",
    "unknown": "whether this request landed is not known",
}
_RETRY = "send the same events again with the same keys: each counts once"
# Headers that change how a body is read, or what its events are called.
_INVOLVED: Final = frozenset((HEADER, b"content-encoding"))


class Ready(NamedTuple):
    """A request that was judged and waits for its rows to land. `headers` go with its answer, `trace` with its rows."""

    judgement: Judgement
    tenant_id: str
    headers: Headers
    trace: TraceLink | None = None


@dataclass(frozen=True)
class EventsRoute:
    """Takes, judges, lands and answers. Nothing it holds belongs to one request."""

    settings: Settings
    clock: DoorClock
    keyring: Keyring
    catalogue: MeterCatalogue
    landing: Landing
    metrics: Metrics
    limits: RateLimits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        request = request_id(headers.get(b"x-request-id"))
        await answer(self._answer(scope, headers, receive, request), send, request, PATH, self.metrics)

    def at_once(self, headers: Mapping[bytes, bytes], body: bytes, request: str) -> Ready | None:
        """What a request comes to of which every event lands, when all that it takes is in memory. None for any other:
        nothing of it was counted or taken then, and it goes the ordinary way. `body` is the whole of it as sent.
        """
        now = self.clock.at_once()
        if now is None or headers.get(b"content-type") != JSON or not _INVOLVED.isdisjoint(headers):
            return None
        key = self.keyring.at_once(headers.get(b"authorization"), now, SCOPE)
        meters = None if key is None else self.catalogue.at_once(key.tenant_id)
        if key is None or meters is None or len(body) > self.settings.max_body_bytes:
            return None
        try:
            batch = decode_batch(body, self.settings.max_batch_events)
            judgement = judge(batch, Acceptance.at(now, key.tenant_id, meters, self.settings), request)
            if judgement.refusals or not self.landing.has_room(len(judgement.rows)):
                return None
        except Problem:
            return None
        left = self.limits.at_once(key, len(batch.events))
        return None if left is None else Ready(judgement, key.tenant_id, left)

    def land(self, ready: Ready, done: Callable[[Exception | None], object]) -> None:
        """Have it landed; `done` hears of it once, and must not raise."""
        rows = ready.judgement.rows
        self.landing.enter("".join(rows).encode(), len(rows), done, ready.trace)

    def outcome(self, ready: Ready, error: Exception | None) -> Reply:
        """The answer after the commit, or after what kept it from being one."""
        request = ready.judgement.answer.request_id
        if error is None:
            reply = self._accepted(ready)
        else:
            reply = refused(_not_landed(error, request), request, PATH, self.metrics)
        self.metrics.requests.labels(PATH, reply.status).inc()
        return reply

    async def _answer(self, scope: Scope, headers: Mapping[bytes, bytes], receive: Receive, request: str) -> Reply:
        try:
            ready = await self._judged(scope, headers, receive, request)
            rows = ready.judgement.rows
            if rows:
                await self.landing.land("".join(rows).encode(), len(rows), ready.trace)
        except (Overloaded, DatabaseLost, RowsRefused) as error:
            raise _not_landed(error, request) from None
        return self._accepted(ready)

    async def _judged(self, scope: Scope, headers: Mapping[bytes, bytes], receive: Receive, request: str) -> Ready:
        now = await self.clock.now()
        key = await self.keyring.authenticate(headers.get(b"authorization"), now, SCOPE)
        refuse_foreign_tenant(scope["query_string"], key.tenant_id)
        form = format_of(media_type_of(headers))
        stem = key_stem(headers.get(HEADER))
        body = await read_body(headers, receive, self.settings.max_body_bytes)
        batch = form.decode(body, self.settings.max_batch_events, stem)
        left = self.limits.take(key, len(batch.events))
        metrics = {event.metric for event in batch.events if isinstance(event, Event)}
        meters = await self.catalogue.meters(key.tenant_id, metrics)
        judgement = judge(batch, Acceptance.at(now, key.tenant_id, meters, self.settings), request)
        if form.fields and judgement.refusals:
            _rename_fields(judgement, form)
        return Ready(judgement, key.tenant_id, left)

    def _accepted(self, ready: Ready) -> Reply:
        answer = ready.judgement.answer
        self.metrics.events_of(ready.tenant_id, "accepted").inc(answer.accepted)
        if answer.duplicates:
            self.metrics.events_of(ready.tenant_id, "duplicate").inc(answer.duplicates)
        if answer.rejected:
            self.metrics.events_of(ready.tenant_id, "rejected").inc(answer.rejected)
            for code, count in ready.judgement.refusals.items():
                self.metrics.rejected.labels(code).inc(count)
            log.info(
                "events_rejected", request_id=answer.request_id, rejected=answer.rejected, accepted=answer.accepted
            )
        status, media_type, body = encode_answer(answer)
        return Reply(body, status, ready.headers, media_type)


def _not_landed(error: Exception, request: str) -> Problem:
    if isinstance(error, Overloaded):
        detail = f"too many events wait for a commit; {_LANDED['nothing']}; {_RETRY}"
        return unavailable("overloaded", detail, "nothing")
    if isinstance(error, DatabaseLost):
        log.error("database_lost", request_id=request, cause=error.cause, landed=error.landed)
        detail = f"the database does not answer; {_LANDED[error.landed]}; {_RETRY}"
        return unavailable("database-lost", detail, error.landed)
    detail = f"the database refused these events; {_LANDED['nothing']}"
    return Problem(500, "rows-refused", detail, landed="nothing")


def _rename_fields(judgement: Judgement, form: BodyFormat) -> None:
    """Name fields at fault as the sender's format does."""
    for result in judgement.answer.results:
        if isinstance(result.field, str):
            result.field = form.fields.get(result.field, result.field)
