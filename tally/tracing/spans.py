"""Spans, made with OpenTelemetry's SDK and sent by OTLP over HTTP. Imported only where traces are on.

Where to, which share and how is said by OpenTelemetry's own variables, OTEL_EXPORTER_OTLP_ENDPOINT and the like.
Spans leave from a thread of their own: nobody waits for a receiver, and one that is dead costs a line a minute.
"""

import logging
import re
import threading
import time
from collections.abc import Mapping, Sequence
from multiprocessing.util import Finalize
from typing import Final

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from tally.errors import SettingsError

# What may still leave when a process ends; a receiver that does not answer holds nobody up for longer.
CLOSING_SECONDS: Final = 2.0
_COMPLAIN_SECONDS: Final = 60.0
_QUERY: Final = re.compile(r"\?\S+")
_W3C: Final = TraceContextTextMapPropagator()

log = logging.getLogger("tally.tracing")


class Spans:
    """What one process tells about its work. `part` names it: door, ledger, push."""

    def __init__(self, part: str) -> None:
        """
        Raises:
            SettingsError: a variable of OpenTelemetry is malformed.
        """
        _hear_complaints()
        try:
            self._exporter = OTLPSpanExporter()
            self._provider = TracerProvider(resource=_resource(part), shutdown_on_exit=False)
            self._provider.add_span_processor(BatchSpanProcessor(self._exporter))
        except ValueError as error:
            raise SettingsError(f"OTEL_ variables: {error}. See docs/tracing.md.") from None
        self._tracer = self._provider.get_tracer("tallyledger")
        # A thread that waits for its one task from the start: at a process' end no new one may begin.
        self._ending = threading.Event()
        self._last = threading.Thread(target=self._send_the_last, name="last spans", daemon=True)
        self._last.start()
        # At the end of this process, also of one that multiprocessing started; not of one forked from it.
        self._at_end = Finalize(None, self._close, exitpriority=0)

    def begin(
        self,
        name: str,
        carrier: Mapping[str, str],
        kind: SpanKind = SpanKind.INTERNAL,
        at: int | None = None,
        links: Sequence[Span] = (),
    ) -> Span:
        """A span that goes on with the `traceparent` in `carrier`; without a well-formed one a trace begins with it.

        `at` is when it began, nanoseconds of Unix time; default: now. Whether it is recorded is the sampler's to say.
        """
        parent = _W3C.extract(carrier, Context())
        linked = [Link(span.get_span_context()) for span in links]
        return self._tracer.start_span(name, parent, kind, links=linked, start_time=at)

    def close(self) -> None:
        """Send what has not left yet, for at most `CLOSING_SECONDS`, and send nothing more."""
        self._at_end()

    def _close(self) -> None:
        self._ending.set()
        self._last.join(CLOSING_SECONDS)
        if self._last.is_alive():
            self._exporter.shutdown()  # type: ignore[no-untyped-call]  # ends its waiting between two tries

    def _send_the_last(self) -> None:
        self._ending.wait()
        self._provider.shutdown()


def traceparent_of(span: Span) -> str:
    """The span as W3C traceparent, for whoever goes on with it."""
    said = span.get_span_context()
    return f"00-{said.trace_id:032x}-{said.span_id:016x}-{said.trace_flags:02x}"


def remote(traceparent: str) -> Span:
    """The span that a traceparent names, to be linked to."""
    return get_current_span(_W3C.extract({"traceparent": traceparent}, Context()))


def fail(span: Span, why: str) -> None:
    """Mark the span as one of something that went wrong."""
    span.set_status(Status(StatusCode.ERROR, why))


def _resource(part: str) -> Resource:
    resource = Resource.create()
    named = str(resource.attributes.get(SERVICE_NAME, ""))
    # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES come first; their absence is called unknown_service.
    if named.startswith("unknown_service"):
        resource = resource.merge(Resource({SERVICE_NAME: f"tallyledger-{part}"}))
    return resource.merge(Resource({"service.namespace": "tallyledger"}))


class _Complaints(logging.Handler):
    """OpenTelemetry's own warnings, one a minute, without the query of an address: it may hold a token."""

    _quiet_until = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        if time.monotonic() >= self._quiet_until:
            self._quiet_until = time.monotonic() + _COMPLAIN_SECONDS
            log.warning("traces: %s", _QUERY.sub("?...", record.getMessage()))


def _hear_complaints() -> None:
    library = logging.getLogger("opentelemetry")
    if not any(isinstance(handler, _Complaints) for handler in library.handlers):
        library.addHandler(_Complaints(logging.WARNING))
        library.propagate = False
