"""POST /v1/events, the hot route: a bare ASGI callable, one pass from the body to the rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ingest.acceptance import Acceptance
from ingest.answer import encode_answer
from ingest.asgi import Headers, Receive, Scope, Send, respond
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
from ingest.problem import MEDIA_TYPE, Problem, fault, unavailable
from ingest.query import refuse_foreign_tenant
from ingest.rate_limit import RateLimits
from ingest.refused_requests import note_refused
from ingest.request_body import ClientGone, media_type_of, read_body
from ingest.request_id import request_id
from tally.settings import Settings

PATH = "/v1/events"
SCOPE = "events:write"
_LANDED: Final = {
    "nothing": "nothing of this request landed",
    "unknown": "whether this request landed is not known",
}
_RETRY = "send the same events again with the same keys: each counts once"


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
        extra: Headers = ()
        try:
            (status, media_type, body), extra = await self._answer(scope, headers, receive, request)
        except Problem as problem:
            status, media_type, body, extra = problem.status, MEDIA_TYPE, problem.body(request), problem.headers
            note_refused(problem, request, PATH, self.metrics)
        except ClientGone:
            log.info("client_gone", request_id=request, route=PATH)
            return
        except Exception:
            log.error("fault", request_id=request, route=PATH)
            self.metrics.requests.labels(PATH, 500).inc()
            await respond(send, 500, MEDIA_TYPE, request.encode(), fault().body(request))
            raise  # The server logs it with its traceback.
        self.metrics.requests.labels(PATH, status).inc()
        await respond(send, status, media_type, request.encode(), body, extra)

    async def _answer(
        self, scope: Scope, headers: Mapping[bytes, bytes], receive: Receive, request: str
    ) -> tuple[tuple[int, bytes, bytes], Headers]:
        try:
            judgement, left = await self._judged(scope, headers, receive, request)
            if judgement.rows:
                await self.landing.land("".join(judgement.rows).encode(), len(judgement.rows))
        except Overloaded:
            detail = f"too many events wait for a commit; {_LANDED['nothing']}; {_RETRY}"
            raise unavailable("overloaded", detail, "nothing") from None
        except DatabaseLost as lost:
            log.error("database_lost", request_id=request, cause=lost.cause, landed=lost.landed)
            detail = f"the database does not answer; {_LANDED[lost.landed]}; {_RETRY}"
            raise unavailable("database-lost", detail, lost.landed) from None
        except RowsRefused:
            detail = f"the database refused these events; {_LANDED['nothing']}"
            raise Problem(500, "rows-refused", detail, landed="nothing") from None
        self._count(judgement)
        return encode_answer(judgement.answer), left

    async def _judged(
        self, scope: Scope, headers: Mapping[bytes, bytes], receive: Receive, request: str
    ) -> tuple[Judgement, Headers]:
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
        return judgement, left

    def _count(self, judgement: Judgement) -> None:
        answer = judgement.answer
        self.metrics.accepted.inc(answer.accepted)
        if answer.duplicates:
            self.metrics.duplicates.inc(answer.duplicates)
        if answer.rejected:
            self.metrics.events.labels("rejected").inc(answer.rejected)
            for code, count in judgement.refusals.items():
                self.metrics.rejected.labels(code).inc(count)
            log.info(
                "events_rejected", request_id=answer.request_id, rejected=answer.rejected, accepted=answer.accepted
            )


def _rename_fields(judgement: Judgement, form: BodyFormat) -> None:
    """Name fields at fault as the sender's format does."""
    for result in judgement.answer.results:
        if isinstance(result.field, str):
            result.field = form.fields.get(result.field, result.field)
