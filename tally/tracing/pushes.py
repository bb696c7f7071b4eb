"""Calls to Stripe that go on with the traces of the events they bill. Imported only where traces are on."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from opentelemetry.trace import SpanKind

from tally.push.answers import Answer
from tally.push.intents import Claim
from tally.tracing.spans import Spans, fail

# Of one intent: a counter that thousands of traced events moved is still one call.
MOST_AN_INTENT = 5
_ARRIVED = ("accepted", "duplicate")


@dataclass(frozen=True)
class TracedCalls:
    """Tells each call once it is over, in the traces of the intents that it carried. `traces`: spans by intent."""

    spans: Spans
    traces: Mapping[UUID, Sequence[str]]

    def __call__(self, claims: Sequence[Claim], call: Callable[[], Answer]) -> Answer:
        began = time.time_ns()
        answer = call()
        ended = time.time_ns()
        for claimed in claims:
            for traceparent in self.traces.get(claimed.intent_id, ())[:MOST_AN_INTENT]:
                self._tell(claimed, answer, traceparent, began, ended)
        return answer

    def _tell(self, claimed: Claim, answer: Answer, traceparent: str, began: int, ended: int) -> None:
        span = self.spans.begin("push", {"traceparent": traceparent}, SpanKind.CLIENT, began)
        span.set_attributes(
            {
                "tally.intent_id": str(claimed.intent_id),
                "tally.attempt": claimed.attempt,
                "tally.metric": claimed.metric,
                "tally.outcome": answer.kind,
            }
        )
        if answer.http_status is not None:
            span.set_attribute("http.response.status_code", answer.http_status)
        if answer.request_id is not None:
            span.set_attribute("stripe.request_id", answer.request_id)
        if answer.kind not in _ARRIVED:
            fail(span, answer.kind)
        span.end(ended)
